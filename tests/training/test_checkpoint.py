"""A checkpoint holds everything, and a crash while it is written loses nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from crossdistill.methods import AMID
from crossdistill.training import Checkpoint, Optimization
from crossdistill.training.loop import build_optimizers, step
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
    return Checkpoint.of(2, 7, method.model, method, optimizers)


def test_what_was_saved_goes_on_bit_for_bit(tmp_path: Path) -> None:
    method, optimizers = trained()
    Checkpoint.of(2, 7, method.model, method, optimizers).save(tmp_path / "checkpoint.pt")
    loaded = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert (loaded.stage, loaded.epoch) == (2, 7)
    other, others = trained(steps=1)
    loaded.restore(other.model, other, others)
    assert other.weights == method.weights != (0.5, 0.5)
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


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other"])
def test_a_file_that_is_no_checkpoint_is_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    if damage == "other":
        torch.save({"weights": torch.zeros(2)}, path)
    else:
        taken().save(path)
        path.write_bytes({"empty": b"", "text": b"hello\n", "cut": path.read_bytes()[:-500]}[damage])
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a readable checkpoint \(\w+\); delete it") as caught:
        Checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_loading_runs_no_code_from_the_file(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "touched",))

    torch.save({"stage": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        Checkpoint.load(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "touched").exists()
