"""What goes wrong outside the program, and what a file may hold: one line, exit code 2, and no traceback."""

from __future__ import annotations

import errno
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.cli.compare import tell_of_failures
from crossdistill.cli.main import main
from crossdistill.cli.words import LONGEST, printable, warn
from crossdistill.data import read_manifest
from crossdistill.data.readers.text import load_tokenizer
from crossdistill.encoders.hub import read_model
from crossdistill.recipes.files import to_yaml
from crossdistill.runs.jobs import Failure, require_done
from crossdistill.runs.run import run
from crossdistill.types import InputError
from tests.data.clips import write_video
from tests.runs.small import folder_of, gestures, recipe


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The error of a command that fails as it should."""
    assert main(list(map(str, arguments))) == 2
    said = capsys.readouterr().err
    assert said.startswith("crossdistill: error: ")
    assert said.count("\n") == 1
    return said


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(gestures(), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(recipe(source, method="baseline", epochs=1), folder)
    return folder


@pytest.mark.parametrize("out", ["/proc/x", "/proc/self/x/y", "x" * 300, "/dev/null/run"])
def test_a_place_that_cannot_be_written(
    out: str, capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.yaml").write_text(to_yaml(recipe(source, method="baseline", epochs=1)))
    one_line(capsys, "train", tmp_path / "r.yaml", "--out", out)
    one_line(capsys, "compare", tmp_path / "r.yaml", "--methods", "baseline", "--seeds", "1", "--out", out)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
RECIPES = {
    "an alias bomb": (BOMB, "values, its aliases unfolded"),
    "a value in itself": ("a: &a [*a]", "contains itself"),
    "nested deeply": ("a: " + "[" * 1200 + "]" * 1200, "nested"),
    "not UTF-8": ("é", "expected UTF-8"),
    "a huge number": ("epochs: 1" + "0" * 180, "epochs"),
    "a number of too many digits": ("epochs: 1" + "0" * 5000, "digits"),
    "a list": ("[1, 2]", "expected a recipe's fields"),
    "a tag": ("a: !!python/object/apply:os.system [touch mark]", "could not determine a constructor"),
}


@pytest.mark.parametrize("case", RECIPES)
def test_a_recipe_from_anybody(case: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text, message = RECIPES[case]
    (tmp_path / "r.yaml").write_bytes(text.encode("latin-1" if case == "not UTF-8" else "utf-8"))
    assert message in one_line(capsys, "train", tmp_path / "r.yaml", "--out", tmp_path / "run")


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "kd", "--kd.temperature", ".inf"],
        ["--method", "kd", "--kd.temperature", ".nan"],
        ["--method", "amid", "--amid.alpha_1", ".inf"],
        ["--optimization.learning_rate", ".inf"],
        ["--model.width", "1" + "0" * 180],
        ["--machine.accelerator", "cuda"],
        ["--machine.precision", "16-mixed"],
    ],
    ids=" ".join,
)
def test_options_that_no_run_can_have(options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import torch

    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("there is such a device")
    one_line(capsys, "train", "emoji", "--epochs", "1", "--out", tmp_path / "run", *options)
    assert not (tmp_path / "run").exists()


DAMAGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a recipe that is not UTF-8": ("recipe.yaml", lambda content: b"\xff\xfe" + content),
    "a recipe in itself": ("recipe.yaml", lambda content: content + b"\nx: &a [*a]\n"),
    "a log that is not UTF-8": ("metrics.jsonl", lambda content: b"\xff" + content),
    "a log with half a line": ("metrics.jsonl", lambda content: content[: len(content) // 2]),
    "results of another type": (
        "results.json",
        lambda content: json.dumps({**json.loads(content), "student": 5}).encode(),
    ),
    "results nested deeply": ("results.json", lambda content: b"[" * 100_000),
    "results of many digits": ("results.json", lambda content: b'{"a": 1' + b"0" * 5000 + b"}"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_finished_run_with_a_damaged_file(
    case: str, capsys: pytest.CaptureFixture[str], finished: Path, tmp_path: Path
) -> None:
    name, damage = DAMAGED[case]
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    assert name in one_line(capsys, "report", folder, "--out", tmp_path / "page.html")


UNREADABLE = ["results.json", "recipe.yaml", "metrics.jsonl", "config.json"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_may_not_be_read(
    name: str,
    capsys: pytest.CaptureFixture[str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of somebody who is not root, whom its mode stops."""
    path = Path(shutil.copytree(finished, tmp_path / "run")) / name
    opened = Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    command = ["evaluate", path.parent] if name == "config.json" else ["report", path.parent, "--out", tmp_path / "a"]
    error = one_line(capsys, *command)
    assert "cannot be read" in error
    assert error.rstrip().endswith("Permission denied")
    assert "JSON" not in error
    assert error.count(str(path)) == 1


