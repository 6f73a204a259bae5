"""Recipes of released data sets, from the release's files over the printed commands to a trained student."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from crossdistill.cli.main import main
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.student import load
from tests.datasets import release_trees

TRAINED_ON = {"utd_mhad_depth": 431, "mfeat": 1000, "mfeat_zernike": 1000, "leaves": 800}
"""Recipe of vectors -> training samples of the real data set."""


def five_speakers() -> dict[str, bytes]:
    """AVLetters' tiny release, with three speakers more who say the same."""
    files = release_trees.avletters()
    for name, content in list(files.items()):
        for who in ("Bo", "Cy", "Di"):
            files[name.replace("_Al", f"_{who}")] = content
    return files


RELEASES: dict[str, Callable[[], dict[str, bytes]]] = {
    "avletters_speakers": five_speakers,
    "utd_mhad_depth": lambda: release_trees.utd() | release_trees.utd_depth(),
    "mfeat": release_trees.mfeat,
    "mfeat_zernike": release_trees.mfeat,
    "leaves": release_trees.leaves,
}


@pytest.mark.parametrize("name", RELEASES)
def test_the_commands_of_the_docstring_lead_from_the_release_to_a_student(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    release_trees.extracted(Path("release"), RELEASES[name]())
    words = " ".join((inspect.getdoc(RECIPES[name]) or "").split())
    prepare, train = (shlex.split(command) for command in re.findall(r"`crossdistill ([^`]+)`", words))
    assert main(["release" if word == "DIR" else word for word in prepare]) == 0
    quick = ["--epochs", "1", "--amid.warmup_epochs", "0", "--machine.accelerator", "cpu", "--out", "run"]
    assert main([*train, *quick]) == 0
    made = RECIPES[name]()
    assert made.name == name
    assert tuple(load(Path("run")).inputs) == made.data.target


@pytest.mark.parametrize("name", TRAINED_ON)
def test_a_run_on_all_labels_has_enough_steps_and_not_many_more(name: str) -> None:
    made = RECIPES[name]()
    steps_of_an_epoch = TRAINED_ON[name] // made.batch_size  # the last, smaller batch is left out
    assert 600 <= made.epochs * steps_of_an_epoch <= 1000


def test_targets_and_helpers_are_those_of_the_comparison() -> None:
    pairs = {name: (RECIPES[name]().data.target, RECIPES[name]().data.auxiliary) for name in RELEASES}
    assert pairs == {
        "avletters_speakers": (("lips",), ("audio",)),
        "utd_mhad_depth": (("depth_motion",), ("inertial", "skeleton")),
        "mfeat": (("fou",), ("fac",)),
        "mfeat_zernike": (("zer",), ("pix", "fac")),
        "leaves": (("texture",), ("margin", "shape")),
    }
