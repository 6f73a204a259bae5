"""What a run's numbers hide is said once, and nothing where there is nothing."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.controls import Control
from crossdistill.data.readers import ReaderSettings
from crossdistill.evaluation.collect import Outputs
from crossdistill.listening import Listener, RunWarning, Values
from crossdistill.methods import DISCRIMINATOR_ACCURACY
from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.library.bundled import own
from crossdistill.recipes.recipe import Recipe
from crossdistill.reports import load_runs
from crossdistill.reports.warnings import warnings_table
from crossdistill.runs.build import Built, build, training_samples
from crossdistill.runs.results import read_results
from crossdistill.runs.run import run
from crossdistill.runs.train import train
from crossdistill.runs.training_log import MemoryLog
from crossdistill.runs.warnings import _MOSTLY, Warnings, _mean_cosine
from crossdistill.types import Representations, View
from tests.listening import Heard
from tests.runs.small import SAMPLES, gestures, recipe, with_data
from tests.runs.test_missing import EYE, TEST, lacking

ROWS = np.arange(SAMPLES)


def lines_of(made: Recipe, dataset: MultimodalDataset) -> list[str]:
    log = MemoryLog()
    train(build(made, dataset), log)
    return log.lines


@pytest.mark.parametrize("method", ["amid", "kd", "teacher", "mst"])
def test_a_run_with_nothing_to_hide_says_nothing(method: str) -> None:
    options = {**recipe().options, "mst": {"cooperation_epochs": 1, "mask_epochs": 1}}
    assert lines_of(replace(recipe(method=method), options=options), gestures()) == []


def test_a_method_that_teaches_by_unlabelled_pairs_says_where_there_are_none() -> None:
    made = recipe(method="amid_u")
    (line,) = lines_of(made, gestures())
    assert line.startswith(
        "WARNING: all pairs that it trains on have labels, so that amid_u's student learns from these alone"
    )
    assert lines_of(replace(made, options={"amid_u": {"fading": False}}), gestures()) == []
    assert lines_of(replace(made, data=replace(made.data, labelled=0.5)), gestures()) == []


def test_settings_by_which_nothing_is_read_are_said() -> None:
    made = recipe(method="kd")
    (line,) = lines_of(
        replace(made, data=replace(made.data, readers={"wrist": ReaderSettings(rate=5, size=48)})), gestures()
    )
    assert line.startswith("WARNING: data.readers.wrist: size, rate: without effect, for its samples are float")
    assert lines_of(replace(made, data=replace(made.data, readers={"wrist": ReaderSettings()})), gestures()) == []


def test_the_bundled_recipe_says_nothing() -> None:
    short = replace(load_recipe("emoji"), method="amid", epochs=3, auxiliary_epochs=1)
    assert lines_of(replace(short, options={"amid": {**short.options["amid"], "warmup_epochs": 1}}), None) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("amid", {"warmup_epochs": 3}),
        ("mi", {"warmup_epochs": 4}),
        ("fitnets", {"hint_epochs": 3}),
        ("mst", {"cooperation_epochs": 2, "mask_epochs": 1}),
    ],
)
def test_first_stages_that_take_all_epochs_are_said(method: str, options: dict[str, int]) -> None:
    """Of a recipe with fewer epochs than it came with, say."""
    made = replace(recipe(method=method), epochs=3, options={method: options})
    (line,) = lines_of(made, gestures())
    assert line.startswith(
        f"WARNING: epochs 3: the first stages or the warm-up of {method} take {sum(options.values())}"
    )
    enough = replace(made, epochs=1 + sum(options.values()))
    assert lines_of(enough, gestures()) == []


@pytest.mark.parametrize(
    ("method", "options", "epochs", "first"),
    [
        ("amid_u", {}, 1, 1),
        ("amid_u", {"warmup": 0.9}, 2, 2),
        ("amid_u", {"warmup": 0.0}, 1, 0),
        ("amid_u", {"alpha_1": 0.0, "alpha_2": 0.0}, 1, 1),
        ("self_training", {}, 1, 1),
        ("self_training", {"ramp": 0.0}, 1, 0),
    ],
)
def test_a_schedule_in_shares_of_epochs_that_never_begins_is_said(
    method: str, options: dict[str, float], epochs: int, first: int
) -> None:
    made = replace(recipe(method=method), epochs=epochs, options={method: options})
    partly = gestures()
    labels = np.where(np.arange(len(partly.labels)) % 3 == 0, -1, partly.labels)
    labels[partly.rows("test")] = partly.labels[partly.rows("test")]
    lines = lines_of(made, replace(partly, labels=labels))
    said = f"WARNING: epochs {epochs}: the first stages or the warm-up of {method} take {first}"
    assert any(line.startswith(said) for line in lines) == (first > 0)
    assert build(replace(made, epochs=10), replace(partly, labels=labels)).method.first_epochs < 10


def test_without_a_share_of_batches_unlabelled_samples_are_none_that_a_method_is_prepared_for() -> None:
    """No bank has a place for them, and AMID-U, which has no pair without a label then, says so."""
    partly = gestures()
    labels = np.where((np.arange(len(partly.labels)) % 3 == 0) & ~TEST, -1, partly.labels)
    without = replace(recipe(method="amid_u", epochs=6), unlabelled_share=0.0)
    built = build(without, replace(partly, labels=labels))
    assert built.method.teaching == 0
    rows = training_samples(without, built.dataset).rows
    assert rows.tolist() == built.dataset.labelled_rows("train").tolist()
    assert len(training_samples(replace(without, unlabelled_share=0.5), built.dataset).rows) > len(rows)
    (line,) = [line for line in lines_of(without, built.dataset) if "fading" in line]
    assert line.startswith("WARNING: all pairs that it trains on have labels")


def of_labels(labels: list[str]) -> MultimodalDataset:
    whole = gestures()
    columns = {"wrist": whole.columns["wrist"].sequences, "eye": whole.columns["eye"].array}  # type: ignore[attr-defined]
    return from_arrays(columns, labels, splits=TEST, ids=whole.ids)


def test_one_class_among_the_labelled_training_samples_is_said() -> None:
    (line,) = lines_of(recipe(method="baseline"), of_labels(["wave"] * SAMPLES))
    assert line.startswith("WARNING: ")
    assert "one class, 'wave'" in line


def test_classes_that_may_be_one_are_said() -> None:
    (line,) = lines_of(recipe(method="baseline"), of_labels(["1", "1.0"] * (SAMPLES // 2)))
    assert line == "WARNING: '1' and '1.0' are taken for 2 classes; spell them alike where they are one"


def test_classes_that_training_knows_and_nothing_measures_are_said() -> None:
    """As `prepare` says them; where validation samples are measured nothing is said of test samples."""
    labels = np.array(["a", "b", "c", "d"])[ROWS % 4]
    labels[TEST & (ROWS % 4 > 1)] = "a"
    made, data = recipe(method="baseline"), of_labels(labels.tolist())
    assert lines_of(made, data) == [
        "WARNING: no test sample is of class 'c', 'd', which training samples have",
    ]
    assert lines_of(with_data(made, evaluate_on="validation"), data) == []
    assert lines_of(made, of_labels(np.array(["a", "b", "c", "d"])[ROWS % 4].tolist())) == []


def test_doubts_about_the_data_are_said() -> None:
    """Those of whoever read them, and samples that are in train and in test."""
    data = gestures()
    columns = {"wrist": data.columns["wrist"].sequences, "eye": data.columns["eye"].array}  # type: ignore[attr-defined]
    first, last = int(data.rows("train")[0]), int(data.rows("test")[-1])
    columns["wrist"] = [columns["wrist"][first if row == last else row] for row in range(SAMPLES)]
    columns["eye"] = columns["eye"][[first if row == last else row for row in range(SAMPLES)]]
    twins = from_arrays(columns, [data.classes[number] for number in data.labels], splits=TEST, ids=data.ids)
    told, repeated = lines_of(recipe(method="baseline"), replace(twins, doubts=("so it is",)))
    assert told == "WARNING: so it is"
    assert f"'{data.ids[last]}' is '{data.ids[first]}', say" in repeated


def test_a_modality_that_is_the_same_in_all_samples_is_said() -> None:
    data = gestures()
    columns = {"wrist": data.columns["wrist"], "eye": np.ones((SAMPLES, 4))}
    constant = from_arrays(columns, [data.classes[number] for number in data.labels], splits=TEST)
    line, *_ = lines_of(recipe(method="kd"), constant)
    assert line == (
        f"WARNING: eye is the same in all {SAMPLES - int(TEST.sum())} training samples, so that nothing can be learnt "
        "from it"
    )


def of_numbers(numbers: np.ndarray) -> MultimodalDataset:
    columns = {"wrist": np.ones((len(numbers), 5, 2)), "eye": np.eye(len(numbers))}
    return from_arrays(columns, numbers, splits=np.arange(len(numbers)) >= 60, task="regression")


@pytest.mark.parametrize("row", [7, 70])
def test_a_number_far_from_all_others_is_said(row: int) -> None:
    numbers = np.arange(80) / 10.0
    numbers[row] = -9999
    said = lines_of(recipe(method="baseline", epochs=1), of_numbers(numbers))
    (line,) = [line for line in said if "label of sample" in line]
    assert line.startswith(f"WARNING: label of sample '{row}' is -9999, where half of the training samples have ")
    assert line.endswith("if that stands for a missing one, leave it out")


def test_minus_ones_that_may_stand_for_missing_numbers_are_said() -> None:
    """From half of the training labels on, beside others above 0 alone; those of test samples count for nothing."""
    rows, made = np.arange(80), recipe(method="baseline", epochs=1)

    def said(numbers: np.ndarray) -> list[str]:
        return [line for line in lines_of(made, of_numbers(numbers)) if "is -1 for" in line]

    above = 20 + rows / 10.0
    (line,) = said(np.where(rows < 30, -1.0, above))
    assert line.startswith("WARNING: label is -1 for 30 of 60 labelled training samples and above 0 for all others; -1")
    assert line.endswith("where it stands for a missing one, leave the cell empty, or give NaN in arrays")
    assert said(np.where(rows < 29, -1.0, above)) == [], "fewer than half"
    assert said(np.where(rows < 30, -1.0, above - 20)) != []
    assert said(np.where(rows < 30, -1.0, np.where(rows == 59, 0.0, above))) == [], "one that is not above 0"
    assert said(np.where(rows < 30, -2.0, above)) == []
    assert said(np.where(rows < 60, -1.0, above)) == [], "which is one number, and said as such"
    two = np.stack([above, np.where(rows < 40, -1.0, above)], axis=1)
    (line,) = said(two)
    assert line.startswith("WARNING: label 'value_1' is -1 for 40 of 60 labelled training samples")
    half = np.where(rows < 20, np.nan, np.where(rows < 40, -1.0, above))
    (line,) = said(half)
    assert "is -1 for 20 of 40 labelled" in line


@pytest.mark.parametrize(("grades", "doubted"), [((-2, -1, 0, 1), True), ((3, -1, 0, 1), False)])
def test_minus_one_among_numbers_below_it_is_said(grades: tuple[int, ...], doubted: bool) -> None:
    labels = np.where(TEST & (ROWS % 4 == 1), grades[0], np.array(grades)[ROWS % 4])
    data = from_arrays({"wrist": np.random.default_rng(0).normal(size=(SAMPLES, 3))}, labels, splits=TEST)
    made = with_data(recipe(method="baseline"), auxiliary=())
    lines = lines_of(replace(made, model=replace(made.model, encoders={})), data)
    assert [line for line in lines if "from arrays -1 is no label" in line] == lines[:1] * doubted


@pytest.mark.parametrize("chooses", [False, True])
def test_numbers_that_are_the_same_in_all_measured_samples_are_said(chooses: bool) -> None:
    """Those of the split that chooses the epoch as well."""
    rows = np.arange(80.0)
    varying = recipe(method="baseline", epochs=1)
    made = with_data(varying, choose_epoch_on="validation") if chooses else varying
    both = np.stack([rows, np.where(rows < 60, rows, 7.0)], axis=1)
    said = [line for line in lines_of(made, of_numbers(both)) if "one value" in line]
    (line,) = said
    assert line.startswith("WARNING: 'value_1' has one value in all test samples, so that R² and Pearson's r are not")
    assert not [line for line in lines_of(made, of_numbers(rows)) if "one value" in line]
    (line,) = [line for line in lines_of(varying, of_numbers(both[:, 1])) if "one value" in line]
    assert "nothing can be compared or chosen by them" in line
    if chooses:
        built = build(made, of_numbers(both))
        labels = built.dataset.labels.copy()
        labels[built.dataset.rows("validation"), 0] = 3.0
        lines: list[str] = []
        Warnings(replace(built, dataset=replace(built.dataset, labels=labels)), lines.append).at_start()
        assert [line.split(" one value in all ")[1][:10] for line in lines if "one value" in line] == [
            "test sampl",
            "validation",
        ]


def test_numbers_that_are_skewed_are_none_of_them() -> None:
    skewed = np.exp(1.5 * np.random.default_rng(0).normal(size=80))
    assert not [
        line for line in lines_of(recipe(method="baseline", epochs=1), of_numbers(skewed)) if "label of" in line
    ]


def test_one_class_that_is_left_with_a_label_is_said() -> None:
    built = build(recipe(method="baseline"), gestures())
    others = np.flatnonzero(~TEST & (built.dataset.labels != 1))
    lines: list[str] = []
    for forgotten in (others, others[1:]):  # in the second case, two classes are left
        labels = built.dataset.labels.copy()
        labels[forgotten] = -1
        Warnings(replace(built, dataset=replace(built.dataset, labels=labels)), lines.append).at_start()
        (line,) = lines
        assert "one class, 'gesture 1'" in line


def test_chunks_that_divide_nothing_or_divide_what_an_encoder_looks_at_are_said() -> None:
    built = build(recipe(method="baseline"), gestures())
    size = built.recipe.batch_size
    built.model.encoders["wrist"].add_module("normalisation", nn.BatchNorm1d(4))

    def said(chunk_size: int, ranks: int = 1) -> list[str]:
        lines: list[str] = []
        optimization = replace(built.recipe.optimization, chunk_size=chunk_size)
        Warnings(replace(built, recipe=replace(built.recipe, optimization=optimization)), lines.append).at_start(ranks)
        return lines

    nothing = f"WARNING: optimization.chunk_size {size}: a process's part of a batch is {size} samples, so that none is"
    (line,) = said(size)
    assert line.startswith(nothing)
    (line,) = said(size // 2, ranks=2)
    assert f"is {size // 2} samples" in line
    (line,) = said(size // 2)
    assert "in the encoder of wrist, sees that many samples at a time" in line
    assert "learns no statistics" not in line
    (line,) = said(1)
    assert line.endswith("where a sample is one number a channel, it learns no statistics at all")
    built.model.freeze_encoders(["wrist"])
    assert said(size // 2) == []


def test_training_samples_that_lack_a_modality_are_counted_once_where_the_method_reads_it() -> None:
    complete, everyone = int((~EYE & ~TEST).sum()), int((~TEST).sum())
    (line,) = lines_of(recipe(method="amid"), lacking("eye", EYE))
    assert line.startswith(f"only {complete} of {everyone} training samples have all modalities (wrist, eye)")
    assert lines_of(recipe(method="baseline"), lacking("eye", EYE)) == []
    few = ROWS % 4 > 0
    loud = next(line for line in lines_of(recipe(method="kd"), lacking("eye", few)) if "all modalities" in line)
    assert loud.startswith(f"WARNING: only {int((~few & ~TEST).sum())} of {everyone} training samples")


def old_and_new(complete: int, unlabelled: int = 12) -> MultimodalDataset:
    """The last training samples have no label and both modalities; of those with a label so many have both."""
    count = int((~TEST).sum())
    data = lacking("eye", (complete <= ROWS) & (count - unlabelled > ROWS))
    return replace(data, labels=np.where((count - unlabelled <= ROWS) & ~TEST, -1, data.labels))


@pytest.mark.parametrize(
    ("complete", "said"),
    [
        (0, "none of {} has {}, so that amid_u's student learns from labels alone: no label reaches its "),
        (9, "only 9 of {} have {}, so that "),
        (10, ""),
    ],
)
def test_labels_that_do_not_reach_a_teacher_are_said(complete: int, said: str) -> None:
    """Old recordings with labels and new ones with both modalities: what is complete has no label."""
    made = recipe(method="amid_u", epochs=1, auxiliary_epochs=0)
    made = replace(made, model=replace(made.model, auxiliary_encoders="trained"))
    lines = [line for line in lines_of(made, old_and_new(complete)) if "labelled training samples" in line]
    begins = said.format("the 20 labelled training samples", "all modalities (wrist, eye)")
    assert [line.startswith(f"WARNING: {begins}") for line in lines] == [True] * bool(said), lines
    for method in ("self_training", "baseline"):
        assert not any("modalities" in line for line in lines_of(recipe(method=method), old_and_new(complete)))
    everyone = lines_of(made, old_and_new(3, unlabelled=0))
    assert len([line for line in everyone if "all modalities" in line]) == 1, "with all labels one line says it"


def test_where_no_label_reaches_its_teachers_amid_u_s_student_learns_alone() -> None:
    made = recipe(method="amid_u", epochs=1, auxiliary_epochs=0)
    made = replace(made, model=replace(made.model, auxiliary_encoders="trained"))
    (line,) = [line for line in lines_of(made, old_and_new(0)) if "none of the 20 labelled" in line]
    assert "amid_u's student learns from labels alone: no label reaches its teachers" in line
    without = replace(made, options={"amid_u": {"fading": False}})
    (line,) = [line for line in lines_of(without, old_and_new(0)) if "none of the 20 labelled" in line]
    assert line.endswith("so that no label reaches what teaches the student")


def test_a_teacher_that_no_label_reached_is_not_called_worse(tmp_path: Path) -> None:
    """Its answers say nothing of the modalities; results keep how much of it the student learnt."""
    labels, has_label = ROWS % 3, ROWS < 16
    random = np.random.default_rng(0)
    values = {
        "wrist": 3 * np.eye(3)[labels] + 0.5 * random.normal(size=(SAMPLES, 3)),
        "eye": random.normal(size=(SAMPLES, 3)),
    }
    data = from_arrays(values, np.where(has_label | TEST, labels, -1), splits=TEST, present={"eye": ~has_label | TEST})
    quick = replace(recipe().optimization, learning_rate=0.03)
    made = with_data(recipe(method="amid_u", epochs=20, auxiliary_epochs=0, optimization=quick))
    made = replace(made, model=replace(made.model, auxiliary_encoders="trained", encoders={}))
    heard = Heard()
    results = run(made, tmp_path / "run", listener=heard, dataset=data)
    assert results["student"]["top1"] > 0.8, "which a teacher that guesses is below"
    assert any("no label reaches its teachers" in line for line in heard.lines)
    assert not any("the teacher ends below" in line for line in heard.lines)
    assert (results.teaching, read_results(tmp_path / "run").teaching) == (0.0, 0.0)


@pytest.mark.parametrize("method", ["amid", "amid_u", "kd"])
def test_classes_that_no_teacher_was_shown_are_named(method: str) -> None:
    """A modality that one kind of sample never has; the counts of what is missing are low."""
    data = gestures()
    unshown = (data.labels == 1) & ~TEST
    made = recipe(method=method, epochs=1, auxiliary_epochs=0)
    made = replace(made, model=replace(made.model, auxiliary_encoders="trained"))
    labels = np.where((ROWS % 5 == 0) & ~TEST & (data.labels != 1), -1, data.labels)
    (line,) = [line for line in lines_of(made, replace(lacking("eye", unshown), labels=labels)) if "gesture 1" in line]
    assert line.startswith("WARNING: no labelled training sample of 'gesture 1' has all modalities (wrist, eye)")
    some = unshown & (np.flatnonzero(unshown)[0] != ROWS)
    lines = lines_of(made, replace(lacking("eye", some), labels=labels))
    assert not any("gesture 1" in line for line in lines), "one of them was shown"


class Zero(nn.Module):
    """Nothing of any sample."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        return 0 * self.linear(x)