def test_a_full_disk_in_a_search_names_its_folder(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("optuna.storages.journal.JournalFileBackend.append_logs", full)
    out = tmp_path / "search"
    path = tmp_path / "recipe.yaml"
    path.write_text(to_yaml(recipe(source, method="baseline", epochs=1)))
    error = one_line(capsys, "tune", path, "--methods", "baseline", "--trials", "1", "--seeds", "1", "--out", out)
    assert error == f"crossdistill: error: {out}: No space left on device\n"


def test_a_run_s_folder_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "out" / "run"
    failure = Failure(f"{place}: holds other files", mistake=True)
    assert failure.of(place) == Failure("holds other files", mistake=True).of(place) == f"{place}: holds other files"
    assert Failure(f"{place}/config.json: damaged", mistake=True).of(place) == f"{place}/config.json: damaged"
    assert Failure(f"{place}1: is another", mistake=True).of(place) == f"{place}: {place}1: is another"
    assert tell_of_failures({place: failure}) == 2
    assert capsys.readouterr().err.count(str(place)) == 1
    with pytest.raises(InputError) as caught:
        require_done({place: failure}, tmp_path)
    assert str(caught.value).count(str(place)) == 1


def in_the_way(kind: str, folder: Path) -> tuple[Path, str]:
    """Something else at a place where a folder is to be, and what is said of it."""
    folder.mkdir(parents=True, exist_ok=True)
    place, mine = folder / "out", folder / "mine"
    mine.write_text("")
    if kind == "file":
        place.write_text("")
        return place, "found a file;"
    place.symlink_to({"dangling": "nowhere", "circle": "out", "link to a file": mine}[kind])
    words = {"dangling": "to what is not there, nowhere;", "circle": "that leads in a circle;"}
    return place, f"found a link {words.get(kind, f'to a file, {mine};')}"


KINDS = ["file", "dangling", "circle", "link to a file"]


@pytest.mark.parametrize("below", [False, True], ids=["itself", "above it"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["train", "compare", "tune", "benchmark"])
def test_what_is_in_the_place_of_a_folder(
    command: str, kind: str, below: bool, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "recipe.yaml").write_text(to_yaml(recipe(source, method="baseline", epochs=1)))
    place, found = in_the_way(kind, tmp_path / "outs")
    given: list[str | Path] = {
        "train": [path],
        "compare": [path, "--methods", "baseline", "--seeds", "1"],
        "tune": [path, "--methods", "baseline", "--trials", "1", "--seeds", "1"],
        "benchmark": ["--sets", "emoji"],
    }[command]
    error = one_line(capsys, command, *given, "--out", place / "run" if below else place)
    assert f"{place}: expected a folder" in error
    assert found in error
    assert error.rstrip().endswith("choose another --out")
    assert error.count(str(place)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_the_place_of_a_page_s_folder(
    kind: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, found = in_the_way(kind, tmp_path)
    assert found in one_line(capsys, "report", finished, "--out", place / "page.html")
    page = tmp_path / "page.html"
    assert found in one_line(capsys, "report", finished, "--out", page, "--markdown", place)


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_in_the_place_of_a_lock(
    kind: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "recipe.yaml").write_text(to_yaml(recipe(source, method="baseline", epochs=1)))
    lock = tmp_path / "run/.lock"
    lock.parent.mkdir()
    lock.mkdir() if kind == "folder" else lock.symlink_to("nowhere")
    error = one_line(capsys, "train", path, "--out", lock.parent)
    assert f"{lock}: expected a file" in error
    assert error.rstrip().endswith(f"found a {kind}; remove it")


def manifest(folder: Path, cell: str = "x.npy") -> Path:
    (folder / "manifest.csv").write_text(f"id,split,label,x\n0,train,a,{cell}\n1,train,b,{cell}\n2,test,a,{cell}\n")
    return folder


def problem_of(folder: Path) -> str:
    """Why the manifest cannot be read, empty where it can; any other error is a failure."""
    try:
        read_manifest(folder)
    except InputError as error:
        return str(error)
    return ""


def test_every_cut_and_flip_of_an_npy_header_is_one_line_or_right(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((12, 4)))
    whole = (tmp_path / "x.npy").read_bytes()
    manifest(tmp_path)
    random = np.random.default_rng(0)
    problems = []
    for place in [*range(128), *random.integers(0, 128, 200).tolist()]:
        damaged = bytearray(whole)
        damaged[place] = int(random.integers(256))
        for content in (bytes(damaged), whole[:place], whole[:place] + b" " * (128 - place) + whole[128:]):
            (tmp_path / "x.npy").write_bytes(content)
            problems.append(problem_of(tmp_path))
    assert all("x.npy" in line and "\n" not in line for line in problems if line)
    assert sum(map(bool, problems)) > len(problems) / 2


@pytest.mark.parametrize("case", ["cut in moov", "unknown codec", "a tag that is not UTF-8"])
def test_a_damaged_video_ends_no_training(case: str, tmp_path: Path) -> None:
    content = write_video(tmp_path / "x.mp4", frames=12, faststart=True).read_bytes()
    damaged = {
        "cut in moov": content[: content.index(b"hdlr") + 40],
        "unknown codec": content.replace(b"avc1", b"zzzz"),
        "a tag that is not UTF-8": content.replace(b"Lavf", b"\xff\xfe\xfd\xfc"),
    }[case]
    assert damaged != content
    (tmp_path / "x.mp4").write_bytes(damaged)
    column = read_manifest(manifest(tmp_path, "x.mp4")).columns["x"]
    from crossdistill.data.reading import middle, read

    reading = read(column, np.array([0]), middle(1))
    if not reading.present.all():
        assert reading.notes[0].skipped


def test_a_parquet_of_times_that_python_has_not(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    times = {"zone": pa.array([0], pa.timestamp("s", tz="Mars/Olympus")), "far": pa.array([2**61], pa.timestamp("us"))}
    for values in times.values():
        table = pa.table({"id": ["a"], "split": ["train"], "label": ["x"], "x": ["a.npy"], "when": values})
        pa.parquet.write_table(table, tmp_path / "manifest.parquet")
        with pytest.raises(InputError, match=r"manifest\.parquet: .*'when': cannot read its timestamp"):
            read_manifest(tmp_path)


def test_a_table_without_ends_of_lines_is_not_read_into_memory(
    capsys: pytest.CaptureFixture[str], finished: Path, tmp_path: Path
) -> None:
    with (tmp_path / "x.csv").open("wb") as file:
        file.write(b"id,split,label,x\n")
        file.truncate(400 << 20)  # a hole of zeros
    assert "expected a line for each row" in one_line(capsys, "prepare", "manifest", tmp_path / "x.csv")
    assert "expected a line for each row" in one_line(capsys, "predict", finished, tmp_path / "x.csv")


def test_what_a_terminal_would_obey_is_shown_instead(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Escape sequences, a new title for the window, text that reads backwards."""
    evil = "\x1b[2J\x1b]0;owned\x07\u202egpj"
    np.save(tmp_path / "x.npy", np.eye(3))
    rows = [f"{n},{'test' if n == 2 else 'train'},{evil}{n % 2},x.npy#{n}" for n in range(3)]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,split,label,x", *rows]), encoding="utf-8")
    assert main(["prepare", "manifest", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert not any(letter in shown for letter in "\x1b\x07\u202e")
    assert "owned" in shown
    said = one_line(capsys, "train", f"{tmp_path}/{evil}")
    assert not any(letter in said for letter in "\x1b\x07\u202e")
    assert printable("Grüße, 日本, −5 %\n") == "Grüße, 日本, −5 %\n"


def test_a_line_s_end_in_a_path_is_shown_as_an_escape(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "recipe.yaml").write_text(to_yaml(recipe(source, method="baseline", epochs=1)))
    out = tmp_path / "new\nline\x1b[31m"
    assert main(["train", str(path), "--out", str(out)]) == 0
    assert f"Run: {tmp_path}/new\\x0aline\\x1b[31m" in capsys.readouterr().out.splitlines()
    assert out.is_dir()
    warn(f"{out}: look")
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_s_line_has_a_length(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"id,split,label,x\n0,{'s' * 70_000},a,x.npy\n")
    assert len(one_line(capsys, "prepare", "manifest", tmp_path)) < LONGEST + 100


def test_an_output_that_cannot_show_every_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with PYTHONIOENCODING=cp1252, or where Windows redirects."""
    (tmp_path / "manifest.csv").write_text("id,split,label,x\n0,train,−→日,x.npy#0\n1,test,−→日,x.npy#1\n", "utf-8")
    np.save(tmp_path / "x.npy", np.eye(2))
    shown, said = (io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", said)
    assert main(["prepare", "manifest", str(tmp_path)]) == 0
    assert b"\\u2212" in shown.buffer.getvalue()  # type: ignore[attr-defined]
    assert main(["prepare", "manifest", "−→日"]) == 2
    assert said.buffer.getvalue().count(b"\n") == 1  # type: ignore[attr-defined]


def test_a_model_s_own_code_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where somebody answers "y" to every question."""
    mark, folder = tmp_path / "mark", tmp_path / "model"
    folder.mkdir()
    code = f"open({str(mark)!r}, 'w').close()\n"
    for name in ("configuration_evil.py", "modeling_evil.py", "tokenization_evil.py"):
        (folder / name).write_text(code)
    files = {"AutoConfig": "configuration_evil.C", "AutoModel": "modeling_evil.M"}
    (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": files}))
    tokenizer = {"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["tokenization_evil.T", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    monkeypatch.setattr("builtins.input", lambda *question: "y")
    with pytest.raises(InputError):
        read_model(str(folder))
    with pytest.raises(InputError):
        load_tokenizer(str(folder), "data.readers.words.tokenizer")
    assert not mark.exists()


def test_a_model_with_pickled_weights_is_one_line(tmp_path: Path) -> None:
    config = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 8, "vocab_size": 9}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"cposix\nsystem\n(S'touch mark'\ntR.")
    with pytest.raises(InputError):
        read_model(str(tmp_path))


def test_a_rank_that_is_lost_is_one_line_of_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> int:
        raise RuntimeError("[third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer")

    monkeypatch.setattr("crossdistill.cli.report.execute", lost)
    with pytest.raises(RuntimeError):
        main(["report", "runs"])
    capsys.readouterr()
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    assert "another rank has ended" in (said := one_line(capsys, "report", "runs"))
    assert said.endswith("continue with --resume\n")
