"""Students on the Hub: pushed and fetched over HTTP from a stand-in; repositories that mean harm are one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.data.inputs import InputSpec
from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.models.storage import digest_of
from crossdistill.student import Student, load
from crossdistill.types import InputError
from tests.sharing.stand_in import StandIn, serving
from tests.sharing.students import student
from tests.tokenizer import save_tokenizer

pytest.importorskip("huggingface_hub")
from huggingface_hub import constants

NAME = "owner/wrist-student"
WRIST = {"wrist": InputSpec("array", (-1, 3))}
GIVEN = [np.ones((5, 3)), np.zeros((2, 3))]
QUIET = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """The client asks a server on this machine, and keeps what it fetches in the test's folder."""
    with serving() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.endpoint)
        template = stand_in.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        for name in QUIET:
            monkeypatch.setattr(constants, name, True)
        yield stand_in


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_pushed_is_fetched(hub: StandIn) -> None:
    made = student(WRIST)
    address = made.push_to_hub(NAME, licence="mit", token="hf_secret", private=True)
    commit, files = next(iter(hub.repositories[NAME].items()))
    assert address == f"{hub.endpoint}/{NAME}/commit/{commit}"
    assert set(files) == {"README.md", "config.json", "student.safetensors"}
    assert len(hub.repositories[NAME]) == 1, "one commit"
    assert "private" in hub.created[0].values() or hub.created[0].get("private") is True
    assert hub.tokens == {"Bearer hf_secret"}
    fetched = Student.from_pretrained(NAME)
    assert np.array_equal(fetched.predict_proba(GIVEN), made.predict_proba(GIVEN))
    assert {key: fetched.about[key] for key in made.about} == made.about


def test_a_revision_is_the_student_that_it_was(hub: StandIn) -> None:
    before, after = student(WRIST, seed=1), student(WRIST, seed=2)
    commit = before.push_to_hub(NAME).rpartition("/")[2]
    after.push_to_hub(NAME)
    assert np.array_equal(Student.from_pretrained(NAME).predict_proba(GIVEN), after.predict_proba(GIVEN))
    old = Student.from_pretrained(NAME, revision=commit)
    assert np.array_equal(old.predict_proba(GIVEN), before.predict_proba(GIVEN))


def test_what_was_fetched_needs_no_connection(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    made = student(WRIST)
    made.push_to_hub(NAME)
    Student.from_pretrained(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.served)
    assert np.array_equal(Student.from_pretrained(NAME).predict_proba(GIVEN), made.predict_proba(GIVEN))
    assert len(hub.served) == asked
    with pytest.raises(InputError, match="owner/other: on the Hugging Face Hub: "):
        Student.from_pretrained("owner/other")


def test_texts_bring_their_tokenizer(hub: StandIn, tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "words", {"[CLS]": 0, "[UNK]": 1, "red": 2, "blue": 3})
    given = InputSpec("text", (-1, 1), "int64", ReaderSettings(tokenizer=str(tmp_path / "words")))
    made = student({"said": given}, encoders={"said": EncoderSettings("rnn", {"width": 8})})
    expected = made.predict_proba(["red", "blue red"])
    made.push_to_hub(NAME)
    (tmp_path / "words").rename(tmp_path / "gone")
    assert np.array_equal(Student.from_pretrained(NAME).predict_proba(["red", "blue red"]), expected)


def test_nothing_else_of_a_repository_is_fetched(hub: StandIn, tmp_path: Path) -> None:
    files = files_of(student(WRIST).save(tmp_path / "saved"))
    extra = ["pytorch_model.bin", "student.pkl", "modeling.py", "tokenizers/wrist/evil.pkl", "model.safetensors"]
    hub.put(NAME, files | dict.fromkeys(extra, b"cos\nsystem\n(S'false'\ntR."))
    Student.from_pretrained(NAME)
    assert set(hub.served) == {"config.json", "student.safetensors"}


def edited(files: dict[str, bytes], *path: Any, value: Any) -> dict[str, bytes]:
    """With another value in config.json, and the digest that goes with it."""
    config: Any = json.loads(files["config.json"])
    config.pop("digest")
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return files | {"config.json": json.dumps({**config, "digest": digest_of(config)}).encode()}


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if path != name}


