"""Benchmarks: the one for a GPU runs in small on the CPU and says so where there is none; both sides do the same."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from crossdistill.methods import METHODS
from crossdistill.recipes.library.bundled import emoji
from crossdistill.runs.data import build_dataset
from crossdistill.training.engine import OneProcess
from crossdistill.training.passes import forward, with_mixing
from crossdistill.training.randomness import seeded
from crossdistill.types import Batch
from tests.processes import run_script

ROOT = Path(__file__).parents[1]


def gpu(*arguments: str) -> CompletedProcess[str]:
    return run_script(ROOT / "benchmarks" / "gpu.py", *arguments, folder=ROOT, environment={"CUDA_VISIBLE_DEVICES": ""})


def test_without_a_gpu_it_is_one_line() -> None:
    done = gpu()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gpu.py: error: no GPU here")
    assert done.stderr.count("\n") == 1


def test_every_variant_runs_in_small_on_the_cpu() -> None:
    done = gpu("--device", "cpu", "--tiny", "--steps", "2")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    header, _, *found = rows
    assert header == ["method", "variant", "ms a step", "x fp32", "x baseline", "peak MiB", "x fp32"]
    assert [row[0] for row in found] == ["baseline"] * 6 + ["amid"] * 6
    assert {"fp32", "tf32", "bf16", "bf16, channels last"} <= {row[1] for row in found}
    for row in found:
        assert float(row[2]) > 0
        assert row[5:] == ["–", "–"], "memory is measured on a GPU alone"
    assert [row[3] for row in found if row[1] == "fp32"] == ["1.00", "1.00"]
    assert {row[4] for row in found if row[0] == "baseline"} == {"1.00"}


@pytest.fixture(scope="module")
def emoji_batch() -> Batch:
    dataset = build_dataset(emoji().data)
    return dataset.__getitems__(dataset.rows("train")[:32].tolist())


TWO_PLAYERS, DRAWN_NEGATIVES = {"amid", "amid_class_means", "ccl"}, {"crd", "cmc"}


def test_every_method_is_typed_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    assert import_module("by_hand").BY_HAND.keys() == METHODS.keys()


@pytest.mark.parametrize("name", sorted(METHODS.keys() - TWO_PLAYERS - DRAWN_NEGATIVES))
def test_what_is_typed_by_hand_is_the_same_loss(name: str, emoji_batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the benchmark would compare two things. By hand a fixed teacher is not measured by its labels."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    by_hand, step = import_module("by_hand"), import_module("step")
    method = step.built_method(OneProcess(), name)
    [turn] = method.turns(emoji().epochs - 1)
    with seeded(1):
        batch = with_mixing(method, emoji_batch)
    with seeded(1):
        made = forward(method, batch)
        ours = turn.objective(made, batch)
    said_by = "classification_teacher" if method.taught_by == "full" else "classification_auxiliary"
    constant = ours.terms[said_by] if method.teacher == "fixed" else 0.0
    with seeded(1):
        typed = by_hand.BY_HAND[name](method, emoji_batch)()
    # mixtures are drawn anew by hand, and so are their weights
    assert typed == pytest.approx(
        float((ours.total - constant).detach()), rel=2e-3 if any(each.mixed for each in method.passes) else 1e-5
    )
