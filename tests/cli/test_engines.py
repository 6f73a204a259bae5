"""`--engine` and what it brings: which executor a command's words name, and which words name none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from crossdistill.cli import benchmark, compare, extract, tune
from crossdistill.cli.engine_options import chosen_executor, is_alone, jobs_of
from crossdistill.cli.main import main
from crossdistill.cli.parsing import parsed
from crossdistill.runs.jobs import Executor
from crossdistill.studies.slurm import SlurmExecutor, SlurmSettings
from crossdistill.studies.workers import LocalExecutor

SLURM = ["--engine", "slurm", "--slurm.partition", "gpu", "--slurm.gpus", "1", "--slurm.setup", "[module load cuda]"]
OF_SLURM = SlurmSettings(partition="gpu", gpus=1, setup=("module load cuda",))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (compare, ["emoji"]),
        (benchmark, ["--quick"]),
        (tune, ["emoji"]),
        (extract, ["data/my", "--modality", "voice", "--encoder", "log_mel"]),
    ],
)
def test_each_command_takes_each_engine(command: object, words: Sequence[str]) -> None:
    for added, alone, expected in (
        ([], True, LocalExecutor(1)),
        (["--jobs", "3"], False, LocalExecutor(3)),
        (SLURM, False, SlurmExecutor(Path("out/jobs"), OF_SLURM, 16)),
        ([*SLURM, "--jobs", "99"], False, SlurmExecutor(Path("out/jobs"), OF_SLURM, 99)),
    ):
        arguments = [*words, *added]
        options = parsed(command.parser(arguments), arguments)  # type: ignore[attr-defined]
        made: Executor = chosen_executor(options, Path("out"))
        assert (made, is_alone(options)) == (expected, alone)
        assert jobs_of(options) == getattr(expected, "jobs")  # noqa: B009


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "cloud"], "--engine: expected one of local, slurm, ray, found 'cloud'"),
        (["--jobs", "0"], "--jobs: expected at least 1, found 0"),
        (["--engine", "slurm", "--slurm.minutes", "0"], "--slurm.minutes: expected above 0, found 0"),
        (["--engine", "ray", "--ray.retries", "-1"], "--ray.retries: expected 0 or more, found -1"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "emoji", "--out", str(tmp_path / "out"), *words]) == 2
    assert capsys.readouterr().err == f"crossdistill: error: {message}\n"
    assert not (tmp_path / "out").exists()
