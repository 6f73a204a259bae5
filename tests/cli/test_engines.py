"""`--engine` and what it brings: which executor a command's words name, and which words name none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from jsonargparse import Namespace

from crossdistill.cli import benchmark, compare, extract, tune
from crossdistill.cli.engine_options import chosen_executor, is_alone
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
def test_each_command_has_the_settings_of_a_cluster(command: object, words: Sequence[str]) -> None:
    arguments = [*words, *SLURM]
    options = parsed(command.parser(arguments), arguments)  # type: ignore[attr-defined]
    assert chosen_executor(options, Path("out")) == SlurmExecutor(Path("out/jobs"), OF_SLURM, 16)


@pytest.mark.parametrize(
    ("engine", "jobs", "alone", "expected"),
    [
        ("local", None, True, LocalExecutor(1)),
        ("local", 3, False, LocalExecutor(3)),
        ("slurm", 99, False, SlurmExecutor(Path("out/jobs"), jobs=99)),
    ],
)
def test_how_many_at_once(engine: str, jobs: int | None, alone: bool, expected: Executor) -> None:
    options = Namespace(engine=engine, jobs=jobs, slurm=SlurmSettings())
    assert (chosen_executor(options, Path("out")), is_alone(options)) == (expected, alone)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "cloud"], "--engine: expected one of local, slurm, ray, found 'cloud'"),
        (["--engine", "slurm", "--slurm.minutes", "0"], "--slurm.minutes: expected above 0, found 0"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "emoji", "--out", str(tmp_path / "out"), *words]) == 2
    assert capsys.readouterr().err == f"crossdistill: error: {message}\n"
    assert not (tmp_path / "out").exists()
