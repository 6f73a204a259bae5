"""A stopped run whose files are damaged goes on as if they were not, or says in one line why it can't."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill.runs.run import run
from crossdistill.training import Checkpoint
from crossdistill.types import InputError
from tests.contracts.test_runs import StopError, assert_same_run
from tests.listening import Heard
from tests.runs.small import gestures, recipe

MADE = recipe(method="baseline", epochs=5)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    run(MADE, folder, dataset=gestures())
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints after its second and third epoch, and a line of the fourth in its log."""
    folder = tmp_path_factory.mktemp("stopped") / "run"

    def stop(task: str, count: int) -> None:
        if count == 4:
            raise StopError

    with pytest.raises(StopError):
        run(MADE, folder, listener=Heard(stop), dataset=gestures())
    assert Checkpoint.load(folder / "checkpoint.pt").epoch == 3
    assert Checkpoint.load(folder / "checkpoint.previous.pt").epoch == 2
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def resumed(folder: Path) -> list[str]:
    """What is said while the run is taken to its end."""
    listener = Heard()
    run(MADE, folder, resume=True, listener=listener, dataset=gestures())
    return listener.lines


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_replaced_by_the_one_before_it(folder: Path, unbroken: Path) -> None:
    size = (folder / "checkpoint.pt").stat().st_size
    for place in np.random.default_rng(0).integers(0, size, 5).tolist():
        flip(folder / "checkpoint.pt", place)
    assert resumed(folder) == [
        f"WARNING: {folder / 'checkpoint.pt'}: damaged: its digest is not that of its content; the run goes on from "
        "the one before it, checkpoint.previous.pt"
    ]
    assert_same_run(folder, unbroken)
    assert not list(folder.glob("checkpoint*")), "both have served"


def test_after_a_damaged_checkpoint_the_one_that_is_whole_is_kept(folder: Path) -> None:
    """The next save must not put the damaged file in its place."""
    flip(folder / "checkpoint.pt", 1000)

    def stop(task: str, count: int) -> None:
        if count == 2:
            raise StopError

    with pytest.raises(StopError):
        run(MADE, folder, resume=True, listener=Heard(stop), dataset=gestures())
    assert Checkpoint.load(folder / "checkpoint.pt").epoch == 3
    assert Checkpoint.load(folder / "checkpoint.previous.pt").epoch == 2


def test_two_damaged_checkpoints_are_one_line(folder: Path) -> None:
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        flip(folder / name, 1000)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"checkpoint\.pt: damaged: .* no earlier one that is whole: delete both"):
        resumed(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (folder / name).unlink()
    resumed(folder)  # as the line says


def test_a_checkpoint_that_is_gone(folder: Path, unbroken: Path) -> None:
    (folder / "checkpoint.pt").unlink()
    assert resumed(folder) == []
    assert_same_run(folder, unbroken)


LOST: dict[str, Callable[[Path], object]] = {
    "the last lines": lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1])),
    "half a line": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "the file": lambda path: path.unlink(),
    "a number": lambda path: path.write_text(path.read_text().replace('"epoch": 1', '"epoch": 7')),
    "its encoding": lambda path: path.write_bytes(b"\xff\xfe" + path.read_bytes()),
    "zeros after a power cut": lambda path: path.write_bytes(path.read_bytes()[:300] + bytes(500)),
}


@pytest.mark.parametrize("loss", LOST)
def test_lost_lines_of_the_log_are_restored(loss: str, folder: Path, unbroken: Path) -> None:
    LOST[loss](folder / "metrics.jsonl")
    assert resumed(folder) == [
        f"WARNING: {folder / 'metrics.jsonl'}: lines were lost or changed; restored as of the checkpoint, 3 epochs"
    ]
    assert_same_run(folder, unbroken)


def test_a_line_after_the_checkpoint_is_of_an_epoch_that_is_done_again(folder: Path, unbroken: Path) -> None:
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 4
    assert resumed(folder) == []
    assert_same_run(folder, unbroken)


@pytest.mark.parametrize(("stage", "epoch"), [(99, 1), (2, 99), (0, 3)])
def test_a_place_that_the_run_does_not_have_is_one_line(stage: int, epoch: int, folder: Path) -> None:
    checkpoint = Checkpoint.load(folder / "checkpoint.pt")
    replace(checkpoint, stage=stage, epoch=epoch).save(folder / "checkpoint.pt")
    with pytest.raises(InputError, match=f"checkpoint is of stage {stage} after {epoch} epochs; expected one of 2 "):
        resumed(folder)


def test_a_checkpoint_without_its_log_is_one_line(folder: Path) -> None:
    checkpoint = Checkpoint.load(folder / "checkpoint.pt")
    replace(checkpoint, log=checkpoint.log[:1]).save(folder / "checkpoint.pt")
    with pytest.raises(InputError, match=r"is of 3 epochs but holds 1 lines of metrics\.jsonl"):
        resumed(folder)
