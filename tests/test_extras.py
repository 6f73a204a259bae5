"""The core with no package but its own: losses, a method's step, a run and its student; what else says which extra."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from crossdistill.extras import EXTRAS, MissingPackageError, missing_package, needed_for
from crossdistill.runs.trackers import TRACKERS
from crossdistill.types import InputError

ROOT = Path(__file__).parents[1]
NOT_HERE = {*TRACKERS, "ray"}
"""Extras that the tests' environment is without."""

FEATURES: dict[str, tuple[str, str]] = {
    "the estimator": ("train", "crossdistill.CrossModalClassifier"),
    "diagnosis": ("train", "crossdistill.diagnose"),
    "comparisons": ("train", "crossdistill.compare"),
    "Parquet": ("train", 'command("predict", "run", "new.npy", "--out", "out.parquet")'),
    "a table of features": ("train", 'command("predict", "run", "new.csv")'),
    "statistics": ("train", "crossdistill.evaluation.paired_test([1, 2], [3, 5])"),
    "validation samples": ("train", 'run(data={"choose_epoch_on": "validation"})'),
    "several devices": ("train", 'run(machine={"devices": 2})'),
    "mixtures": ("train", 'run(method="amid_u", data={"labelled": 0.5})'),
    "the report": ("report", 'command("report", "run")'),
    "the demo": ("report", 'command("demo")'),
    "comparing": ("report", 'command("compare", "emoji")'),
    "tuning": ("tune", 'command("tune", "emoji", "--methods", "baseline")'),
    "trials": ("tune", "crossdistill.tune(recipe, ['baseline'], 1, 1, Path('tuned'))"),
    "Slurm": ("slurm", "crossdistill.SlurmExecutor(Path('jobs'))"),
    "Ray": ("ray", "crossdistill.RayExecutor(Path('jobs'))"),
    "TensorBoard": ("tensorboard", "run(tensorboard=True)"),
    **{name: (name, f"run(tracker={name!r})") for name in TRACKERS},
    "pictures": ("media", 'student({"x": InputSpec("picture", (3, 8, 8))}).predict(["new.jpg"])'),
    "videos": ("media", 'student({"x": InputSpec("video", (3, 4, 8, 8))}).predict(["new.mp4"])'),
    "published encoders": ("pretrained", 'Pretrained("folder")'),
    "the Hub": ("hub", 'crossdistill.Student.from_pretrained("owner/name")'),
    "pushing": ("hub", 'crossdistill.load("run").push_to_hub("owner/name")'),
    "ONNX": ("export", 'crossdistill.export("run", "student.onnx")'),
}
"""Feature -> the extra that it takes, and what asks for it."""

