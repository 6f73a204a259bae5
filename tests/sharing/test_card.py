"""The model card: what the Hub reads of it, numbers that were measured, and names that mean harm."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from crossdistill.data.dataset import from_arrays
from crossdistill.data.inputs import InputSpec
from crossdistill.recipes.library.bundled import own
from crossdistill.runs.build import build
from crossdistill.runs.run import run, student_of
from crossdistill.sharing import Origin, card
from crossdistill.student import load
from tests.runs.small import gestures, recipe
from tests.sharing.students import ABOUT, student

WRIST = {"wrist": InputSpec("array", (-1, 3))}


def head_of(text: str) -> Any:
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("---\n")[1])


def card_of(about: dict[str, Any] = ABOUT, licence: str = "") -> str:
    made = student(WRIST, about)
    return card(made.spec, made.about, Origin(licence=licence))


def test_its_numbers_are_those_of_results_json(tmp_path: Path) -> None:
    run(recipe(), tmp_path / "run", dataset=replace(gestures(), licence="MIT"))
    folder = load(tmp_path / "run").save_pretrained(tmp_path / "saved")
    text, results = (folder / "README.md").read_text(), json.loads((tmp_path / "run" / "results.json").read_text())
    for view in ("student", "teacher"):
        confusion = np.array(results[view]["confusion"])
        right, samples = int(confusion.trace()), int(confusion.sum())
        assert f"| {view} | {100 * right / samples:.1f} % | {right} of {samples} |" in text
    assert "Of one run, seed 0." in text
    assert "with the help of eye" in text.replace("had the help", "with the help")
    head = head_of(text)
    (found,) = head["model-index"][0]["results"]
    assert found["metrics"] == [{"type": "accuracy", "value": round(results["student"]["top1"], 4)}]
    assert found["dataset"] == {"name": "gestures", "type": "gestures", "split": "test"}
    assert head["license"] == "mit"
    again = load(load(folder).save(tmp_path / "again"))
    assert (tmp_path / "again" / "README.md").read_text() == text, "a saved student keeps what was measured"
    assert again.about["measured"]["student"]["samples"] == samples


def test_the_hub_s_own_client_reads_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = student(WRIST).save(tmp_path / "saved", datasets=["owner/rooms"]) / "README.md"
    data = hub.ModelCard.load(path).data
    assert (data.library_name, data.license, data.datasets) == ("crossdistill", "cc-by-4.0", ["owner/rooms"])
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.75, "three rooms")


@pytest.mark.parametrize("measured", [None, {}, 7, {"student": 3}, {"student": {"top1": "0.9", "samples": True}}])
def test_where_nothing_was_measured_it_has_no_number(measured: Any) -> None:
    text = card_of({**ABOUT, "measured": measured})
    assert "Nothing: no accuracy of this student is known here." in text
    assert not {"model-index", "metrics"} & set(head_of(text))


@pytest.mark.parametrize(
    ("stated", "chosen", "expected"),
    [
        ("BSD-3-Clause", "", {"license": "bsd-3-clause"}),
        ("CC-BY-4.0 (pictures), MIT", "", {"license": "other", "license_name": "cc-by-4.0-pictures-mit"}),
        ("CC-BY-4.0", "apache-2.0", {"license": "apache-2.0"}),
        ("not stated", "", {}),
    ],
)
def test_its_licence_is_chosen_or_the_data_s(stated: str, chosen: str, expected: dict[str, str]) -> None:
    text = card_of({**ABOUT, "data": {"licence": stated}}, chosen)
    assert {key: value for key, value in head_of(text).items() if key.startswith("license")} == expected
    assert ("No licence was chosen" in text) == (not chosen)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("kd", "In training it had the help of camera,"), ("baseline", "It was trained without the help")],
)
def test_it_does_not_thank_a_modality_that_the_method_leaves_aside(method: str, expected: str) -> None:
    labels = np.arange(12) % 2
    data = from_arrays({"wrist": np.eye(2)[labels], "camera": np.eye(2)[labels]}, labels)
    made = replace(own(("wrist",), ("camera",)), method=method, epochs=1, batch_size=4)
    built = build(replace(made, data=replace(made.data, evaluate_on="none")), data)
    trained = student_of(built)
    assert expected in card(trained.spec, trained.about, Origin())


@pytest.mark.parametrize(
    ("inputs", "task"),
    [
        ({"row": InputSpec("array", (6,))}, "tabular-classification"),
        ({"wrist": InputSpec("array", (-1, 3), "float64")}, None),
        ({"row": InputSpec("array", (6,)), "dots": InputSpec("array", (4, 4), "uint8")}, None),
    ],
)
def test_its_code_runs_in_its_folder(
    inputs: dict[str, InputSpec],
    task: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (student(inputs).save(tmp_path / "saved") / "README.md").read_text()
    assert head_of(text).get("pipeline_tag") == task
    monkeypatch.chdir(tmp_path / "saved")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.count("'") == 4, "two names of classes"


def test_names_stay_names() -> None:
    """Those of classes, data and licences come from anywhere, such as folders that somebody sent."""
    harmful = "a\n---\n# b | c\n<script>alert(1)</script> [x](http://y) `z` {{t}}"
    about = {**ABOUT, "name": harmful, "method": harmful, "auxiliary": [harmful, 3]}
    about |= {"data": {"name": harmful, "licence": harmful}}
    made = student({harmful: InputSpec("array", (6,))}, about, classes=(harmful, "other"))
    text = card(made.spec, made.about, Origin())
    body = text.split("---\n", 2)[2]
    assert head_of(text)["model-index"][0]["name"] == " ".join(harmful.split())
    prose = re.sub(r"```.*?```", "", body, flags=re.DOTALL)
    assert [line for line in prose.splitlines() if line.startswith("#")][1:] == [
        "## How it was trained",
        "## What was measured",
        "## How to use it",
        "## Limits",
    ]
    assert not re.search(r"(?<!\\)(<script|\[x|`z)", prose)
    rows = [line for line in prose.splitlines() if line.startswith("| a")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3]
