"""The paper's data sets as recipes: its settings, its figures in the docstrings, and every method steps on each."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossdistill.cli import train
from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, from_arrays, write_manifest
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import Cnn14, Features
from crossdistill.encoders.make import make_encoder
from crossdistill.methods import AMID, METHODS
from crossdistill.models import CrossModalModel
from crossdistill.models.spec import build_model
from crossdistill.recipes.check import check
from crossdistill.recipes.files import recipe_of
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.library.paper_sets import ucf51
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.paper_tables import PAPER
from crossdistill.runs.build import build, model_spec, total_epochs
from crossdistill.training import Machine
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import InputError

VIDEO, EMOTION = ("ucf51", "activitynet"), ("iemocap_a_v", "iemocap_l_v", "iemocap_al_v")
WIDTH, SAMPLES = 16, 16
OFTEN = ("ucf51", "iemocap_al_v")


def test_every_data_set_of_the_paper_has_its_recipe() -> None:
    assert set(PAPER) == {*VIDEO, *EMOTION}
    for name in PAPER:
        made = RECIPES[name]()
        assert made.name == name, "by which the report finds the paper's figures"
        check(made)


@pytest.mark.parametrize("name", PAPER)
def test_the_docstring_has_the_paper_s_figures_and_the_commands(name: str) -> None:
    text = " ".join((inspect.getdoc(RECIPES[name]) or "").split())
    figures = {f"{value:.1f}" for table in ("1", "2", "3") for value in figures_of(name, table)}
    assert len(figures) >= 3
    assert figures <= set(re.findall(r"\d+\.\d", text))
    assert f"`crossdistill compare {name} --methods all" in text
    assert re.search(r"`crossdistill prepare \w+ --|as for `iemocap_a_v`", text)


def figures_of(name: str, table: str) -> list[float]:
    rows = PAPER[name].get(table, {})
    return [value for method in ("baseline", "amid") for value in rows.get(method, {}).values()]


@pytest.mark.parametrize(
    ("names", "batch", "temperature", "warmup", "width"), [(VIDEO, 16, 0.5, 20, 512), (EMOTION, 128, 0.6, 5, 768)]
)
def test_settings_are_those_of_section_4_2(
    names: tuple[str, ...], batch: int, temperature: float, warmup: int, width: int
) -> None:
    for name in names:
        made = RECIPES[name]()
        assert (made.batch_size, made.model.width, made.model.auxiliary_encoders) == (batch, width, "frozen")
        assert made.data.target == ("video",)
        method = AMID(CrossModalModel({"a": Features(2), "b": Features(2)}, ["a"], ["b"], 2, 2), **made.options["amid"])
        assert (method.alpha_1, method.alpha_2, method.alpha_3) == (4.0, 1.6, 1.0)
        assert (method.temperature, method.warmup_epochs) == (temperature, warmup)
        assert (method.contrast, method.divergence) == ("mi", "jsd")
    assert [RECIPES[name]().data.auxiliary for name in EMOTION] == [("audio",), ("text",), ("audio", "text")]


def arrays(made: Recipe) -> MultimodalDataset:
    """In the shapes of the recipe's data, small: clips and sounds; or features, of faces a sequence."""
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % 3
    if made.name in VIDEO:
        video = random.normal(size=(SAMPLES, 3, 4, 16, 16))
        values = {"video": video, "audio": 0.1 * random.normal(size=(SAMPLES, 3200, 1))}
    else:
        values = {name: random.normal(size=(SAMPLES, WIDTH)) for name in made.data.auxiliary}
        values["video"] = [random.normal(size=(random.integers(1, 6), 5)) for _ in labels]
    return from_arrays(values, labels, splits=np.arange(SAMPLES) >= 12, name=made.name)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Cnn14's, in PANNs' form."""
    path = tmp_path_factory.mktemp("weights") / "cnn14.pth"
    torch.save({"model": Cnn14(WIDTH, 2).state_dict()}, path)
    return path


def small(made: Recipe, weights: Path) -> Recipe:
    """The recipe, with encoders so narrow that a step takes milliseconds."""
    encoders = dict(made.model.encoders)
    narrow = {"channels": WIDTH // 8} if made.name in VIDEO else {"width": WIDTH, "hidden": 4}
    encoders["video"] = replace(encoders["video"], settings={**encoders["video"].settings, **narrow})
    if made.name in VIDEO:
        encoders["audio"] = replace(encoders["audio"], settings={"width": WIDTH, "channels": 2}, weights=str(weights))
    model = replace(made.model, width=WIDTH, encoders=encoders)
    return replace(made, batch_size=8, model=model, machine=Machine("cpu"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.long) for name in PAPER]
)
def test_every_method_learns_in_every_recipe(name: str, method: str, weights: Path) -> None:
    """A step of each stage's first epoch and of its last one."""
    made = replace(small(RECIPES[name](), weights), method=method)
    engine = OneProcess()
    built = build(made, arrays(made))
    dataset, model, epochs = built.dataset, built.model, 0
    for stage in built.stages:
        for prepare in stage.before:
            prepare()
        batch = dataset.only(model.modalities_of(*stage.method.views)).__getitems__(range(8))
        optimizers = build_optimizers(stage.method, stage.epochs, made.optimization)
        model.train()
        for epoch in (0, stage.epochs - 1):
            terms = step(engine, stage.method, stage.method.turns(epoch), optimizers, batch, math.inf).terms
            assert terms
            assert all(torch.isfinite(term).all() for term in terms.values()), terms
        epochs += stage.epochs
    assert epochs == total_epochs(made)