SCRIPT = """
import io, json, sys, tempfile
from contextlib import redirect_stderr
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path

class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)

HIDDEN, FEATURES = set(json.loads(sys.argv[1])), json.loads(sys.argv[2])
sys.meta_path = [Installed if finder is PathFinder else finder for finder in sys.meta_path]

import numpy as np
import torch
import crossdistill, crossdistill.encoders, crossdistill.evaluation, crossdistill.losses, crossdistill.testing
from crossdistill.cli.main import main
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders.pretrained import Pretrained
from crossdistill.types import Batch
from tests.sharing.students import student

y = torch.arange(8) % 2
inputs = {"wrist": torch.randn(8, 4), "camera": torch.randn(8, 3)}
encoders = {name: crossdistill.encoders.MLP(x.shape[1], 8) for name, x in inputs.items()}
model = crossdistill.CrossModalModel(encoders, ("wrist",), ("camera",), width=8, classes=2)
method = crossdistill.AMID(model, warmup_epochs=0)
batch = Batch(inputs, y, torch.arange(8), {})
for turn in method.turns(0):
    torch.autograd.backward(turn.objective(model(inputs, method.views), batch).total, inputs=list(turn.parameters))
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in turn.parameters), turn.name
assert crossdistill.losses.jensen_shannon_divergence(torch.randn(4, 3), torch.randn(4, 3)) >= 0

labels = np.arange(60) % 2
arrays = {"wrist": np.eye(4)[labels], "camera": np.eye(3)[labels]}
dataset = crossdistill.from_arrays(arrays, labels, splits=np.arange(60) >= 40)
recipe = replace(crossdistill.own(("wrist",), ("camera",)), method="kd", epochs=1, batch_size=8)

def run(data={}, machine={}, **changes):
    made = replace(recipe, data=replace(recipe.data, **data), machine=replace(recipe.machine, **machine), **changes)
    return crossdistill.run(made, tempfile.mkdtemp(), dataset=dataset)

crossdistill.run(recipe, "run", dataset=dataset)
crossdistill.Student.from_pretrained("run").save("saved")
assert crossdistill.load("saved").predict(np.eye(4)[:2]).shape == (2,)
np.save("new.npy", np.eye(4)[:2])
Path("new.jpg").touch()
Path("new.mp4").touch()
Path("new.csv").write_text("a,b,c,d\\n1,0,0,0\\n")
assert main(["predict", "saved", "new.npy", "--out", "out.csv"]) == 0
assert main(["train", "watch", "--method", "baseline", "--epochs", "1", "--quiet", "--out", "bundled"]) == 0
assert len(Path("out.csv").read_text().splitlines()) == 3

def command(*words):
    with redirect_stderr(io.StringIO()) as said:
        code = main(words)
    raise crossdistill.InputError(f"exit code {code}: {said.getvalue().strip()}")

told = {}
for name, asked in FEATURES.items():
    try:
        eval(asked)
        told[name] = ["", "", False]
    except Exception as error:
        told[name] = [type(error).__name__, str(error), isinstance(error, crossdistill.InputError)]
Path("told.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Feature -> class and text of the error, and whether it is an InputError, in a process without any extra."""
    hidden = [package for packages in EXTRAS.values() for package in packages]
    asked = {name: expression for name, (_, expression) in FEATURES.items()}
    command = [sys.executable, "-c", SCRIPT, json.dumps(hidden), json.dumps(asked)]
    work = tmp_path_factory.mktemp("core")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(work), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads((work / "told.json").read_text()))


@pytest.mark.parametrize("feature", FEATURES)
def test_what_is_missing_is_one_line_with_the_command_that_installs_it(
    feature: str, told: Mapping[str, tuple[str, str, bool]]
) -> None:
    extra, asked = FEATURES[feature]
    kind, text, is_input_error = told[feature]
    assert text.count(f"pip install 'crossdistill[{extra}]'") == 1, f"{kind}: {text}"
    assert "\n" not in text
    assert is_input_error
    if asked.startswith("command"):
        assert text.startswith("exit code 2: crossdistill: ")


def test_each_extra_is_asked_for() -> None:
    assert {extra for extra, _ in FEATURES.values()} == set(EXTRAS)


def test_the_extras_are_those_of_the_package() -> None:
    """Each of their packages is asked for by the extra that is named, and none by the core."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    owners = importlib.metadata.packages_distributions()

    def names(requirements: list[str]) -> set[str]:
        return {re.sub(r"[-_.]+", "-", Requirement(each).name).lower() for each in requirements}

    core = names(project["dependencies"])
    for extra, packages in EXTRAS.items():
        asked = names(project["optional-dependencies"][extra])
        if extra in NOT_HERE:
            assert extra in " ".join(asked)
            continue
        for package in set(packages) - {"threadpoolctl"}:  # which comes with scikit-learn
            owner = {re.sub(r"[-_.]+", "-", name).lower() for name in owners[package]}
            assert owner & asked, package
            assert not owner & core, package
    everything = str(project["optional-dependencies"]["all"] + project["optional-dependencies"]["tune"])
    assert all(extra in everything + "report train hub" for extra in EXTRAS if extra not in NOT_HERE | {"slurm"})


def test_the_error_is_an_import_error_too_and_others_stay_as_they_are() -> None:
    message = r"drawing needs matplotlib: pip install 'crossdistill\[report\]'"
    with pytest.raises(ImportError, match=message) as caught, needed_for("drawing"):
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.figure")
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, MissingPackageError)
    other = ModuleNotFoundError("No module named 'mine'", name="mine")
    assert missing_package(other, "mine") is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'mine'"), needed_for("mine"):
        raise other
