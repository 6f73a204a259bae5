"""A checkpoint holds everything, and a crash while it is written loses nothing."""

from __future__ import annotations

import copy
import hashlib
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from crossdistill.methods import AMID
from crossdistill.training import Checkpoint, Optimization
from crossdistill.training.checkpoint import _MARK, UnreadableCheckpointError
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.pauses import EpochSoFar
from crossdistill.training.sharding import WHOLE
from crossdistill.types import InputError
from tests.training.small import amid, batch, cpu


def trained(steps: int = 3) -> tuple[AMID, dict[str, torch.optim.Optimizer]]:
    method = amid()
    optimizers = build_optimizers(method, 1, Optimization())
    for number in range(steps):
        step(cpu(), method, method.turns(0), optimizers, batch(seed=number), math.inf)
    method.end_epoch(0)
    return method, optimizers


def taken(steps: int = 3) -> Checkpoint:
    method, optimizers = trained(steps)
    return Checkpoint.of(2, 7, method.model, method, WHOLE.states(optimizers))


def test_what_was_saved_goes_on_bit_for_bit(tmp_path: Path) -> None:
    method, optimizers = trained()
    Checkpoint.of(2, 7, method.model, method, WHOLE.states(optimizers)).save(tmp_path / "checkpoint.pt")
    loaded = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert (loaded.stage, loaded.epoch) == (2, 7)
    other, others = trained(steps=1)
    loaded.restore(other.model, other, others)
    assert other.adversary.weights == method.adversary.weights != (0.5, 0.5)
    for used, moving in ((method, optimizers), (other, others)):
        step(cpu(), used, used.turns(0), moving, batch(seed=9), math.inf)
    for first, second in ((method.model, other.model), (method, other)):
        a, b = first.state_dict(), second.state_dict()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_nothing_but_the_checkpoint_is_left_in_the_folder(tmp_path: Path) -> None:
    taken().save(tmp_path / "checkpoint.pt")
    taken().save(tmp_path / "checkpoint.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")])
def test_a_full_disk_leaves_the_old_checkpoint(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    taken(1).save(path)
    before = path.read_bytes()

    def crash(state: dict[str, Any], file: BinaryIO) -> None:
        file.write(b"half a checkpoint")
        raise error

    newer = taken(3)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", crash)
        with pytest.raises(InputError, match=r"checkpoint\.pt: cannot write the checkpoint: .*(No space|full)"):
            newer.save(path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"], "what was written does not fill the disk"
    assert path.read_bytes() == before
    assert Checkpoint.load(path).epoch == 7
    newer.save(path)
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "of another program"])
def test_a_file_that_is_no_checkpoint_is_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    if damage == "of another program":
        torch.save({"weights": torch.zeros(2)}, path)
    else:
        taken().save(path)
        path.write_bytes({"empty": b"", "text": b"hello\n", "cut": path.read_bytes()[:-500]}[damage])
    with pytest.raises(UnreadableCheckpointError, match=r"checkpoint\.pt: not a readable checkpoint \(.*\)") as caught:
        Checkpoint.load(path)
    assert "\n" not in str(caught.value)


def sealed(content: dict[str, Any], path: Path) -> Path:
    """A file with a digest that is right, whatever it holds."""
    payload = io.BytesIO()
    torch.save(content, payload)
    path.write_bytes(payload.getvalue() + _MARK + hashlib.sha256(payload.getvalue()).hexdigest().encode())
    return path


