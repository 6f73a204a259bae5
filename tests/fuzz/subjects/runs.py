"""Run folders, as somebody else may send them: each file damaged or changed, with its digest made right again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from crossdistill.models.storage import CONFIG, RESULTS, STUDENT, digest_of
from crossdistill.reports import load_runs
from crossdistill.runs.results import read_results
from crossdistill.runs.run import run
from crossdistill.student import load
from crossdistill.training import Checkpoint
from crossdistill.training.checkpoint import _MARK
from tests.fuzz.case import Attempt, Subject, command
from tests.fuzz.octets import damaged
from tests.fuzz.values import changed, odd
from tests.runs.small import folder_of, gestures, recipe

FILES = (CONFIG, CONFIG, RESULTS, RESULTS, "metrics.jsonl", "recipe.yaml", STUDENT, STUDENT, "rest.safetensors")
INPUTS = {"wrist": [np.ones((3, 3)), np.zeros((2, 3))]}


def begin(folder: Path) -> Path:
    source = folder_of(gestures(), folder)
    run(recipe(source, method="kd", epochs=1, auxiliary_epochs=1), folder / "run")
    kept = folder / "checkpoint.pt"
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    Checkpoint.of(0, 1, model, torch.nn.Module(), {"all": optimizer.state_dict()}).save(kept)
    return folder


def json_changed(content: bytes, random: Random) -> bytes:
    value = changed(json.loads(content), random)
    if isinstance(value, dict) and "digest" in value:
        value.pop("digest")
        value["digest"] = digest_of(value)
    return json.dumps(value).encode(errors="replace")


def lines_changed(content: bytes, random: Random) -> bytes:
    lines = content.decode().splitlines()
    place = random.randrange(len(lines))
    lines[place] = json.dumps(changed(json.loads(lines[place]), random))
    return "\n".join(lines).encode(errors="replace")


def changed_file(name: str, content: bytes, random: Random) -> bytes:
    structured: dict[str, Callable[[bytes, Random], bytes]] = {
        CONFIG: json_changed, RESULTS: json_changed, "metrics.jsonl": lines_changed, STUDENT: tensors_changed,
    }  # fmt: skip
    return (
        structured[name](content, random) if name in structured and random.random() < 0.7 else damaged(content, random)
    )


def tensors_changed(content: bytes, random: Random) -> bytes:
    """Another header of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(changed(json.loads(content[8 : 8 + size]), random)).encode(errors="replace")
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def digests_right(folder: Path) -> None:
    """Make the digests fit the files, as whoever changed these could."""
    results = json.loads((folder / RESULTS).read_bytes())
    results["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in results["files"]}
    (folder / RESULTS).write_text(json.dumps(results))


def predicted(folder: Path) -> None:
    student = load(folder)
    if student.spec.target == ("wrist",) and student.spec.inputs["wrist"].shape == (-1, 3):
        assert np.isfinite(student.predict_proba(INPUTS)).all()


def checkpoint_case(begun: Path, random: Random, folder: Path) -> Attempt:
    path = folder / "checkpoint.pt"
    content = (begun / "checkpoint.pt").read_bytes()
    model = torch.nn.Linear(2, 2)
    optimizers = {"all": torch.optim.Adam(model.parameters())}
    if random.random() < 0.4:  # another content in a whole file
        parts: dict[str, Any] = vars(Checkpoint.load(begun / "checkpoint.pt"))
        plain = dict(parts)
        key = random.choice(sorted(plain))
        plain[key] = changed(plain[key], random) if key == "inside" else odd(random)
        torch.save(plain, path)
        inner = path.read_bytes()
    else:
        inner = damaged(content[: content.index(_MARK)], random)
    whole = random.random() < 0.7
    path.write_bytes(inner + _MARK + hashlib.sha256(inner).hexdigest().encode() if whole else damaged(content, random))
    return lambda: Checkpoint.load(path).restore(model, torch.nn.Module(), optimizers)


def case(begun: Path, random: Random, folder: Path) -> Attempt:
    if random.random() < 0.25:
        return checkpoint_case(begun, random, folder)
    run_folder = folder / "run"
    shutil.copytree(begun / "run", run_folder)
    name = random.choice(FILES)
    path = run_folder / name
    path.write_bytes(changed_file(name, path.read_bytes(), random))
    if name.endswith("safetensors") and random.random() < 0.8:
        digests_right(run_folder)
    chosen = random.random()
    if name in ("metrics.jsonl", "recipe.yaml") or chosen < 0.3:
        return lambda: load_runs([run_folder])
    if name == RESULTS and chosen < 0.6:
        return lambda: read_results(run_folder)
    if chosen < 0.4:
        return lambda: command(random.choice(("evaluate", "report")), run_folder)
    return lambda: predicted(run_folder)


RUNS = Subject(15, begin, case)