@pytest.fixture(scope="module")
def full_size() -> CrossModalModel:
    """UCF51's model as it is trained, but for Cnn14's weights; of 51 classes."""
    made = ucf51()
    labels = np.arange(102) % 51
    values = {"video": np.zeros((102, 3, 1, 1, 1)), "audio": np.zeros((102, 1))}
    dataset = from_arrays(values, labels, splits=np.arange(102) >= 51)
    return build_model(model_spec(made, dataset))


def test_the_student_of_ucf51_is_r2plus1d_18(full_size: CrossModalModel) -> None:
    encoder = sum(p.numel() for p in full_size.encoders["video"].parameters())
    assert encoder == 31_300_125, "torchvision's r2plus1d_18 has 31,505,325 with its classifier of 400 classes"
    student = sum(p.numel() for p in full_size.modules_of("target").parameters())
    assert student == encoder + 51 * 513, "S is the encoder's output itself"


def test_cnn14_of_ucf51_stays_as_it_is(full_size: CrossModalModel) -> None:
    sound = full_size.encoders["audio"]
    assert isinstance(sound, Cnn14)
    assert sound.width == full_size.width
    assert isinstance(sound.activation, torch.nn.ReLU), "with which its weights were trained"
    trained = {id(p) for p in full_size.parameters_of("target", "auxiliary", "full")}
    assert not trained & {id(p) for p in sound.parameters()}
    assert not full_size.train().encoders["audio"].training
    assert any(isinstance(module, torch.nn.LeakyReLU) for module in full_size.encoders["video"].modules())


def test_the_network_that_ccl_trains_is_two_options_away() -> None:
    options = re.findall(r"(--model\.encoders\.video\.\w+) ('.*?')", " ".join((inspect.getdoc(ucf51) or "").split()))
    arguments = ["ucf51", *(word.strip("'") for option in options for word in option)]
    parser = train.parser(arguments)
    made = recipe_of(parser.instantiate(parser.parse_args(arguments)))
    encoder = make_encoder("video", InputSpec("video", (3, 16, 112, 112)), made.model.encoders["video"])
    assert sum(p.numel() for p in encoder.parameters()) + 51 * 513 == pytest.approx(14.39e6, abs=5e3)
    assert made.model.encoders["audio"] == ucf51().model.encoders["audio"], "the rest stays"


def test_vectors_of_sound_stand_for_cnn14(weights: Path) -> None:
    made = small(ucf51(), weights)
    values = {"video": np.zeros((4, 3, 4, 16, 16)), "audio": np.random.default_rng(0).normal(size=(4, WIDTH))}
    model = build(made, from_arrays(values, [0, 1, 0, 1], splits=np.arange(4) >= 2)).model
    assert not model.has_auxiliary_encoder_parameters()


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_missing_weights_are_one_line_that_says_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {"video": np.zeros((4, 3, 2, 4, 4)), "audio": np.zeros((4, 320, 1))}
    write_manifest(Path("data/ucf51"), from_arrays(values, [0, 1, 0, 1], splits=np.arange(4) >= 2))
    error = error_of(capsys, "train", "ucf51", "--machine.workers", "0")
    assert "model.encoders.audio.weights: data/weights/Cnn14_emb512_mAP=0.420.pth: no such file of weights" in error
    assert "https://zenodo.org/records/3987831" in error
    assert not (tmp_path / "runs").exists()


def test_a_method_asks_for_the_weights_that_it_uses_and_no_others(weights: Path, tmp_path: Path) -> None:
    made = small(ucf51(), weights)
    sound = replace(made.model.encoders["audio"], weights=str(tmp_path / "nowhere.pth"))
    made = replace(made, model=replace(made.model, encoders={**made.model.encoders, "audio": sound}))
    values = {"video": np.zeros((4, 3, 4, 16, 16)), "audio": np.zeros((4, 3200, 1))}
    dataset = from_arrays(values, [0, 1, 0, 1], splits=np.arange(4) >= 2)
    build(replace(made, method="baseline"), dataset)
    for method in ("auxiliary", "teacher", "amid", "kd"):
        with pytest.raises(InputError, match=r"nowhere\.pth: no such file of weights"):
            build(replace(made, method=method), dataset)


@pytest.mark.parametrize("name", PAPER)
def test_missing_data_are_one_line_that_says_what_makes_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    error = error_of(capsys, "train", name)
    assert f"data.source: {RECIPES[name]().data.source}: manifest not found" in error
    assert "crossdistill prepare" in error
    assert error_of(capsys, "compare", name, "--methods", "baseline,amid", "--seeds", "2") == error, "for all runs one"
