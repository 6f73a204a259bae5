"""Somebody's own encoder and method, in files outside the package, go everywhere that ours go."""

from __future__ import annotations

import copy
import sys
import threading
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from crossdistill.encoders import ENCODERS, EncoderKind
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS, load_plugins
from crossdistill.plugins import entry_points_of
from crossdistill.recipes.files import load_recipe, to_yaml
from crossdistill.runs.build import build
from crossdistill.runs.run import run
from crossdistill.student import load
from crossdistill.types import InputError
from tests.processes import call, run_script
from tests.runs.small import folder_of, gestures, recipe, with_model

PARTS = '''
"""Parts of a user."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from crossdistill import Method
from crossdistill.types import Objective, Padded, Turn


class Stroke(nn.Module):
    """The mean step of a sequence, through one linear layer."""

    def __init__(self, shape: tuple[int, ...], width: int = 8, scale: float = 1.0) -> None:
        super().__init__()
        self.width, self.scale = width, scale
        self.layer = nn.Linear(shape[-1], width)

    def forward(self, x):
        values, lengths = x if isinstance(x, Padded) else (x, torch.full((x.shape[0],), x.shape[1]))
        return self.scale * self.layer(values.sum(1) / lengths[:, None])


class Guide(Method):
    """The student regresses the teacher's logits.

    Args:
        weight: of the regression
    """

    views = ("target", "full")
    predicts = ("target", "full")

    def __init__(self, model, weight: float = 1.0) -> None:
        super().__init__(model)
        self.weight = weight

    def turns(self, epoch):
        return [Turn("all", self.model.parameters_of("target", "full"), self.objective)]

    def objective(self, made, batch):
        hard = cross_entropy(made.target_logits, batch.labels) + cross_entropy(made.full_logits, batch.labels)
        soft = mse_loss(made.target_logits, made.full_logits.detach())
        return Objective(hard + self.weight * soft, {"hard": hard, "soft": soft})
'''

ENTRY_POINTS = """
[crossdistill.methods]
guide = own_parts:Guide

[crossdistill.encoders]
stroke = own_parts:Stroke
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with own_parts.py, a data set, and a recipe that names the encoder's class."""
    (tmp_path / "own_parts.py").write_text(PARTS, encoding="utf-8")
    folder_of(gestures(), tmp_path)
    stroke = EncoderSettings("own_parts:Stroke", {"width": 6, "scale": 2.0})
    made = with_model(recipe("gestures", epochs=2, auxiliary_epochs=1), encoders={"wrist": stroke})
    (tmp_path / "recipe.yaml").write_text(to_yaml(made), encoding="utf-8")
    return tmp_path


@pytest.fixture
def installed(home: Path) -> Path:
    """The same, as an installed package with entry points would be found."""
    info = home / "own_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return home


def crossdistill(home: Path, *arguments: str, path: str = "") -> CompletedProcess[str]:
    """The command as it is installed, in the folder: `python -m` would put the folder on the path by itself."""
    return CompletedProcess(arguments, *call(*arguments, folder=home, environment={"PYTHONPATH": path}))


def predicted(home: Path, folder: str) -> list[str]:
    script = (
        "import crossdistill, numpy, sys; s = crossdistill.load(sys.argv[1]);"
        "print(*s.predict({'wrist': numpy.ones((4, 5, 3))}), sep='|')"
    )
    done = run_script(script, folder, folder=home)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