@pytest.mark.parametrize("share", [1 / 3, 0.95])
def test_a_model_that_ends_with_one_answer_is_said(share: float) -> None:
    """Unless that is as good an answer as any."""
    labels = ROWS % 3 if share < _MOSTLY else np.where(ROWS % 16 == 1, 1, 0)  # 1 of 16 test samples is of class 1
    dataset = from_arrays({"wrist": np.random.default_rng(0).normal(size=(SAMPLES, 3))}, labels, splits=TEST)
    made = with_data(recipe(method="baseline", epochs=20), auxiliary=())
    made = replace(made, model=replace(made.model, encoders={}))
    log = MemoryLog()
    train(build(made, dataset, {"wrist": Zero()}), log)
    lines = [line for line in log.lines if "one answer" in line]
    assert len(lines) == (share < _MOSTLY)
    assert all(line.startswith("WARNING: the student ends with one answer, '") for line in lines)
    assert all("for 100 % of the test samples, of which " in line for line in lines)


def test_unlabelled_samples_that_the_method_leaves_out_are_counted() -> None:
    data = gestures()
    without = replace(data, labels=np.where((ROWS % 4 > 0) & ~TEST, -1, data.labels))
    count, everyone = int(((ROWS % 4 > 0) & ~TEST).sum()), int((~TEST).sum())
    said = f"WARNING: {count} of {everyone} training samples have no label, and amid learns nothing from them; amid_u"
    assert [line[: len(said)] for line in lines_of(recipe(method="amid"), without)] == [said]
    few = replace(data, labels=np.where((ROWS % 4 == 0) & ~TEST, -1, data.labels))
    assert lines_of(recipe(method="amid"), few)[0].startswith(
        f"{everyone - count} of {everyone} training samples have no"
    )
    for method in ("amid_u", "baseline", "teacher"):
        assert not any("no label" in line for line in lines_of(recipe(method=method), without)), method
    taken = with_data(recipe(method="amid"), labelled=0.5)
    assert lines_of(taken, data) == [], "the recipe itself took them away"


