"""The benchmark that waits for a GPU runs: on the CPU in small, and with one line where there is no GPU."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

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
