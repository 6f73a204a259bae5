"""One network with and without the auxiliary modalities: what it is made of, who goes without, and what ships."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossdistill.methods import ModalityDropout
from crossdistill.models import CrossModalModel, Fusion
from crossdistill.runs.build import build
from crossdistill.runs.run import load_trained, run
from crossdistill.student import load
from crossdistill.types import InputError, Padded, Representations
from tests.methods.slow import cross_entropy
from tests.methods.small import CLASSES, LABELS, WIDTH, Encoder, batch, leaves, moved_by
from tests.runs.small import folder_of, gestures, recipe, with_model
from tests.runs.test_stages import planned


def fused(auxiliary: Sequence[str] = ("audio",)) -> CrossModalModel:
    torch.manual_seed(0)
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    model = CrossModalModel(encoders, ["video"], auxiliary, WIDTH, CLASSES, student="fused")
    with torch.no_grad():
        model.target_projection.token.normal_()  # type: ignore[operator, union-attr]
    return model


def test_student_and_teacher_are_one_fusion_with_a_token_in_the_auxiliary_features_place() -> None:
    """The same 2-layer MLP on concatenated features that makes M in every model here; the student's is what it gives
    for auxiliary features that no sample has, the same for all."""
    model, given = fused(), batch()
    weights = model.state_dict()
    whole = Fusion([WIDTH, WIDTH], WIDTH)
    columns = [weights["target_projection.target.weight"], weights["fusion.layer.weight"]]
    first = {"weight": torch.cat(columns, dim=1), "bias": weights["fusion.layer.bias"]}
    last = {key: weights[f"target_projection.layers.2.{key}"] for key in ("weight", "bias")}
    whole.load_state_dict(
        {f"layers.0.{key}": value for key, value in first.items()}
        | {f"layers.3.{key}": value for key, value in last.items()}
    )
    features = [model.encoders[name](given.modalities[name]) for name in ("video", "audio")]
    made = model(given.modalities, ("target", "full"))
    torch.testing.assert_close(made.full, whole(features))
    offset = weights["target_projection.token"] - weights["fusion.layer.bias"]
    token = torch.linalg.solve(weights["fusion.layer.weight"], offset)  # in the features' own space
    torch.testing.assert_close(made.target, whole([features[0], token.expand(len(LABELS), -1)]), rtol=1e-4, atol=1e-4)
    for view in ("target", "full"):
        assert torch.equal(made.logits[view], model.classifier(made.representations[view]))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.9])
def test_each_sample_is_classified_with_or_without(rate: float) -> None:
    method, made = ModalityDropout(fused(), rate), leaves()
    objective = method.turns(0)[0].objective(made, batch())
    without = method.dropped(batch().rows, 0).tolist()
    assert math.floor(rate * len(LABELS)) <= sum(without) <= math.ceil(rate * len(LABELS))
    rows = [(made.target_logits if dropped else made.full_logits)[i] for i, dropped in enumerate(without)]
    assert objective.total.item() == pytest.approx(cross_entropy(torch.stack(rows), LABELS), rel=1e-5)
    objective.total.backward()
    for logits, reached in ((made.target_logits, without), (made.full_logits, [not dropped for dropped in without])):
        gradient = logits.grad if logits.grad is not None else torch.zeros_like(logits)
        assert gradient.any(dim=1).tolist() == reached


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 32])
def test_every_sample_goes_without_as_often_as_the_rate_says_in_batches_of_any_size(rate: float, size: int) -> None:
    """Rounded in each batch, a small one would never drop anything, or everything; and the one path learn nothing."""
    method, rows, epochs = ModalityDropout(fused(), rate), torch.arange(7, 7 + size), 400
    counts = torch.stack([method.dropped(rows, epoch).sum() for epoch in range(epochs)]).double()
    assert counts.mean().item() == pytest.approx(rate * size, abs=4 / epochs)
    assert counts.min() >= math.floor(rate * size)
    assert counts.max() <= math.ceil(rate * size)
    if size == 1:
        samples = torch.stack([method.dropped(torch.tensor([row]), 3).sum() for row in range(epochs)]).double()
        assert samples.mean().item() == pytest.approx(rate, abs=4 / epochs)


def test_simultaneous_is_the_mean_of_random_over_the_order_of_the_batch() -> None:
    labels = (0, 1, 2, 0)
    made, given = leaves(labels), batch(labels)
    random, simultaneous = ModalityDropout(fused(), 0.5), ModalityDropout(fused(), 0.5, "simultaneous")
    values = []
    for order in itertools.permutations(range(4)):
        places = torch.tensor(order)
        shuffled = made.map(lambda tensor, places=places: tensor[places])
        values.append(random.turns(0)[0].objective(shuffled, replace(given, labels=given.labels[places])).total)
    expected = torch.stack(values).mean()
    torch.testing.assert_close(simultaneous.turns(0)[0].objective(made, given).total, expected)
    assert max(values) - min(values) > 0.1, "one order is not like another"


def test_the_token_learns_from_those_without_and_the_auxiliary_encoder_from_the_others() -> None:
    def gradients(keep: Tensor) -> dict[str, bool]:
        method = ModalityDropout(fused())
        made = method.model(batch().modalities, method.views)
        logits = {view: torch.where(keep[:, None], x, x.detach()) for view, x in made.logits.items()}
        method.turns(0)[0].objective(Representations(made.representations, logits), batch()).total.backward()
        parts = {"token": method.model.target_projection.token, "audio": method.model.encoders["audio"].weight}
        return {name: bool(p.grad is not None and p.grad.any()) for name, p in parts.items()}

    without = ModalityDropout(fused()).dropped(batch().rows, 0)
    assert gradients(without) == {"token": True, "audio": False}
    assert gradients(~without) == {"token": False, "audio": True}


def test_one_step_moves_everything() -> None:
    method = ModalityDropout(fused())
    expected = {"encoders.video", "encoders.audio", "target_projection", "fusion", "classifier"}
    assert moved_by(method, method.turns(0)[0]) == expected


def test_the_student_ships_with_its_token_and_nothing_auxiliary(tmp_path: Path) -> None:
    source = folder_of(gestures(), tmp_path)
    run(recipe(source, method="modality_dropout"), tmp_path / "run")
    trained, student = load_trained(tmp_path / "run").method.model, load(tmp_path / "run")
    keys = set(student.network.state_dict())
    assert "target_projection.token" in keys
    assert not any(key.startswith(("fusion", "auxiliary", "encoders.eye")) for key in keys)
    assert keys == set(trained.student_state())
    wrist = gestures().__getitems__(range(40, 48)).modalities["wrist"]
    assert isinstance(wrist, Padded)
    with torch.no_grad():
        expected = trained.predict({"wrist": wrist}).softmax(1)
    sequences = [values[:length].numpy() for values, length in zip(*wrist, strict=True)]
    torch.testing.assert_close(torch.as_tensor(student.predict_proba(sequences)).float(), expected)
    student.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("settings", [{"teacher": "fixed"}, {"separate_teacher": True}])
def test_there_is_one_network_whatever_the_recipe_says_of_teachers(settings: dict[str, object]) -> None:
    made = with_model(recipe(method="modality_dropout", auxiliary_epochs=0), auxiliary_encoders="trained", **settings)
    assert planned(made) == [("modality_dropout", 3)]
    assert build(made, gestures()).spec.separate_teacher is False


def test_a_model_of_another_kind_is_refused() -> None:
    encoders: dict[str, nn.Module] = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    with pytest.raises(ValueError, match='student="fused"'):
        ModalityDropout(CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES))
    with pytest.raises(ValueError, match="expected no separate_teacher"):
        CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES, separate_teacher=True, student="fused")


def test_unusable_options_are_refused() -> None:
    with pytest.raises(InputError, match="rate: expected a probability below 1"):
        ModalityDropout(fused(), rate=1.0)
    with pytest.raises(ValueError, match="expected dropping 'random' or 'simultaneous'"):
        ModalityDropout(fused(), dropping="never")  # type: ignore[arg-type]
