"""Pictures beside sounds, by the commands that a user types: prepare, train, predict, export."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from crossdistill.cli.main import main
from crossdistill.data import from_arrays, write_manifest
from crossdistill.reports.examples import pictures_of
from crossdistill.runs.run import load_trained
from crossdistill.student import load
from tests.data.clips import halved, tone, write_sound
from tests.data.pictures import stripes

RECIPE = """
name: photos
epochs: 6
batch_size: 12
data:
  source: data
  target: [photo]
  auxiliary: [voice]
  readers:
    photo: {size: 24, resize: 24, least_area: 0.6}
    voice: {seconds: 0.25, rate: 32000}
model:
  width: 16
  auxiliary_encoders: trained
  encoders:
    photo: {settings: {width: 16, channels: 4, blocks: [1, 1]}}
    voice: {kind: cnn14, settings: {width: 16, channels: 2}}
optimization: {learning_rate: 5.0e-3}
machine: {accelerator: cpu, threads: 1}
amid: {warmup_epochs: 2, reduction: mean, discriminator_width: 16}
"""
COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200)}
FORMATS = (("png", "RGB"), ("jpg", "CMYK"), ("webp", "RGB"), ("gif", "P"), ("png", "RGBA"), ("tif", "RGB"))


def write_photos(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Pictures of two colours in noise, of every format by turns, and the rows of a manifest."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        label = list(COLOURS)[number % 2]
        ending, mode = FORMATS[number // 2 % len(FORMATS)]
        pixels = random.normal(COLOURS[label], 30, (30, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{label}{number}.{ending}")
        split = "train" if number < 2 * count // 3 else "test"
        rows.append(f"{label}{number},{split},{label},{folder.name}/{label}{number}.{ending},{label}.wav")
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av", reason="needs the extra 'media'")
    folder = tmp_path_factory.mktemp("photos")
    rows = write_photos(folder / "data/p", 36)
    for number, label in enumerate(COLOURS):
        write_sound(folder / f"data/{label}.wav", tone(0.4, 300 + 900 * number))
    (folder / "data/manifest.csv").write_text("\n".join(["id,split,label,photo,voice", *rows]) + "\n")
    (folder / "photos.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(["train", "photos.yaml", "--method", "amid", "--out", "run"]) == 0
    return home / "run"


def test_a_report_shows_pictures_as_the_student_sees_them(
    home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    built = load_trained(trained)
    rows = built.dataset.rows("test")
    for row, picture in zip(rows, pictures_of(built, rows), strict=True):
        assert picture is not None
        assert (picture.shape, picture.dtype) == ((24, 24, 3), np.uint8)
        colour = COLOURS[built.dataset.classes[built.dataset.labels[row]]]
        assert picture.mean((0, 1)) == pytest.approx(colour, abs=25), "clipped noise, and formats with few colours"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(re.sub("[│┃]", " ", capsys.readouterr().out).split())


def test_prepare_counts_decodes_once_and_names_what_is_broken(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main(["prepare", "manifest", "data", "--cache", "raw", "--short-side", "24"]) == 0
    out = said(capsys)
    assert "photo picture train 24 0 0" in out
    assert "Decoded: 38; already there: 0." in out
    assert len(list(Path("data/cache/picture").iterdir())) == 36
    Path("broken").mkdir()
    halved(Path(shutil.copy("data/p/red0.png", "broken/a.png")))
    Path("broken/manifest.csv").write_text("id,split,label,photo\n1,train,red,a.png\n")
    assert main(["prepare", "manifest", "broken"]) == 2
    error = capsys.readouterr().err
    assert "row 2, column 'photo': broken/a.png: cannot read it as a picture" in error


def test_a_student_of_pictures_learns_and_predicts_from_files_folders_and_manifests(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scores = json.loads((trained / "results.json").read_text())
    assert scores["student"]["top1"] > 0.8, "colours are easy"
    spec = load(trained).spec
    assert spec.encoders["photo"].kind == "resnet"
    assert spec.inputs["photo"].kind == "picture"
    rows = write_photos(Path("new"), 24, seed=5)
    Path("new/cut.png").write_bytes(Path("new/red0.png").read_bytes()[:80])
    Path("new/notes.txt").write_text("x")
    assert main(["predict", str(trained), "new", "--out", "out.csv"]) == 1
    assert "photo from .gif, .jpg, .png, .tif, .webp; 1 other files left out" in said(capsys)
    table = pd.read_csv("out.csv")
    assert len(table) == 25
    (broken,) = table.loc[table["error"].notna(), "id"]
    assert broken == "new/cut.png"
    right = [Path(row.id).name.startswith(row.prediction) for row in table.dropna(subset="prediction").itertuples()]
    assert np.mean(right) > 0.8
    Path("manifest.csv").write_text("\n".join(["id,split,label,photo,voice", *rows]) + "\n")
    assert main(["predict", str(trained), "manifest.csv", "new/blue1.png", "--out", "again.csv"]) == 0
    again = pd.read_csv("again.csv")
    by_path = dict(zip(table["id"], table["p_red"], strict=True))
    names = [row.split(",")[3] for row in rows]
    np.testing.assert_allclose(again["p_red"], [by_path[name] for name in (*names, "new/blue1.png")], atol=1e-5)
    with Image.open("new/blue1.png") as picture:
        shares = load(trained).predict_proba(picture)
    np.testing.assert_allclose(shares[0], again.loc[24, ["p_blue", "p_red"]].astype(float), atol=1e-5)


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_a_student_of_pictures_is_exported_and_checked_on_its_own_files(
    format: str, home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    monkeypatch.chdir(home)
    assert main(["export", "run", "--format", format]) == 0
    assert "12 test samples of data" in said(capsys)


@pytest.mark.parametrize("colours", ["first", "last"])
def test_pictures_as_arrays_go_the_same_way(colours: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a manifest of rows of an .npy file to predictions of .npy, .npz and Parquet files."""
    monkeypatch.chdir(tmp_path)
    pixels, labels = stripes(90, seed=0)
    pixels = pixels.transpose(0, 3, 1, 2) if colours == "first" else pixels
    write_manifest(Path("data"), from_arrays({"photo": pixels}, labels, splits=np.arange(90) >= 60, name="data"))
    settings = "{settings: {width: 16, channels: 4, blocks: [1, 1]}}"
    options = ["--data.source", "data", "--data.target", "[photo]", "--data.auxiliary", "[]", "--epochs", "8"]
    options += ["--model.encoders.photo", settings, "--batch_size", "12", "--optimization.learning_rate", "0.005"]
    assert main(["train", "own", "--method", "baseline", *options, "--machine.accelerator", "cpu", "--out", "run"]) == 0
    np.save("some.npy", pixels[60:])
    np.save("one.npy", pixels[60])
    np.savez("some.npz", photo=pixels[60:])
    pd.read_csv("data/manifest.csv").iloc[60:].to_parquet("data/tested.parquet")
    inputs = ["some.npy", "some.npz", "data/tested.parquet", "one.npy"]
    assert main(["predict", "run", *inputs, "--out", "out.csv"]) == 0
    table = pd.read_csv("out.csv")
    shares = table["p_0"].to_numpy()
    assert len(table) == 91
    np.testing.assert_allclose(shares[:30], shares[30:60], atol=1e-6)
    np.testing.assert_allclose(shares[:30], shares[60:90], atol=1e-6)
    assert abs(shares[0] - shares[90]) < 1e-6
    assert (table["prediction"][:30] == labels[60:]).mean() > 0.9
