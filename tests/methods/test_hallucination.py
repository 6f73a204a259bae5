"""Two branches: what each learns, what they predict together, and that both ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossdistill.methods import Hallucination
from crossdistill.models import CrossModalModel
from crossdistill.runs.build import build
from crossdistill.runs.run import load_trained, run
from crossdistill.student import load
from crossdistill.types import InputError, Padded, Representations
from tests.losses.test_hallucination import hallucination
from tests.methods.slow import cross_entropy
from tests.methods.small import CLASSES, LABELS, WIDTH, Encoder, batch, leaves, moved_by, rows
from tests.runs.small import folder_of, gestures, recipe


def hallucinating() -> CrossModalModel:
    torch.manual_seed(0)
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    model = CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES, student="hallucinating")
    with torch.no_grad():
        for p in model.hallucination.parameters():
            p.add_(0.1 * torch.randn_like(p))  # a copy of the seeing branch at first
    return model


def with_branches(seed: int = 0) -> Representations:
    """Leaves whose two branches have the student's mean."""
    made, seeing, shown = leaves(seed=seed), leaves(seed=seed + 1), leaves(seed=seed + 2)
    branches = {"seeing": seeing, "hallucinating": shown}
    return replace(
        made,
        logits={**made.logits, "target": (seeing.target_logits + shown.target_logits) / 2},
        passes={
            name: Representations({"target": x.target}, {"target": x.target_logits}) for name, x in branches.items()
        },
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, 7.0])
def test_the_objective_is_the_sum_of_its_printed_terms(weight: float) -> None:
    method, made = Hallucination(hallucinating(), weight), with_branches()
    seeing, shown = made.passes["seeing"], made.passes["hallucinating"]
    expected = {
        "classification_student": cross_entropy((seeing.target_logits + shown.target_logits) / 2, LABELS),
        "classification_seeing": cross_entropy(seeing.target_logits, LABELS),
        "classification_hallucinating": cross_entropy(shown.target_logits, LABELS),
        "classification_auxiliary": cross_entropy(made.auxiliary_logits, LABELS),
        "classification_pair": cross_entropy((seeing.target_logits + made.auxiliary_logits) / 2, LABELS),
        "hallucination": hallucination(rows(shown.target), rows(made.auxiliary)),
    }
    objective = method.turns(0)[0].objective(made, batch())
    assert {name: value.item() for name, value in objective.terms.items()} == pytest.approx(expected, rel=1e-5)
    total = sum(value * (weight if name == "hallucination" else 1.0) for name, value in expected.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-5)


def test_the_student_is_the_mean_of_two_branches_that_share_nothing() -> None:
    model, given = hallucinating(), batch()
    made, x = model(given.modalities, ("target",)), given.modalities["video"]
    seeing = model.classifier(model.encoders["video"](x))
    branch = model.hallucination
    shown = branch.classifier(branch.encoders["video"](x))  # type: ignore[operator, index, union-attr]
    torch.testing.assert_close(made.target_logits, (seeing + shown) / 2)
    assert not torch.allclose(seeing, shown)
    assert torch.equal(model.predict({"video": x}), made.target_logits)
    of_branch = {id(p) for p in branch.parameters()}
    assert not of_branch & {id(p) for p in model.encoders.parameters()}
    assert of_branch <= {id(p) for p in model.parameters_of("target")}


def test_only_the_hallucinating_branch_imitates_and_the_auxiliary_model_does_not_come_closer() -> None:
    """Without labels nothing else is left."""
    method = Hallucination(hallucinating())
    unlabelled = replace(batch(), labels=torch.full((len(LABELS),), -1))
    made = method.model(unlabelled.modalities, method.views)
    objective = method.turns(0)[0].objective(made, unlabelled)
    objective.total.backward()
    moved = {name for name, p in method.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"hallucination.encoders.video.weight", "hallucination.encoders.video.bias"}
    labelled = moved_by(method, method.turns(0)[0])
    assert {"encoders.video", "encoders.audio", "classifier", "auxiliary_classifier"} < labelled
    assert "fusion" not in labelled


def test_it_learns_to_show_what_it_has_not_seen() -> None:
    """Where the target decides the auxiliary features, the branch comes to show them; the seeing one need not."""
    torch.manual_seed(0)
    model = hallucinating()
    method = Hallucination(model, weight=10.0)
    given = batch(LABELS * 20)
    audio = torch.cat([given.modalities["video"], given.modalities["video"][:, :2]], dim=1)  # type: ignore[index, call-overload]
    given = replace(given, modalities={**given.modalities, "audio": audio}, labels=torch.full_like(given.labels, -1))
    optimizer = torch.optim.Adam(model.parameters_of("target", "auxiliary"), 1e-2)
    losses = []
    for _ in range(150):
        objective = method.turns(0)[0].objective(model(given.modalities, method.views), given)
        losses.append(objective.terms["hallucination"].item())
        optimizer.zero_grad()
        objective.total.backward()
        optimizer.step()
    assert losses[-1] < 0.01 * losses[0]


def test_both_branches_ship_and_nothing_auxiliary_does(tmp_path: Path) -> None:
    source = folder_of(gestures(), tmp_path)
    run(recipe(source, method="hallucination"), tmp_path / "run")
    trained, student = load_trained(tmp_path / "run").method.model, load(tmp_path / "run")
    keys = set(student.network.state_dict())
    assert keys == set(trained.student_state())
    assert {key.split(".")[0] for key in keys} == {"encoders", "classifier", "hallucination"}
    assert not any("eye" in key or "auxiliary" in key for key in keys)
    wrist = gestures().__getitems__(range(40, 48)).modalities["wrist"]
    assert isinstance(wrist, Padded)
    with torch.no_grad():
        expected = trained.predict({"wrist": wrist}).softmax(1)
    sequences = [values[:length].numpy() for values, length in zip(*wrist, strict=True)]
    torch.testing.assert_close(torch.as_tensor(student.predict_proba(sequences)).float(), expected)


def test_the_branch_standardises_its_input_as_the_other_one_does() -> None:
    model = build(recipe(method="hallucination"), gestures()).model
    branch = model.hallucination.encoders["wrist"]  # type: ignore[index, union-attr]
    statistics = dict(model.encoders["wrist"].named_buffers())
    assert statistics
    assert all(torch.equal(value, statistics[name]) for name, value in branch.named_buffers())  # type: ignore[union-attr]


def test_frozen_encoders_are_frozen_in_both_branches() -> None:
    model = hallucinating()
    model.freeze_encoders(["video"])
    model.train()
    for encoders in (model.encoders, model.hallucination.encoders):
        assert not any(p.requires_grad for p in encoders["video"].parameters())  # type: ignore[index, union-attr]
        assert not encoders["video"].training  # type: ignore[index, union-attr]


def test_other_models_and_options_are_refused() -> None:
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    with pytest.raises(ValueError, match='student="hallucinating"'):
        Hallucination(CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES))
    with pytest.raises(InputError, match="weight: expected 0 or more"):
        Hallucination(hallucinating(), weight=-1.0)