def test_loading_runs_no_code_from_the_file(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "touched",))

    with pytest.raises(InputError, match="not a readable checkpoint"):
        Checkpoint.load(sealed({"stage": Evil()}, tmp_path / "checkpoint.pt"))
    assert not (tmp_path / "touched").exists()


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """In headers, in names, in weights and in the digest itself; a format's own checksums miss some of them."""
    path = tmp_path / "checkpoint.pt"
    taken().save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for place in [*random.integers(0, len(whole), 150), *range(len(whole) - 100, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(UnreadableCheckpointError, match=r"damaged|not a readable"):
            Checkpoint.load(path)
    path.write_bytes(whole)
    assert Checkpoint.load(path).epoch == 7


def inside() -> dict[str, Any]:
    """What a stopped epoch of three steps stores."""
    so_far, method = EpochSoFar(), amid()
    for number in range(3):
        so_far.add(batch(seed=number), {"loss": torch.tensor(0.1 * number)}, {"bound": torch.tensor(number)})
    return so_far.stored(cpu(), method, 1.5)


def test_an_epoch_so_far_comes_back_with_its_means_and_chance(tmp_path: Path) -> None:
    replace(taken(), epoch=0, inside=inside()).save(tmp_path / "checkpoint.pt")
    drawn = torch.rand(3)
    loaded = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert loaded.place == (2, 0, 3)
    so_far = EpochSoFar.restored(loaded.inside, cpu(), amid())
    assert (so_far.steps, so_far.asked, so_far.seconds) == (3, 3 * len(batch().labels), 1.5)
    assert torch.equal(torch.rand(3), drawn), "as when it was stored"
    so_far.add(batch(), {"loss": torch.tensor(0.9)}, {"bound": torch.tensor(5)})
    assert so_far.terms.read() == {"loss": pytest.approx((0.1 + 0.2 + 0.9) / 4)}
    assert so_far.measures.read() == {"bound": pytest.approx((1 + 2 + 5) / 4)}


@pytest.mark.parametrize("part", ["means", "randoms", "notes"])
def test_an_epoch_so_far_of_something_else_is_one_line(part: str) -> None:
    with pytest.raises(InputError, match="the checkpoint's place in its epoch cannot be gone on from"):
        EpochSoFar.restored(
            {**inside(), part: [{"cpu": 3}] if part != "means" else {"terms": {"loss": 3}}}, cpu(), amid()
        )


def test_checkpoints_of_versions_that_stopped_between_epochs_alone(tmp_path: Path) -> None:
    content = {key: value for key, value in vars(taken()).items() if key != "inside"}
    assert Checkpoint.load(sealed(content, tmp_path / "checkpoint.pt")).place == (2, 7, 0)


WRONG = {
    "no optimisers": (lambda c: c.pop("optimizers"), "expected stage, epoch"),
    "something more": (lambda c: c.update(more=1), "expected stage, epoch"),
    "a stage in words": (lambda c: c.update(stage="last"), "stage: expected int, found 'last'"),
    "a negative epoch": (lambda c: c.update(epoch=-1), "an epoch from 1, found 2, -1"),
    "a log of numbers": (lambda c: c.update(log=(1, 2)), "log: expected lines"),
    "a place in no epoch": (lambda c: c.update(inside={"steps": 3}), "inside: expected steps, asked"),
    "a step in words": (lambda c: c.update(inside={**inside(), "steps": "3"}), "inside: .* a step from 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_whole_file_with_other_content_is_one_line(case: str, tmp_path: Path) -> None:
    change, message = WRONG[case]
    content = dict(vars(taken()))
    change(content)
    with pytest.raises(UnreadableCheckpointError, match=message):
        Checkpoint.load(sealed(content, tmp_path / "checkpoint.pt"))


def shorter(values: dict[str, Any]) -> None:
    key = next(key for key, value in values.items() if isinstance(value, torch.Tensor) and value.dim())
    values[key] = values[key][:-1]


def first_optimizer(checkpoint: Checkpoint) -> dict[str, Any]:
    return next(iter(checkpoint.optimizers.values()))


def first_moment(checkpoint: Checkpoint) -> dict[str, Any]:
    return next(iter(first_optimizer(checkpoint)["state"].values()))


OF_ANOTHER = {
    "a weight's shape": lambda c: shorter(c.model),
    "a weight less": lambda c: c.model.popitem(),
    "a bank's shape": lambda c: c.method.update(dict.fromkeys(c.method, torch.zeros(77))),
    "an optimiser less": lambda c: c.optimizers.popitem(),
    "an optimiser more": lambda c: c.optimizers.update(nobody={}),
    "a moment's shape": lambda c: shorter(first_moment(c)),
    "a moment less": lambda c: first_moment(c).popitem(),
    "no learning rate": lambda c: first_optimizer(c)["param_groups"][0].pop("lr"),
    "no settings": lambda c: first_optimizer(c).pop("param_groups"),
}


@pytest.mark.parametrize("case", OF_ANOTHER)
def test_a_state_of_another_model_is_one_line(case: str) -> None:
    method, optimizers = trained(steps=1)
    checkpoint = copy.deepcopy(Checkpoint.of(2, 7, method.model, method, WHOLE.states(optimizers)))
    checkpoint.restore(method.model, method, optimizers)
    OF_ANOTHER[case](checkpoint)
    with pytest.raises(InputError, match=r"the checkpoint is of another model .*; delete it") as caught:
        checkpoint.restore(method.model, method, optimizers)
    assert "\n" not in str(caught.value)


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    newest, previous = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.previous.pt"
    for epoch in (1, 2, 3):
        replace(taken(1), epoch=epoch).save(newest, previous)
    assert (Checkpoint.load(newest).epoch, Checkpoint.load(previous).epoch) == (3, 2)