def test_an_encoder_by_its_class_through_train_load_and_predict(home: Path) -> None:
    """And through a comparison: see the script below, whose recipe names it."""
    done = crossdistill(home, "train", "recipe.yaml", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert len(predicted(home, "run")) == 4


def test_entry_points_of_an_installed_package(installed: Path) -> None:
    content = yaml.safe_load((installed / "recipe.yaml").read_text())
    content["model"]["encoders"]["wrist"]["kind"] = "stroke"
    (installed / "recipe.yaml").write_text(yaml.safe_dump(content))
    path = str(installed)
    options = ("recipe.yaml", "--methods", "baseline,guide", "--guide.weight", "0.5", "--seeds", "1", "--jobs", "2")
    done = crossdistill(installed, "compare", *options, "--out", "all", path=path)
    assert done.returncode == 0, done.stderr
    assert "guide: {weight: 0.5}" in " ".join((installed / "all/guide-seed0/recipe.yaml").read_text().split()).replace(
        "guide: weight: 0.5", "guide: {weight: 0.5}"
    )
    assert len(predicted(installed, "all/guide-seed0")) == 4


def test_a_plug_in_that_cannot_be_imported_is_named_and_the_rest_works(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "own_parts.py").write_text("import no_such_thing\n")
    monkeypatch.syspath_prepend(installed)
    entry_points_of.cache_clear()
    with pytest.warns(UserWarning, match=r"plug-in guide \(own_parts:Guide\) cannot be imported: No module named"):
        load_plugins()
    assert "guide" not in METHODS
    entry_points_of.cache_clear()


@pytest.mark.parametrize("name", ["guide", "own_parts:Guide"])
def test_a_recipe_imports_no_method_and_says_how_one_gets_its_name(home: Path, name: str) -> None:
    """Neither a recipe nor an option runs a module that is found where somebody works."""
    (home / "own_parts.py").write_text(f"open('ran', 'w').close()\n{PARTS}", encoding="utf-8")
    content = yaml.safe_load((home / "recipe.yaml").read_text())
    del content["model"]["encoders"]
    (home / "recipe.yaml").write_text(yaml.safe_dump(content | {"method": name}))
    (home / "plain.yaml").write_text(yaml.safe_dump(content))
    for arguments in (["recipe.yaml"], ["plain.yaml", "--method", name]):
        done = crossdistill(home, "train", *arguments, "--out", "run")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert 'by an entry point "crossdistill.methods" of an installed package' in done.stderr
    assert not (home / "ran").exists()


def test_a_method_added_by_a_script_is_known_to_the_processes_of_a_comparison(home: Path) -> None:
    (home / "script.py").write_text(
        "from dataclasses import replace\n"
        "import crossdistill\n"
        "from own_parts import Guide\n"
        "if __name__ == '__main__':\n"
        "    crossdistill.METHODS['guide'] = Guide\n"
        "    from crossdistill.recipes.files import load_recipe\n"
        "    base = load_recipe('recipe.yaml')\n"
        "    made = [replace(base, method=name) for name in ('baseline', 'guide')]\n"
        "    compared = crossdistill.compare(made, 'all', seeds=1, jobs=2)\n"
        "    print(sorted(compared.table.label), len(compared.failures))\n"
    )
    done = run_script(home / "script.py", folder=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['baseline', 'guide'] 0", "and nothing else is printed"
    assert len(predicted(home, "all/guide-seed0")) == 4


def imported(home: Path, monkeypatch: pytest.MonkeyPatch) -> type[nn.Module]:
    import importlib

    monkeypatch.syspath_prepend(home)
    sys.modules.pop("own_parts", None)
    kind: type[nn.Module] = importlib.import_module("own_parts").Stroke
    return kind


def test_a_module_given_from_python_is_trained_saved_and_built_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = imported(home, monkeypatch)((-1, 3), width=5, scale=3.0)  # type: ignore[call-arg]
    before = copy.deepcopy(encoder.state_dict())
    run(recipe(epochs=2), home / "run", dataset=gestures(), encoders={"wrist": encoder})
    settings = load_recipe(str(home / "run/recipe.yaml")).model.encoders["wrist"]
    assert settings == EncoderSettings("own_parts:Stroke", {"width": 5, "scale": 3.0})
    student = load(home / "run")
    inner = student.network.encoders["wrist"].encoder
    assert inner.scale == 3.0
    assert not torch.equal(inner.layer.weight, before["layer.weight"])
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items()), "it is the caller's"
    again = run(recipe(epochs=2), home / "run", resume=True, dataset=gestures(), encoders={"wrist": encoder})
    assert again["method"] == "amid"


def test_a_module_given_to_several_runs_begins_each_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the next seed, fold or method: what one run has learnt, of its test samples perhaps, is not the next one's."""
    encoder = imported(home, monkeypatch)((-1, 3), width=5)  # type: ignore[call-arg]
    for folder in ("first", "second"):
        run(recipe(epochs=1), home / folder, dataset=gestures(), encoders={"wrist": encoder})
    first, second = (load(home / folder).network.state_dict() for folder in ("first", "second"))
    assert all(torch.equal(second[key], value) for key, value in first.items())
    built = build(recipe(epochs=1), gestures(), encoders={"wrist": encoder})
    assert not {id(p) for p in built.model.parameters()} & {id(p) for p in encoder.parameters()}
    assert all(p.grad is None for p in encoder.parameters())
    assert not hasattr(encoder, "mixes")


def test_a_module_that_cannot_be_copied_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = imported(home, monkeypatch)((-1, 3), width=5)  # type: ignore[call-arg]
    encoder.lock = threading.Lock()
    message = r"encoders\['wrist'\]: expected a module that copy.deepcopy copies.*found Stroke \(TypeError"
    with pytest.raises(InputError, match=message) as caught:
        run(recipe(epochs=1), home / "run", dataset=gestures(), encoders={"wrist": encoder})
    assert "\n" not in str(caught.value)
    assert not (home / "run").exists()


class Local(nn.Module):
    """Its constructor's argument is not kept."""

    def __init__(self, width: int = 4, power: float = 1.0) -> None:
        super().__init__()
        self.width, self._power = width, power
        self.layer = nn.Linear(5, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) ** self._power
        return out


class Lying(Local):
    """It says another setting than it was made with."""

    def __init__(self, width: int = 4, power: float = 1.0) -> None:
        super().__init__(width, power)
        self.settings = {"width": width, "power": 1.0}


class Wider(Local):
    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.settings = {"width": width + 1}


class NoWidth(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def made_inside() -> nn.Module:
    class Inner(Local):
        pass

    return Inner()


REFUSED = {
    "an argument that is not kept": (Local(power=2.0), "cannot tell with which power Local was made"),
    "one that is said wrongly": (Lying(power=2.0), "makes something else of the same samples"),
    "one that makes another shape": (Wider(), "is not this module: .*size mismatch"),
    "no width": (NoWidth(), "NoWidth needs an attribute `width`"),
    "a class inside a function": (made_inside(), "cannot be imported again; define the class at the top of a module"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_module_that_could_not_be_built_again_is_refused(case: str, tmp_path: Path) -> None:
    module, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        run(recipe(epochs=1), tmp_path / "run", dataset=gestures(), encoders={"eye": module})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


WRONG_SETTINGS = {
    "no such module": ("nowhere:Net", {}, "cannot import nowhere:Net: No module named 'nowhere'"),
    "no such class": ("own_parts:Net", {}, "cannot import own_parts:Net"),
    "no encoder": ("json:JSONDecoder", {}, "expected json:JSONDecoder to be a subclass of torch"),
    "no such setting": ("own_parts:Stroke", {"widht": 3}, "Stroke has no such setting; there are width, scale"),
    "an unknown kind": ("stroke99", {}, "expected one of auto, features, mlp, .*found 'stroke99'"),
    "a constructor that refuses": ("own_parts:Stroke", {"width": -1}, "model.encoders.wrist: Stroke: "),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_what_a_recipe_says_wrongly_of_a_class_is_one_line(
    case: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(home, monkeypatch)
    kind, settings, message = WRONG_SETTINGS[case]
    made = with_model(recipe(), encoders={"wrist": EncoderSettings(kind, settings)})
    with pytest.raises(InputError, match=message) as caught:
        build(made, gestures())
    assert "\n" not in str(caught.value)


class Pair(nn.Module):
    """What it makes of (B, 5) is in a tuple, as that of PyTorch's recurrent networks."""

    def __init__(self, features: int = 5, width: int = 4, made: int = 4, double: bool = False) -> None:
        super().__init__()
        self.width, self.double_precision = width, double
        self.layer = nn.Linear(features, made)

    def forward(self, x: torch.Tensor) -> Any:
        return (self.layer(x),)


class Alone(Pair):
    """And what this one makes is not."""

    def forward(self, x: torch.Tensor) -> Any:
        out = super().forward(x)[0]
        return out.double() if self.double_precision else out


class InPlace(Alone):
    """It wants inputs as they are, and then makes others of them."""

    raw = True

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x.mul_(2))


NOT_WORKING = {
    "a change of its input": ("InPlace", {}, "changes its input in place, which is read again after it; make a new"),
    "another input": (
        "Alone",
        {"features": 7},
        r"given \(2, 5\): RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "another width": ("Alone", {"width": 8}, r"expected an output of float32 \(2, 8\), its width, found .*\(2, 4\)"),
    "another precision": ("Alone", {"double": True}, r"expected an output of float32 .*found torch.float64 \(2, 4\)"),
    "a tuple": ("Pair", {}, "expected an output of float32 .*found tuple"),
}


@pytest.mark.parametrize("case", NOT_WORKING)
def test_a_class_that_a_recipe_names_is_tried_before_it_is_trained(case: str, tmp_path: Path) -> None:
    kind, settings, message = NOT_WORKING[case]
    encoder = EncoderSettings(f"{__name__}:{kind}", settings)
    with pytest.raises(InputError, match=f"model.encoders.eye: {__name__}:{kind} with .*: {message}") as caught:
        run(with_model(recipe(), encoders={"eye": encoder}), tmp_path / "run", dataset=gestures())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_module_that_changes_its_input_is_told_so(tmp_path: Path) -> None:
    module = InPlace()
    module.settings = {}  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"encoders\['eye'\]: .*InPlace with .*: changes its input in place"):
        run(recipe(epochs=1), tmp_path / "run", dataset=gestures(), encoders={"eye": module})


def test_a_kind_of_one_s_own_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(ENCODERS["mlp"], build=lambda shape, settings, weights: Pair(*shape, settings.width))
    monkeypatch.setitem(ENCODERS, "mine", made)
    with pytest.raises(InputError, match=r"model.encoders.eye: mine with .*found tuple"):
        build(with_model(recipe(), encoders={"eye": EncoderSettings("mine", {"width": 4})}), gestures())


def test_a_kind_added_to_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "mine", ENCODERS["mlp"])
    assert isinstance(ENCODERS["mine"], EncoderKind)
    made = with_model(recipe(), encoders={"eye": EncoderSettings("mine", {"width": 7})})
    assert build(made, gestures()).model.encoders["eye"].width == 7


def test_vectors_and_sequences_reach_an_encoder_of_one_s_own_in_standard_units(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(home, monkeypatch)
    made = with_model(recipe(), encoders={"wrist": EncoderSettings("own_parts:Stroke")})
    built = build(made, gestures())
    standardized = built.model.encoders["wrist"]
    steps = np.concatenate([built.dataset.columns["wrist"].sequences[r] for r in built.dataset.rows("train")])  # type: ignore[attr-defined]
    np.testing.assert_allclose(standardized.mean, steps.mean(0), rtol=1e-5)
