from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scripts.build_bundled import save_bundle
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crossdistill.data import from_arrays
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.datasets import emoji, watch

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "src" / "crossdistill" / "datasets" / "bundled"
REAL = ROOT.parent / "shared" / "data"


def accuracy(dataset: MultimodalDataset, modality: str) -> float:
    train, test = (dataset.__getitems__(dataset.rows(split)) for split in ("train", "test"))
    model = make_pipeline(StandardScaler(), RidgeClassifier(1000.0))
    model.fit(features(train.modalities[modality]), train.labels)
    return float(model.score(features(test.modalities[modality]), test.labels))


def features(values: torch.Tensor) -> torch.Tensor:
    """Feature vectors as they are; of a time series each axis's mean and deviation over time."""
    return values if values.ndim == 2 else torch.cat([values.mean(1), values.std(1)], dim=1)


def test_emoji() -> None:
    dataset = emoji.load()
    assert len(dataset) == 1906
    assert dataset.shapes == {"picture": (1280,), "name": (384,)}
    assert dataset.pictures.shape == (1906, 64, 64, 3)
    assert set(dataset.classes) == set(emoji.GROUPS)
    counts = [np.bincount(dataset.labels[dataset.rows(split)]) for split in ("train", "test")]
    assert np.allclose(counts[1], 0.4 * (counts[0] + counts[1]), atol=1)


@pytest.mark.parametrize(
    ("caption", "category"),
    [
        ("grinning face", "smileys & emotion"),
        ("waving hand", "people & body"),
        ("dog face", "animals & nature"),
        ("pizza", "food & drink"),
        ("rocket", "travel & places"),
        ("soccer ball", "activities"),
        ("laptop", "objects"),
        ("red question mark", "symbols"),
        ("flag: Japan", "flags"),
    ],
)
def test_emoji_are_in_the_category_that_unicode_gives_them(caption: str, category: str) -> None:
    dataset = emoji.load()
    assert dataset.classes[dataset.labels[dataset.captions.index(caption)]] == category


def test_emoji_pictures_and_ids_go_with_the_captions() -> None:
    dataset = emoji.load()
    assert dataset.ids[dataset.captions.index("red apple")] == "1F34E"
    colours = {
        text: dataset.pictures[dataset.captions.index(text)].reshape(-1, 3) for text in ("red apple", "flag: Japan")
    }
    assert (colours["red apple"].mean(axis=0).argmax()) == 0
    middle = dataset.pictures[dataset.captions.index("flag: Japan")][32, 32].astype(int)
    assert middle[0] > 150
    assert middle[1:].max() < 100


def test_watch() -> None:
    dataset = watch.load()
    assert len(dataset) == 2229
    assert dataset.shapes == {"gyroscope": (200, 3), "accelerometer": (200, 3)}
    assert set(dataset.groups[dataset.rows("test")]) == {"7", "8", "9", "10"}
    assert set(dataset.groups[dataset.rows("train")]) == {"1", "2", "3", "4", "5", "6"}
    assert set(dataset.classes) == set(watch.EXERCISES)
    # At rest on Earth an accelerometer in g reads a vector of length one.
    lengths = dataset.__getitems__(range(2229)).modalities["accelerometer"].norm(dim=2)
    assert 0.9 < lengths.median() < 1.1


def test_the_modalities_tell_the_classes_apart() -> None:
    """A linear model must come near what is known of these data: labels and features belong together."""
    assert accuracy(emoji.load(), "picture") > 0.55
    assert accuracy(emoji.load(), "name") > 0.7
    assert accuracy(watch.load(), "accelerometer") > 0.5


def test_the_bundled_files_are_small() -> None:
    assert (BUNDLED / "emoji.npz").stat().st_size < 10e6
    assert (BUNDLED / "watch.npz").stat().st_size < 4e6


def test_the_same_data_set_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = from_arrays({"x": np.eye(4)}, [0, 1, 0, 1], splits=["train"] * 2 + ["test"] * 2)
    save_bundle(tmp_path / "a.npz", dataset)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 0, 0, 0, 0, 0, 0))
    save_bundle(tmp_path / "b.npz", dataset)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    lists = from_arrays({"x": [np.ones((1, 2)), np.ones((2, 2))]}, [0, 0], splits=[False, True])
    with pytest.raises(TypeError, match="ArrayColumn"):
        save_bundle(tmp_path / "c.npz", lists)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the research data in ../shared/data")
def test_the_build_script_makes_what_is_bundled(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "build_bundled.py", "--source", REAL, "--output", tmp_path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in ("emoji", "watch"):
        assert f"{name}.npz: " in printed
        with np.load(tmp_path / f"{name}.npz") as built, np.load(BUNDLED / f"{name}.npz") as bundled:
            assert built.files == bundled.files
            assert all(np.array_equal(built[key], bundled[key]) for key in built.files)
