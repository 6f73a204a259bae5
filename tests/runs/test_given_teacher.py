"""A teacher of which there are the outputs alone: as good as the one that made them, or refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from crossdistill.data import MultimodalDataset, from_arrays, write_manifest
from crossdistill.encoders import MLP, Features
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS
from crossdistill.models import CrossModalModel
from crossdistill.reports import load_runs
from crossdistill.reports.examples import sample_views
from crossdistill.runs.build import build
from crossdistill.runs.given_teacher import mixed_up
from crossdistill.runs.run import run
from crossdistill.runs.warnings import Warnings
from crossdistill.student import load
from crossdistill.types import Batch, InputError
from tests.runs.small import gestures, recipe, with_data, with_model

OF_OUTPUTS = [name for name, kind in METHODS.items() if kind.learns_outputs]


def given(**changes):
    """The small recipe, taught by the outputs."""
    made = with_model(recipe(method="kd"), teacher="given", encoders={"wrist": recipe().model.encoders["wrist"]})
    return replace(with_data(made, auxiliary=("outputs",)), **changes)


def with_outputs(outputs: np.ndarray | pd.DataFrame, present: np.ndarray | None = None, **changes) -> MultimodalDataset:
    whole = gestures()
    here = {"outputs": present} if present is not None else {}
    made = from_arrays(
        {"wrist": whole.columns["wrist"], "outputs": outputs},
        whole.labels,
        splits=whole.splits,
        classes=whole.classes,
        present=here,
    )
    return replace(made, **changes)


def knowing(sharpness: float = 4.0) -> np.ndarray:
    """Logits of a teacher that is right of every sample."""
    return sharpness * np.eye(3)[gestures().labels] + np.random.default_rng(0).normal(size=(48, 3))


@pytest.mark.parametrize("method", OF_OUTPUTS)
def test_outputs_teach_what_the_teacher_teaches_who_made_them(method: str) -> None:
    """The same loss and the same gradients on the student as from a frozen teacher of the model's own."""
    torch.manual_seed(0)
    encoders = {"wrist": MLP(4, 8), "eye": MLP(5, 8)}
    whole = CrossModalModel(encoders, ["wrist"], ["eye"], 8, 3, separate_teacher=True)
    whole.freeze_teacher()
    student = CrossModalModel(
        {"wrist": MLP(4, 8), "outputs": Features(3)}, ["wrist"], ["outputs"], 8, 3, given_teacher=True
    )
    student.load_state_dict(whole.student_state())
    inputs = {"wrist": torch.randn(6, 4), "eye": torch.randn(6, 5)}
    outputs = whole(inputs, ("full",)).full_logits
    labels = torch.tensor([0, 1, 2, 0, -1, -1])
    totals, gradients = [], []
    for model, modalities in ((whole, inputs), (student, {"wrist": inputs["wrist"], "outputs": outputs})):
        batch = Batch(modalities, labels, torch.arange(6), {})
        [turn] = METHODS[method](model).turns(0)
        objective = turn.objective(model(modalities, METHODS[method].views), batch)
        taught = dict(zip(model.student_state(), model.parameters_of("target"), strict=True))
        totals.append(objective.total)
        gradients.append(torch.autograd.grad(objective.total, list(taught.values())))
    assert totals[0] == totals[1]
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    assert len(list(student.parameters())) == len(student.parameters_of("target", "full")), "nothing else is trained"


def test_it_trains_stops_nowhere_and_ships(tmp_path: Path) -> None:
    """Of samples without outputs the labels are learnt, of those without labels the outputs; the student needs none."""
    present = np.arange(48) % 4 > 0
    outputs = np.where(present[:, None], knowing(), np.nan)
    results = run(given(epochs=20), tmp_path / "run", dataset=with_outputs(outputs, present))
    assert results["teacher"]["top1"] == 1.0
    assert results["teacher"]["measured"] == int(present[32:].sum())
    assert np.isnan(results.cosine_pair), "the outputs are no representation"
    student = load(tmp_path / "run")
    assert len(student.predict({"wrist": np.ones((4, 5, 3))})) == 4
    few = with_outputs(outputs, present, labels=np.where(np.arange(48) % 4 == 1, gestures().labels, -1))
    few = replace(few, labels=np.where(few.splits == "test", gestures().labels, few.labels))
    taught = run(given(epochs=20), tmp_path / "few", dataset=few)
    alone = run(with_model(given(epochs=20, method="baseline"), teacher="by_method"), tmp_path / "alone", dataset=few)
    assert taught["student"]["top1"] >= alone["student"]["top1"]