READER = {"tokenizer": "tokenizers/../../../secret"}
HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "no config": (lambda files: without(files, "config.json"), "no student of crossdistill: it has no config.json"),
    "no weights": (lambda files: without(files, "student.safetensors"), r"student\.safetensors: cannot read it"),
    "another library's": (
        lambda files: files | {"config.json": b'{"model_type": "bert"}'},
        r"config\.json: not of crossdistill",
    ),
    "exchanged weights": (
        lambda files: files | {"student.safetensors": files["student.safetensors"][:-1] + b"?"},
        r"student\.safetensors: damaged or exchanged",
    ),
    "a later format": (lambda files: edited(files, "format", value=2), "found 2; update crossdistill"),
    "code of somebody's own": (
        lambda files: edited(files, "model", "encoders", "wrist", "kind", value="subprocess:Popen"),
        "the encoder of wrist is code of somebody's own, subprocess:Popen",
    ),
    "a tokenizer elsewhere": (
        lambda files: edited(files, "model", "inputs", "wrist", "reader", value=READER),
        "expected the tokenizer tokenizers/wrist, found tokenizers/../../../secret",
    ),
    "a tokenizer that is not there": (
        lambda files: edited(files, "model", "inputs", "wrist", "reader", value={"tokenizer": "tokenizers/wrist"}),
        "no such folder, with the tokenizer of wrist",
    ),
    "a model of terabytes": (
        lambda files: edited(files, "model", "width", value=2_000_000),
        r"does not fit config\.json: .*expected \(2000000, 8\), found nothing",
    ),
    "weights of another model": (
        lambda files: edited(files, "model", "width", value=9),
        r"does not fit config\.json: ",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_repository_is_one_line(case: str, hub: StandIn, tmp_path: Path) -> None:
    change, message = HOSTILE[case]
    hub.put(NAME, change(files_of(student(WRIST).save(tmp_path / "saved"))))
    with pytest.raises(InputError, match=f"^{NAME}: .*{message}") as caught:
        Student.from_pretrained(NAME)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["config.json", "student.safetensors", "tokenizers/wrist/tokenizer.json"])
def test_a_file_that_is_too_large_is_not_fetched(path: str, hub: StandIn, tmp_path: Path) -> None:
    files = files_of(student(WRIST).save(tmp_path / "saved"))
    hub.put(NAME, {path: b"", **files})
    hub.sizes[path] = 10**12
    with pytest.raises(InputError, match=rf"^{NAME}: {path}: expected at most .* found 1,000,000,000,000"):
        Student.from_pretrained(NAME)
    assert path not in hub.served


def test_a_name_that_is_not_there_is_one_line(hub: StandIn, tmp_path: Path) -> None:
    student(WRIST).push_to_hub(NAME)
    for call in (lambda: Student.from_pretrained("owner/none"), lambda: Student.from_pretrained(NAME, "v9")):
        with pytest.raises(InputError, match=r"^owner/[\w-]+: on the Hugging Face Hub: .*(404|not found)") as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="expected a repository's name, owner/name"):
        student(WRIST).push_to_hub("three/parts/name")
    call = re.escape("`crossdistill.Student.from_pretrained('owner/none')` reads a student from the Hugging Face Hub")
    with pytest.raises(InputError, match=call):
        load("owner/none")
    for folder in (tmp_path / "nowhere", "a/b/c"):
        with pytest.raises(InputError, match=r"no such folder$"):
            Student.from_pretrained(folder)


def test_the_card_s_code_runs_as_it_is_written(hub: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    made = student(WRIST)
    made.push_to_hub(NAME)
    text = next(iter(hub.repositories[NAME].values()))["README.md"].decode()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    expected = made.predict([np.zeros((7, 3)), np.zeros((4, 3))])
    assert capsys.readouterr().out.splitlines()[0] == str(expected)
