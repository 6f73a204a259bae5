"""Auxiliary inputs that cannot teach: what they hold, what they leave alone, and whole runs on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.controls import Control
from crossdistill.recipes.recipe import DataSettings
from crossdistill.recipes.variants.controls import controls, distils
from crossdistill.runs.build import split_dataset
from crossdistill.runs.run import load_trained, run
from crossdistill.studies.plan import configurations
from crossdistill.training import Optimization
from crossdistill.types import Padded
from tests.runs.small import SAMPLES, folder_of, gestures, recipe
from tests.saved import model_state

TRAIN = np.arange(SAMPLES * 2 // 3)
TEST = np.arange(SAMPLES * 2 // 3, SAMPLES)
EVERY = np.arange(SAMPLES)


def two_auxiliary() -> MultimodalDataset:
    """Every value of a sample is its row number, so that each input says whose it is."""
    rows = np.arange(SAMPLES, dtype=np.float32)
    return from_arrays(
        {
            "hand": np.repeat(rows[:, None], 4, axis=1),
            "eye": np.repeat(rows[:, None], 2, axis=1),
            "voice": [np.full((1 + row % 5, 3), row, dtype=np.float32) for row in range(SAMPLES)],
        },
        rows.astype(int) % 3,
        splits=rows >= SAMPLES * 2 // 3,
        name="numbered",
    )


def controlled(control: Control, seed: int = 0, dataset: MultimodalDataset | None = None) -> MultimodalDataset:
    settings = DataSettings("unused", ("hand",), ("eye", "voice"), control=control)
    return split_dataset(dataset or two_auxiliary(), settings, seed)


def whose(dataset: MultimodalDataset, name: str, rows: np.ndarray = EVERY) -> np.ndarray:
    """Whose input each row has: the first value of each."""
    values = dataset.columns[name].fetch(rows)
    values = values.values if isinstance(values, Padded) else values
    return values.flatten(1)[:, 0].numpy().astype(int)


def test_shuffled_inputs_are_the_training_samples_own_in_another_order() -> None:
    dataset = controlled("shuffled")
    source = whose(dataset, "eye")
    assert sorted(source[TRAIN]) == TRAIN.tolist(), "each is used once, and none of a test sample"
    assert (source[TRAIN] != TRAIN).mean() > 0.8
    assert source[TEST].tolist() == TEST.tolist(), "test samples keep theirs"
    assert whose(dataset, "hand").tolist() == EVERY.tolist(), "the target is not touched"
    assert dataset.labels.tolist() == two_auxiliary().labels.tolist()


def test_shuffled_modalities_of_a_sample_stay_together() -> None:
    dataset = controlled("shuffled")
    source = whose(dataset, "eye")
    assert whose(dataset, "voice").tolist() == source.tolist()
    voices = dataset.columns["voice"].fetch(EVERY)
    assert isinstance(voices, Padded)
    assert voices.lengths.tolist() == (1 + source % 5).tolist(), "each with its own length"


def test_another_seed_is_another_order() -> None:
    found = [whose(controlled("shuffled", seed), "eye").tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_noise_is_fixed_for_each_sample_and_knows_nothing_of_it() -> None:
    """Not even by the length of its sequence."""
    dataset = controlled("noise")
    eye = dataset.columns["eye"]
    assert isinstance(values := eye.fetch(EVERY), torch.Tensor)
    assert isinstance(again := eye.fetch(EVERY[::-1].copy()), torch.Tensor)
    assert torch.equal(values, again.flip(0)), "whichever rows are fetched with it"
    assert len(values.unique()) == values.numel()
    other = from_arrays(
        {"hand": np.zeros((SAMPLES, 4)), "eye": np.ones((SAMPLES, 2)), "voice": np.ones((SAMPLES, 2, 3))},
        np.arange(SAMPLES) % 3, splits=EVERY >= SAMPLES * 2 // 3,
    )  # fmt: skip
    assert torch.equal(controlled("noise", dataset=other).columns["eye"].fetch(EVERY), values)  # type: ignore[arg-type]
    voices = dataset.columns["voice"].fetch(TRAIN)
    assert isinstance(voices, Padded)
    own = 1 + TRAIN % 5
    assert sorted(voices.lengths.tolist()) == sorted(own.tolist())
    assert voices.lengths.tolist() != own.tolist()
    assert all((row[length:] == 0).all() and (row[:length] != 0).all() for row, length in zip(*voices, strict=True))


def test_zeros_know_nothing_of_a_sample_either() -> None:
    dataset = controlled("zeroed")
    eye, voices = (dataset.columns[name].fetch(EVERY) for name in ("eye", "voice"))
    assert isinstance(eye, torch.Tensor)
    assert isinstance(voices, Padded)
    assert eye.shape == (SAMPLES, 2)
    assert not eye.any()
    assert not voices.values.any()
    assert voices.lengths[TRAIN].tolist() != (1 + TRAIN % 5).tolist(), "nor by the length of its sequence"
    assert whose(dataset, "hand").tolist() == EVERY.tolist(), "the target is not touched"


def test_noise_is_standard_normal_and_another_one_for_each_modality_and_seed() -> None:
    rows = np.zeros((4000, 3))
    many = from_arrays({"hand": rows, "eye": rows, "voice": rows}, np.arange(4000) % 3, splits=np.arange(4000) % 4 == 3)
    made = [controlled("noise", seed, many).columns[name].fetch(np.arange(4000)) for seed, name in
            ((0, "eye"), (0, "voice"), (1, "eye"))]  # fmt: skip
    for first, second in ((0, 1), (0, 2)):
        assert abs(np.corrcoef(made[first].flatten(), made[second].flatten())[0, 1]) < 0.05  # type: ignore[union-attr]
    assert float(made[0].mean()) == pytest.approx(0, abs=0.05)  # type: ignore[union-attr]
    assert float(made[0].std()) == pytest.approx(1, abs=0.05)  # type: ignore[union-attr]


def test_the_target_s_inputs_stand_in_in_turn() -> None:
    dataset = controlled("target")
    for name in ("eye", "voice"):
        assert torch.equal(dataset.columns[name].fetch(EVERY), dataset.columns["hand"].fetch(EVERY))  # type: ignore[arg-type]


@pytest.mark.parametrize("control", ["shuffled", "noise", "zeroed", "target"])
def test_a_controlled_run_repeats_from_its_files(control: str, tmp_path: Path) -> None:
    """Sequences of different length as the target, so that "target" makes the auxiliary ones such too."""
    source = folder_of(gestures(), tmp_path)
    plain = recipe(source, epochs=2, auxiliary_epochs=1)
    (made,) = [
        found for found in configurations(plain, ["amid"], False, True, []) if found.data.control == control
    ]  # fmt: skip
    results = run(made, tmp_path / "run")
    assert results["label"] == made.label
    loaded = load_trained(tmp_path / "run")
    again, dataset, method = loaded.recipe, loaded.dataset, loaded.method
    assert again.data.control == control
    given = dataset.__getitems__(dataset.rows("test").tolist())
    with torch.no_grad():
        views = method.model(given.modalities, ("target", "full"))
    top1 = float((views.full_logits.argmax(1) == given.labels).double().mean())
    assert top1 == pytest.approx(results["teacher"]["top1"]), "the teacher is measured on what it was measured on then"


@pytest.mark.parametrize("method", ["baseline", "self_training"])
def test_the_student_of_a_method_without_auxiliary_inputs_is_the_same_under_every_control(
    method: str, tmp_path: Path
) -> None:
    """So a comparison has no controls of it."""
    assert not distils(method)
    assert configurations(recipe(), [method, "amid"], False, True, [])[2:] == controls(recipe(), "amid")
    plain = recipe(method=method, epochs=1)
    weights = set()
    for control in ("none", "shuffled", "noise"):
        made = replace(plain, data=replace(plain.data, control=control))  # type: ignore[arg-type]
        run(made, tmp_path / control, dataset=gestures())
        state = model_state(tmp_path / control)
        weights.add(tuple(float(state[name].double().sum()) for name in sorted(state) if name.startswith("classifier")))
    assert len(weights) == 1


def test_noise_teaches_nothing(tmp_path: Path) -> None:
    """`eye` alone tells the classes, unless it is another sample's or noise."""
    easy = recipe(method="auxiliary", epochs=15, optimization=Optimization(learning_rate=3e-2))
    accuracy = {}
    for control in ("none", "shuffled", "noise", "zeroed"):
        made = replace(easy, data=replace(easy.data, control=control))  # type: ignore[arg-type]
        accuracy[control] = run(made, tmp_path / control, dataset=gestures())["auxiliary_alone"]["top1"]
    assert accuracy["none"] >= 0.9
    assert max(accuracy["shuffled"], accuracy["noise"], accuracy["zeroed"]) <= 0.7