@pytest.mark.parametrize("width", [3, 8])
def test_logits_are_no_representation_whatever_their_width(width: int, tmp_path: Path) -> None:
    """Neither has a report a map of them; with as many dimensions as classes they would pass for one."""
    source = write_manifest(tmp_path / "data", with_outputs(knowing()))
    made = with_model(with_data(given(epochs=1), source=str(source)), width=width)
    results = run(made, tmp_path / "run")
    assert np.isnan(results.cosine_pair)
    shown = sample_views(load_runs([tmp_path / "run"])).map
    assert shown is not None
    assert list(shown.points) == ["student"]


def test_the_stages_are_the_method_s_alone() -> None:
    built = build(given(auxiliary_epochs=5), with_outputs(knowing()))
    assert [stage.name for stage in built.stages] == ["kd"]
    assert not built.model.separate_teacher


PROBABILITIES = np.exp(knowing()) / np.exp(knowing()).sum(1, keepdims=True)
REFUSED = {
    "another number": (given(), np.zeros((48, 4)), "logits, 3 for each sample, of gesture 0, .*; found .*\\(4,\\)"),
    "probabilities": (given(), PROBABILITIES, "found probabilities p; give log\\(p\\) instead"),
    "a method that reads more": (replace(given(), method="fitnets"), knowing(), "fitnets reads more .*: kd, dkd, dist"),
    "columns in another order": (
        given(),
        pd.DataFrame(knowing(), columns=["p gesture 2", "p gesture 0", "p gesture 1"]),
        "data.auxiliary: outputs: expected columns in the order of the classes, p gesture 0, p gesture 1, p gesture 2; "
        "found p gesture 2, p gesture 0, p gesture 1",
    ),
    "two modalities": (with_data(given(), auxiliary=("outputs", "eye")), knowing(), "one auxiliary .* outputs, eye"),
    "an encoder": (
        with_model(given(), encoders={"outputs": EncoderSettings("mlp")}),
        knowing(),
        "model.encoders.outputs: a given teacher's outputs have no encoder",
    ),
    "numbers": (with_data(given(), task="regression"), knowing(), "logits alone, found data.task regression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_are_no_outputs_is_one_line(case: str) -> None:
    made, outputs, message = REFUSED[case]
    dataset = with_outputs(outputs)
    if made.data.task == "regression":
        dataset = replace(dataset, task="regression", labels=np.zeros((48, 1)), classes=("height",))
    with pytest.raises(InputError, match=message) as caught:
        build(made, dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "columns",
    [["gesture 0", "gesture 1", "gesture 2"], ["xgesture 0", "xgesture 1", "xgesture 2"], list("cab"), [0, 1, 2]],
)
def test_columns_in_the_order_of_the_classes_or_of_other_names_are_taken(columns: list[object]) -> None:
    build(given(), with_outputs(pd.DataFrame(knowing(), columns=columns)))


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ([0, 1, 2], ""),
        (
            [1, 0, 2],
            "those of 'gesture 0' in that of 'gesture 1', those of 'gesture 1' in that of 'gesture 0'; are the",
        ),
        ([1, 2, 0], "those of 'gesture 0' in that of 'gesture 2', those of 'gesture 1' in that of 'gesture 0', "),
        ([0, 1, 1], ""),  # never says one, and is only wrong
    ],
)
def test_logits_in_each_other_s_columns_are_said(order: list[int], told: str) -> None:
    line = mixed_up(with_outputs(knowing()[:, order]), "outputs")
    assert (told in line) if told else not line
    lines: list[str] = []
    Warnings(build(given(), with_outputs(knowing()[:, order])), lines.append).at_start(1)
    assert [each for each in lines if "another class's column" in each] == ([f"WARNING: {line}"] if told else [])


def test_logits_that_know_nothing_are_in_nobody_s_columns() -> None:
    assert mixed_up(with_outputs(np.zeros((48, 3))), "outputs") == ""
    few = with_outputs(knowing()[:, [1, 0, 2]])
    assert mixed_up(replace(few, labels=np.where(np.arange(48) < 12, few.labels, -1)), "outputs") == ""
    lacking = with_outputs(knowing()[:, [1, 0, 2]], present=np.arange(48) >= 32)
    assert mixed_up(lacking, "outputs") == "", "of training samples there are none"


def test_a_control_s_zeros_are_no_probabilities() -> None:
    build(with_data(given(), control="zeroed"), with_outputs(knowing()))