def swapped_in_test(name: str) -> MultimodalDataset:
    """Both modalities tell the class in training; in the test samples one of them tells another class."""
    labels = ROWS % 3
    told = {"wrist": labels, "eye": labels}
    told[name] = np.where(TEST, (labels + 1) % 3, labels)
    noise = np.random.default_rng(0).normal(size=(2, SAMPLES, 3))
    values = {key: np.eye(3)[told[key]] + 0.1 * noise[place] for place, key in enumerate(told)}
    return from_arrays(values, labels, splits=TEST)


@pytest.mark.parametrize(("wrong", "method", "below"), [("eye", "amid", "the student"), ("wrist", "kd", "auxiliary")])
def test_a_teacher_that_ends_below_what_it_should_surpass_is_named(
    wrong: str, method: str, below: str, tmp_path: Path
) -> None:
    quick = replace(recipe().optimization, learning_rate=0.03)
    made = with_data(recipe(method=method, epochs=8, auxiliary_epochs=8, optimization=quick))
    made = replace(made, model=replace(made.model, encoders={}))
    heard = Heard()
    results = run(made, tmp_path / "run", listener=heard, dataset=swapped_in_test(wrong))
    (line,) = [line for line in heard.lines if "the teacher ends below" in line]
    assert line.startswith("WARNING: ")
    assert below in line
    assert f"{100 * results['teacher']['top1']:.1f} %" in line


