"""`crossdistill prepare ucf51`, `activitynet`, `iemocap` as a user meets them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from crossdistill.cli import extract, prepare, train
from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from tests.datasets import media_trees


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the three releases in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    media_trees.ucf(tmp_path / "ucf")
    media_trees.activitynet(tmp_path / "anet")
    media_trees.iemocap(tmp_path / "emo")
    return tmp_path


UCF51 = ["ucf51", "--videos", "ucf/videos", "--splits", "ucf/splits"]
ACTIVITYNET = ["activitynet", "--videos", "anet/videos", "--annotations", "anet/activity_net.v1-3.min.json"]
IEMOCAP = ["iemocap", "--root", "emo"]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["prepare", *arguments])
    printed = capsys.readouterr()
    return code, " ".join(printed.out.replace("│", " ").split()), printed.err


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            UCF51,
            [
                "data/ucf51: 3 train, 3 test; 3 classes",
                "Typing 2 1 1 1",
                "expected 6,845 clips (4,901 train, 1,944 test)",
                "Missing or not readable: 2 of 8 clips (missing.txt)",
                "crossdistill train ucf51 --method amid",
            ],
        ),
        (
            ACTIVITYNET,
            [
                "data/activitynet: 2 train, 2 test; 2 classes",
                "training 6 2 1 1 2 10,024",
                "validation 2 0 0 0 2 4,926",
                "crossdistill train activitynet --method amid",
            ],
        ),
        (
            IEMOCAP,
            [
                "data/iemocap: 5 train, 5 test; 4 classes",
                "1 happy 2 2 278",
                "4 sad 0 0 143",
                "Not there: Session2, Session3, Session4",
                "crossdistill extract data/iemocap --allow_outside true --modality video --encoder densenet121",
                "google-bert/bert-base-uncased --out data/iemocap/features.csv",
                "crossdistill train iemocap_a_v --method amid",
            ],
        ),
    ],
    ids=["ucf51", "activitynet", "iemocap"],
)
def test_what_they_say_and_what_comes_next(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], lines: list[str]
) -> None:
    code, out, error = said(capsys, *arguments)
    assert (code, error) == (0, "")
    for line in lines:
        assert line in out, line
    following = [
        shlex.split(command) for command in out[out.index("crossdistill prepare") :].split("crossdistill ")[1:]
    ]
    assert following[0][:4] == ["prepare", "manifest", f"data/{arguments[0]}", "--allow-outside"]
    assert main(following[0]) == 0, "the next command works"
    assert (here / "data" / arguments[0] / "cache").is_dir() == ("--cache" in following[0])
    for name, *options in following[1:]:
        {"extract": extract, "train": train, "prepare": prepare}[name].parser(options).parse_args(options)
    expected = f"data/{arguments[0]}" if arguments[0] != "iemocap" else following[-2][-1]
    trained = train.parser(following[-1][1:]).parse_args(following[-1][1:])
    assert trained.data.source == expected, "where the recipe looks"
    assert trained.data.allow_outside
    assert read_manifest(here / "data" / arguments[0], allow_outside=True).name == arguments[0]


def test_options(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, *ACTIVITYNET, "--trimmed", "--keep-silent", "--out", "my sets/a")
    assert code == 0
    assert "my sets/a: 4 train, 2 test" in out
    assert "prepare manifest 'my sets/a' --allow-outside" in out
    assert "train activitynet --method amid --data.source 'my sets/a'" in out
    (here / "ucf/splits/trainlist01.txt").rename(here / "ucf/splits/trainlist03.txt")
    (here / "ucf/splits/testlist01.txt").rename(here / "ucf/splits/testlist03.txt")
    code, out, _ = said(capsys, *UCF51, "--split", "3", "--out", "three")
    assert code == 0
    assert "three: 3 train, 3 test" in out
    assert "expected 6,845 clips" in out
    assert "4,901" not in out, "of split 1 alone"
    code, out, _ = said(capsys, *IEMOCAP, "--out", "speech")
    assert code == 0
    assert "train iemocap_a_v --method amid --data.source speech/features.csv" in out
    assert not (here / "data").exists()


MISTAKES = {
    "no videos": (UCF51[:1] + UCF51[3:], "videos"),
    "no splits": (UCF51[:3], "splits"),
    "folder not there": (["ucf51", "--videos", "nowhere", "--splits", "ucf/splits"], "nowhere"),
    "no such split": ([*UCF51, "--split", "4"], "split"),
    "lists not there": ([*UCF51, "--split", "2"], "trainlist02.txt"),
    "no annotations": (ACTIVITYNET[:3], "annotations"),
    "annotations not there": ([*ACTIVITYNET[:3], "--annotations", "a.json"], "a.json"),
    "annotations that are none": ([*ACTIVITYNET[:3], "--annotations", "ucf/splits/classInd.txt"], "classInd.txt"),
    "no root": (IEMOCAP[:1], "root"),
    "another root": (["iemocap", "--root", "ucf"], "Session1"),
    "something there already": ([*IEMOCAP, "--out", "ucf"], "ucf: already there"),
    "a file in the way": ([*IEMOCAP, "--out", "ucf/loud.avi/set"], "ucf/loud.avi: expected a new or empty folder"),
    "an option of another": ([*IEMOCAP, "--trimmed"], "trimmed"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_code_2(mistake: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.rglob("*"))
    arguments, word = MISTAKES[mistake]
    code, _, error = said(capsys, *arguments)
    assert code == 2
    assert error.startswith("crossdistill: error: ")
    assert error.count("\n") == 1
    assert word in error
    assert sorted(here.rglob("*")) == before, "nothing was written"
