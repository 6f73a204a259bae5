"""Controls: inputs of the right shape in the auxiliary modalities' place, from which nothing can be learned."""

from __future__ import annotations

import numpy as np
import torch

from crossdistill.data import MultimodalDataset, from_arrays, with_control
from crossdistill.types import Padded

TARGET, AUXILIARY = ("wrist",), ("eye", "ear")
TRAIN = 30


def dataset() -> MultimodalDataset:
    """Every auxiliary value is its sample's number."""
    count = 40
    ear = [np.full((1 + row % 3, 2), row, dtype=np.float32) for row in range(count)]
    return from_arrays(
        {
            "wrist": np.random.default_rng(0).normal(size=(count, 4)),
            "eye": np.repeat(np.arange(count, dtype=np.float32)[:, None], 3, axis=1),
            "ear": ear,
        },
        np.arange(count) % 2,
        splits=np.arange(count) >= TRAIN,
    )


def batch(found: MultimodalDataset, rows: range) -> tuple[torch.Tensor, torch.Tensor, Padded]:
    made = found.__getitems__(list(rows)).modalities
    wrist, eye, ear = (made[name] for name in ("wrist", "eye", "ear"))
    assert isinstance(wrist, torch.Tensor)
    assert isinstance(eye, torch.Tensor)
    assert isinstance(ear, Padded)
    return wrist, eye, ear


def test_no_control_is_the_data_set_itself() -> None:
    original = dataset()
    assert with_control(original, "none", TARGET, AUXILIARY, 0) is original


def test_shuffled_inputs_come_from_one_other_training_sample_and_tests_keep_theirs() -> None:
    original = dataset()
    found = with_control(original, "shuffled", TARGET, AUXILIARY, 0)
    wrist, eye, ear = batch(found, range(40))
    assert torch.equal(wrist, batch(original, range(40))[0])
    source = eye[:, 0]
    assert torch.equal(source, ear.values[:, 0, 0]), "one and the same sample for all auxiliary modalities"
    assert sorted(source[:TRAIN].tolist()) == list(range(TRAIN))
    assert (source[:TRAIN] != torch.arange(TRAIN)).float().mean() > 0.8
    assert torch.equal(source[TRAIN:], torch.arange(TRAIN, 40.0))


def test_noise_is_fixed_for_a_sample_and_tells_nothing_of_it() -> None:
    original = dataset()
    found = with_control(original, "noise", TARGET, AUXILIARY, 0)
    _, eye, ear = batch(found, range(40))
    _, again, ear_again = batch(found, range(20, 25))
    assert torch.equal(eye[20:25], again)
    for place, length in enumerate(ear_again.lengths.tolist()):
        assert torch.equal(ear.values[20 + place, :length], ear_again.values[place, :length])
    assert torch.equal(ear.lengths, batch(original, range(40))[2].lengths)
    assert not ear.values[0, 1:].any(), "padding stays zero"
    many = from_arrays({"eye": np.full((4000, 3), 7.0), "wrist": np.ones((4000, 1))}, [0] * 4000, splits=[False] * 4000)
    noise = with_control(many, "noise", TARGET, ("eye",), 0).__getitems__(range(4000)).modalities["eye"]
    assert isinstance(noise, torch.Tensor)
    assert abs(float(noise.mean())) < 0.05
    assert abs(float(noise.std()) - 1) < 0.05
    assert abs(float(torch.corrcoef(noise.T)[0, 1])) < 0.06


def test_seeds_differ() -> None:
    for control in ("shuffled", "noise"):
        first, second = (batch(with_control(dataset(), control, TARGET, AUXILIARY, s), range(9))[1] for s in (0, 1))
        assert not torch.equal(first, second)


def test_the_target_takes_the_auxiliary_modalities_place() -> None:
    found = with_control(dataset(), "target", TARGET, AUXILIARY, 0).__getitems__(range(40)).modalities
    assert torch.equal(found["eye"], found["wrist"])  # type: ignore[arg-type]
    assert torch.equal(found["ear"], found["wrist"])  # type: ignore[arg-type]