class Outlook:
    """A built run's warnings, fed by hand."""

    def __init__(
        self,
        log: tuple[str, ...] = (),
        method: str = "kd",
        control: Control = "none",
        built: Built | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.built: Built = built or build(with_data(recipe(method=method), control=control), gestures())
        self.warnings = Warnings(self.built, self.lines.append, log)

    def measure(
        self, logits: Mapping[View, Tensor], labels: Tensor, ends_run: bool = True, alike: Sequence[View] = ()
    ) -> list[str]:
        everyone = dict.fromkeys(logits, torch.ones(len(labels), dtype=torch.bool))
        made: dict[View, Tensor] = {
            view: torch.ones(len(labels), 2) if view in alike else torch.eye(len(labels)) for view in logits
        }
        outputs = Outputs(Representations(made, logits), labels, torch.arange(len(labels)), everyone, ())
        stage = self.built.stages[-1]
        self.warnings.ended(stage if ends_run else replace(stage, index=stage.index - 1), outputs)
        return self.lines


def answers(labels: Tensor, wrong: int) -> Tensor:
    """(N, C) logits that are right but for the first `wrong` samples."""
    said = torch.where(torch.arange(len(labels)) < wrong, (labels + 1) % 3, labels)
    return torch.eye(3)[said]


LABELS = torch.arange(90) % 3


def test_a_difference_that_chance_may_make_is_no_news() -> None:
    assert Outlook().measure({"full": answers(LABELS, 2), "target": answers(LABELS, 0)}, LABELS) == []
    assert Outlook().measure({"full": answers(LABELS, 8), "target": answers(LABELS, 20)}, LABELS) == []
    logits: dict[View, Tensor] = {"full": answers(LABELS, 20), "target": answers(LABELS, 8)}
    assert Outlook().measure(logits, LABELS, ends_run=False) == [], "training may not have reached it"
    (line,) = Outlook().measure(logits, LABELS)
    assert "77.8 % against 91.1 % of 90 test samples" in line


@pytest.mark.parametrize("control", get_args(Control))
def test_what_a_control_does_on_purpose_is_no_news(control: Control) -> None:
    """mst predicts all three views. Its teacher has nothing to know beside the student; where the auxiliary inputs say
    nothing of a sample, nor can what is made of them. A student that has collapsed is news in every run."""
    logits: dict[View, Tensor] = {"full": answers(LABELS, 20), "target": answers(LABELS, 8)}
    lines = Outlook(method="mst", control=control).measure(
        {**logits, "auxiliary": answers(LABELS, 8)}, LABELS, alike=("auxiliary", "target")
    )
    told = {word: any(word in line for line in lines) for word in ("the teacher ends below", "auxiliary", "student")}
    assert told == {
        "the teacher ends below": control == "none",
        "auxiliary": control in ("none", "target"),
        "student": True,
    }


def test_a_teacher_of_several_labels_is_judged_by_what_is_shown_of_it(tmp_path: Path) -> None:
    """It says each label of all samples, in the right order: more of its decisions are wrong, and its mAP is 1."""
    labels = (torch.rand(90, 2, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    noise = torch.rand(90, 2, generator=torch.Generator().manual_seed(1))
    values, known = np.random.default_rng(0).normal(size=(90, 3)), labels.numpy()
    dataset = from_arrays(
        {"wrist": values, "eye": values}, known, splits=np.arange(90) >= 45, task="multilabel", classes=("sweet", "dry")
    )
    made = with_data(recipe(method="kd"), task="multilabel")
    outlook = Outlook(built=build(replace(made, model=replace(made.model, encoders={})), dataset))
    ordered, never = 1 + labels, noise - 2
    assert outlook.measure({"full": ordered, "target": never}, labels) == []
    (line,) = outlook.measure({"full": never, "target": 2 * labels - 1}, labels)
    assert "the teacher ends below the student" in line


def test_representations_that_are_alike_at_first_are_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many are before training, and by its end no more."""
    (line,) = Outlook(method="baseline").measure({"target": answers(LABELS, 60)}, LABELS, alike=("target",))
    assert "the representations of the student have collapsed" in line
    ended: list[str] = []
    monkeypatch.setattr(Warnings, "ended", lambda self, stage, outputs: ended.append(stage.name))
    lines_of(recipe(method="kd", epochs=3, auxiliary_epochs=2), gestures())
    assert ended == ["auxiliary", "teacher", "kd"]


def test_the_accuracy_of_the_auxiliary_stage_is_remembered_where_a_run_goes_on() -> None:
    record = json.dumps({"stage": "auxiliary", "epoch": 1, "evaluation/auxiliary_alone/top1": 0.9})
    logits: dict[View, Tensor] = {"full": answers(LABELS, 30), "target": answers(LABELS, 60)}
    assert Outlook().measure(logits, LABELS) == []
    (line,) = Outlook((record,)).measure(logits, LABELS)
    assert "below the auxiliary modalities alone: 66.7 % against 90.0 %" in line
    without = json.dumps({"stage": "auxiliary", "epoch": 1, "evaluation/auxiliary_alone/top1": None})
    assert Outlook((without,)).measure(logits, LABELS) == []


def test_a_discriminator_that_is_never_wrong_for_an_epoch_is_said_once() -> None:
    outlook = Outlook(method="amid")
    for epoch, accuracy in enumerate([0.7, 0.99, 1.0, 1.0]):
        outlook.warnings.epoch({"stage": "amid", "epoch": epoch, f"training/d2_{DISCRIMINATOR_ACCURACY}": accuracy})
    (line,) = outlook.lines
    assert line.startswith("WARNING: epoch 3: the discriminator d2 was right on 100.0 %")
    said = {"stage": "amid", "epoch": 2, f"training/d2_{DISCRIMINATOR_ACCURACY}": 1.0}
    resumed = Outlook((json.dumps(said),), method="amid")
    resumed.warnings.epoch({**said, "epoch": 3})
    assert resumed.lines == [], "the run has said it before it was stopped"


def test_discriminators_that_learn_far_faster_than_the_student_are_said() -> None:
    fast = replace(recipe().optimization, learning_rate=1e-9, discriminator_learning_rate=0.01)
    made = replace(recipe(method="amid", epochs=40, auxiliary_epochs=1), optimization=fast)
    made = with_data(made, evaluate_on="none")
    lines = lines_of(made, gestures())
    assert any("the discriminator d1 was right on" in line for line in lines), lines


class Constant(nn.Module):
    """One direction for all samples, but for a little."""

    width = 8

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread
        self.linear = nn.Linear(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        return 1 + self.spread * self.linear(x)


@pytest.mark.parametrize(("spread", "collapsed"), [(0.01, True), (10.0, False)])
def test_representations_of_one_direction_are_said_once(spread: float, collapsed: bool) -> None:
    values = np.random.default_rng(0).normal(size=(SAMPLES, 3)) + (ROWS % 3)[:, None]
    dataset = from_arrays({"wrist": values}, ROWS % 3, splits=TEST)
    made = with_data(recipe(method="baseline"), auxiliary=())
    made = replace(made, model=replace(made.model, encoders={}))
    log = MemoryLog()
    train(build(made, dataset, {"wrist": Constant(spread)}), log)
    assert [
        ("the student have collapsed" in line, line.startswith("WARNING: "))
        for line in log.lines
        if "one answer" not in line
    ] == ([(True, True)] if collapsed else [])


@pytest.mark.parametrize("count", [2, 3, 50])
def test_the_mean_cosine_is_that_of_all_pairs(count: int) -> None:
    x = torch.randn(count, 5, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    x[0] = 0
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    cosines = [float(torch.cosine_similarity(x[i], x[j], dim=0)) for i, j in pairs]
    assert _mean_cosine(x) == pytest.approx(sum(cosines) / len(pairs), abs=1e-12)


CALLED_NAN = from_arrays({"wrist": np.eye(12)}, ["push", "nan", "wave"] * 4, splits=np.arange(12) >= 9)
WRIST_ALONE = replace(own(("wrist",), ()), method="baseline", epochs=1)


def test_without_a_listener_python_warns_at_the_callers_line(tmp_path: Path) -> None:
    with pytest.warns(RunWarning, match="^'nan' is taken for a class") as warned:
        run(WRIST_ALONE, tmp_path / "run", dataset=CALLED_NAN)
    assert {each.filename for each in warned} == {__file__}


def test_training_without_a_log_warns_and_with_one_does_not() -> None:
    made = replace(WRIST_ALONE, data=replace(WRIST_ALONE.data, evaluate_on="none"))
    with pytest.warns(RunWarning, match="^'nan' is taken for a class"):
        train(build(made, CALLED_NAN))
    log = MemoryLog()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(build(made, CALLED_NAN), log)
    assert [line[:12] for line in log.lines if "is taken for" in line] == ["WARNING: 'na"]


def test_a_listener_takes_lines_unless_it_leaves_them_to_python(tmp_path: Path) -> None:
    class Steps(Listener):
        """Hears of nothing but steps."""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heard = Heard()
        run(WRIST_ALONE, tmp_path / "heard", listener=heard, dataset=CALLED_NAN)
    assert any("is taken for a class" in line for line in heard.lines)
    with pytest.warns(RunWarning, match="is taken for a class"):
        run(WRIST_ALONE, tmp_path / "steps", listener=Steps(), dataset=CALLED_NAN)


def test_a_runs_folder_keeps_what_is_said_of_its_data_and_reports_show_it(tmp_path: Path) -> None:
    """Also what is no warning; which epoch was kept is in results.json."""
    made = with_data(recipe(method="kd", epochs=1), choose_epoch_on="validation", validation_fraction=0.3)
    heard = Heard()
    run(made, tmp_path / "run", listener=heard, dataset=lacking("eye", EYE))
    [line] = [line for line in heard.lines if line.startswith("only ")]
    kept = (tmp_path / "run/warnings.txt").read_text(encoding="utf-8").splitlines()
    assert line in kept
    assert any("kept the model" in line for line in heard.lines)
    assert not any("kept the model" in line for line in kept)
    table = warnings_table(load_runs([tmp_path / "run"]))
    assert table is not None
    assert line in [row.cells[1] for row in table.rows]


def test_a_runs_folder_keeps_its_warnings_each_once_also_when_it_goes_on(tmp_path: Path) -> None:
    class Stops(Heard):
        def step(self, task: str, values: Values = MappingProxyType({})) -> None:
            raise KeyboardInterrupt

    made = replace(WRIST_ALONE, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        run(made, tmp_path / "run", listener=Stops(), dataset=CALLED_NAN)
    heard = Heard()
    run(made, tmp_path / "run", resume=True, listener=heard, dataset=CALLED_NAN)
    kept = (tmp_path / "run/warnings.txt").read_text(encoding="utf-8").splitlines()
    assert kept == [line.removeprefix("WARNING: ") for line in heard.lines if line.startswith("WARNING: ")]
    assert len(kept) == len(set(kept)) > 0
