"""Preparers on small trees in the releases' own formats; the numbers expected are worked out from those formats."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, check_values, from_arrays, read_manifest
from crossdistill.datasets import PREPARERS, utd_mhad
from crossdistill.datasets import avletters as avletters_set
from crossdistill.datasets.avletters import htk_features
from crossdistill.types import InputError
from tests.datasets.release_trees import avletters, extracted, htk, npz_arrays, packed, utd, utd_depth


def test_avletters_from_a_tree(tmp_path: Path) -> None:
    output = PREPARERS["avletters"](extracted(tmp_path / "raw", avletters()), tmp_path / "set")
    dataset = read_manifest(output)
    assert dataset.ids == tuple(f"{letter}{i}_{who}" for letter in "AB" for i in (1, 2, 3) for who in ("Al", "Zoe"))
    assert dataset.classes == ("A", "B")
    assert dataset.groups.tolist() == ["Al", "Zoe"] * 6
    assert dataset.folds.tolist() == [0, 1] * 6
    assert dataset.splits.tolist() == (["train"] * 4 + ["test"] * 2) * 2
    assert dataset.shapes == {"lips": (-1, 300), "audio": (-1, 26)}
    row = dataset.ids.index("B3_Zoe")  # the third clip: count 2, so 4 frames of pictures and 3 of sound
    batch = dataset.__getitems__([row])
    assert batch.modalities["audio"].values[0].tolist() == [[2.5] * 26] * 3
    frames = batch.modalities["lips"].values[0].reshape(4, 15, 20)
    # A block's mean of y + x + t lies in its middle: 4 j + 1.5 down, 4 i + 1.5 across.
    t, j, i = np.mgrid[:4, :15, :20]
    assert np.allclose(frames.numpy(), (4 * j + 4 * i + 3 + t) / 255, atol=5e-4)


def test_avletters_by_speakers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = avletters()
    for letter, i in (("A", 1), ("B", 1)):
        for who in ("Bo", "Cy", "Di"):
            files[f"avletters/Lips/{letter}{i}_{who}-lips.mat"] = files["avletters/Lips/A1_Al-lips.mat"]
            files[f"avletters/Audio/mfcc/Clean/{letter}{i}_{who}.mfcc"] = files["avletters/Audio/mfcc/Clean/A1_Al.mfcc"]
    command = ["prepare", "avletters", "--protocol", "speakers", "--source", str(extracted(tmp_path / "raw", files))]
    assert main([*command, "--out", str(tmp_path / "set")]) == 0
    assert "8 train, 0 validation, 10 test" in capsys.readouterr().out
    dataset = read_manifest(tmp_path / "set")
    assert set(dataset.groups[dataset.rows("train")]) == {"Al", "Bo"}
    assert set(dataset.groups[dataset.rows("test")]) == {"Cy", "Di", "Zoe"}
    few = extracted(tmp_path / "few", avletters())
    with pytest.raises(InputError, match="few: expected more than 3 speakers, found Al, Zoe"):
        avletters_set.prepare(few, tmp_path / "none", "speakers")


def test_each_protocol_of_avletters_has_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(avletters_set, "from_release", lambda *given: asked.append(given[1]) or speaking())
    for options in ([], ["--protocol", "repetitions"], ["--protocol", "speakers"]):
        assert main(["prepare", "avletters", "--source", "raw", *options]) in (0, 2)
    assert asked == ["repetitions", "repetitions", "speakers"]
    assert sorted(path.name for path in Path("data").iterdir()) == ["avletters", "avletters_speakers"]
    assert main(["prepare", "avletters", "--source", "raw", "--protocol", "voices"]) == 2


def speaking() -> MultimodalDataset:
    return from_arrays({"lips": np.eye(2), "audio": np.eye(2)}, ["A", "A"], splits=[False, True], name="avletters")


@pytest.mark.parametrize("archive", ["avletters.tar.xz", "avletters.zip"])
@pytest.mark.parametrize("as_folder", [True, False])
def test_archives_give_what_the_tree_gives(tmp_path: Path, archive: str, as_folder: bool) -> None:
    (tmp_path / "down").mkdir()
    path = packed(tmp_path / "down" / archive, avletters())
    one = PREPARERS["avletters"](path.parent if as_folder else path, tmp_path / "one")
    other = PREPARERS["avletters"](extracted(tmp_path / "raw", avletters()), tmp_path / "other")
    contents = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (one, other)]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 1 + 2 * 12


def test_an_archive_beside_its_tree_is_read_once(tmp_path: Path) -> None:
    """The tree and its archive side by side must not give every clip twice."""
    extracted(tmp_path / "raw", utd())
    packed(tmp_path / "raw" / "utd_mhad_inertial_skeleton.tar.xz", utd())
    assert len(utd_mhad.from_release(tmp_path / "raw")) == 6


def test_utd_mhad(tmp_path: Path) -> None:
    dataset = read_manifest(PREPARERS["utd_mhad"](extracted(tmp_path / "raw", utd()), tmp_path / "set"))
    assert dataset.ids == ("a1_s1_t1", "a1_s2_t1", "a10_s1_t1", "a10_s2_t1", "a27_s1_t1", "a27_s2_t1")
    assert dataset.classes == ("draw circle counter-clockwise", "squat", "swipe left")
    assert [dataset.classes[label] for label in dataset.labels[::2]] == [
        "swipe left",
        "draw circle counter-clockwise",
        "squat",
    ]
    assert dataset.splits.tolist() == ["train", "test"] * 3
    assert dataset.groups.tolist() == ["1", "2"] * 3
    assert dataset.folds.tolist() == [0, 1] * 3
    assert dataset.shapes == {"inertial": (-1, 6), "skeleton": (-1, 60)}
    batch = dataset.__getitems__([5])  # number 5: 9 and 7 steps
    assert batch.modalities["inertial"].values[0, 8].tolist() == [48, 49, 50, 51, 52, 53]
    # In the release, entry (joint, axis, t) is (3 joint + axis) * 7 + t; ours is [t, 3 joint + axis], less the entry of
    # joint 3 (the hip centre) on the same axis at t = 0.
    expected = [7 * (3 * joint + axis) + 6 - 7 * (9 + axis) for joint in range(20) for axis in range(3)]
    assert batch.modalities["skeleton"].values[0, 6].tolist() == expected


def test_utd_mhad_from_two_zip_files_with_depth_beside(tmp_path: Path) -> None:
    files = utd()
    packed(tmp_path / "Inertial.zip", {name: data for name, data in files.items() if name.startswith("I")})
    packed(tmp_path / "Skeleton.zip", {name: data for name, data in files.items() if name.startswith("S")})
    clips = [(27, 2), (1, 1), (10, 1), (1, 2), (10, 2), (27, 1)]  # another order than ours
    depth = np.array([[10.0 * action + subject] * 1200 for action, subject in clips])
    keys = np.array(clips)
    np.savez(tmp_path / "utd_mhad.npz", depth_motion=depth, y=keys[:, 0] - 1, subject=keys[:, 1], trial=np.ones(6, int))
    dataset = utd_mhad.from_release(tmp_path)
    assert dataset.shapes["depth_motion"] == (1200,)
    assert dataset.__getitems__(range(6)).modalities["depth_motion"][:, 7].tolist() == [11, 12, 101, 102, 271, 272]


def test_depth_motion_from_the_depth_videos(tmp_path: Path) -> None:
    files = utd() | utd_depth()
    np.savez(tmp_path / "utd_mhad.npz", depth_motion=np.zeros((6, 1200)))  # the recordings themselves come first
    dataset = read_manifest(PREPARERS["utd_mhad"](extracted(tmp_path, files), tmp_path / "set"))
    assert dataset.shapes["depth_motion"] == (1200,)
    maps = dataset.__getitems__(range(6)).modalities["depth_motion"].numpy()
    place = 17 // 8 * 40 + 42 // 8
    # a block's 64 pixels: |3 - (n + 1)| + 0 and 5 + 9, for clip number n; everywhere else nothing moves
    assert maps[:, place].tolist() == [(abs(2 - n) + 14) / 64 for n in range(6)]
    assert not np.delete(maps, place, axis=1).any()


def prepared(folder: Path, name: str):
    folder.mkdir()
    np.savez(folder / f"{name}.npz", **npz_arrays(name))
    return read_manifest(PREPARERS[name](folder, folder / "set"))


def test_watch(tmp_path: Path) -> None:
    arrays, dataset = npz_arrays("watch"), prepared(tmp_path / "raw", "watch")
    assert dataset.shapes == {"gyroscope": (200, 3), "accelerometer": (200, 3)}
    assert set(dataset.groups[dataset.rows("test")]) == {"5", "6", "7", "8"}
    assert set(dataset.groups[dataset.rows("train")]) == {"3", "4"}
    assert dataset.folds.tolist() == (arrays["subject"] - 3).tolist()
    assert [dataset.classes[label] for label in dataset.labels[[0, 6]]] == ["pendulum", "bent-over row"]
    batch = dataset.__getitems__(range(40))
    assert np.allclose(batch.modalities["gyroscope"], arrays["gyro"], atol=2e-3)
    assert np.allclose(batch.modalities["accelerometer"], arrays["acc"], atol=2e-3)


def test_mosi(tmp_path: Path) -> None:
    arrays, dataset = npz_arrays("mosi"), prepared(tmp_path / "raw", "mosi")
    assert dataset.shapes == {"text": (384,), "audio": (73,), "video": (100,)}
    assert dataset.ids[:6] == ("v0_0", "v0_1", "v0_2", "v0_3", "v0_4", "v1_0")
    assert dataset.rows("train").tolist() == list(range(30))
    assert dataset.groups.tolist() == arrays["video_id"].tolist()
    assert dataset.captions[3] == "I SAID 3"
    assert [dataset.classes[label] for label in dataset.labels[:2]] == ["negative", "positive"]
    assert np.allclose(dataset.__getitems__([7]).modalities["video"][0], arrays["video"][7])


def test_emoji(tmp_path: Path) -> None:
    arrays, dataset = npz_arrays("emoji"), prepared(tmp_path / "raw", "emoji")
    assert dataset.shapes == {"picture": (1280,), "name": (384,)}
    assert dataset.ids == tuple(arrays["hex"].tolist())
    assert dataset.captions[11] == "face 11"
    assert np.array_equal(dataset.pictures, arrays["twitter"])
    assert dataset.classes == ("animals & nature", "food & drink", "people & body", "smileys & emotion")
    assert np.bincount(dataset.labels[dataset.rows("test")]).tolist() == [4] * 4  # 40 % of 10 each
    assert np.allclose(dataset.__getitems__([5]).modalities["name"][0], arrays["minilm_name"][5], atol=2e-3)


def test_htk_features_are_big_endian_frames() -> None:
    features = np.random.default_rng(0).normal(size=(5, 26)).astype(np.float32)
    assert np.array_equal(htk_features(htk(features), "a.mfcc"), features)
    compressed = struct.pack(">iihh", 1, 200_000, 8, 0o2506) + bytes(8)
    with pytest.raises(InputError, match="uncompressed"):
        htk_features(compressed, "a.mfcc")


REAL = Path(__file__).parents[3] / "shared" / "data"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="needs the research data in ../shared/data")


@real_data
@pytest.mark.parametrize(
    ("name", "count", "train", "classes", "groups", "shapes"),
    [
        ("avletters", 780, 520, 26, 10, {"lips": (-1, 300), "audio": (-1, 26)}),
        ("mosi", 2199, 1447, 2, 93, {"text": (384,), "audio": (73,), "video": (100,)}),
        ("utd_mhad", 861, 431, 27, 8, {"inertial": (-1, 6), "skeleton": (-1, 60), "depth_motion": (1200,)}),
    ],
)
def test_the_real_releases(
    tmp_path: Path, name: str, count: int, train: int, classes: int, groups: int, shapes
) -> None:
    dataset = read_manifest(PREPARERS[name](REAL, tmp_path / "set"))
    assert (len(dataset), len(dataset.rows("train")), len(dataset.rows("test"))) == (count, train, count - train)
    assert (len(dataset.classes), len(set(dataset.groups))) == (classes, groups)
    assert dataset.shapes == shapes
    check_values(dataset)
    if name != "avletters":
        assert not set(dataset.groups[dataset.rows("train")]) & set(dataset.groups[dataset.rows("test")])


@real_data
def test_speakers_of_the_real_avletters(tmp_path: Path) -> None:
    dataset = avletters_set.from_release(REAL, "speakers")
    assert (len(dataset.rows("train")), len(dataset.rows("test"))) == (546, 234)
    assert set(dataset.groups[dataset.rows("test")]) == {"Steve", "Verity", "Yi"}
    assert not set(dataset.groups[dataset.rows("train")]) & {"Steve", "Verity", "Yi"}


@real_data
def test_real_recordings_match_their_resampled_copies() -> None:
    """utd_mhad.npz was resampled from the same recordings by other code: first and last steps and labels must agree."""
    dataset = utd_mhad.from_release(REAL)
    with np.load(REAL / "utd_mhad.npz") as file:
        copies = {key: file[key] for key in ("inertial", "skeleton", "y", "subject", "trial")}
    rows = [
        dataset.ids.index(f"a{y + 1}_s{s}_t{t}")
        for y, s, t in zip(*(copies[key][::50] for key in ("y", "subject", "trial")), strict=True)
    ]
    batch = dataset.__getitems__(rows)
    for name in ("inertial", "skeleton"):
        values, lengths = batch.modalities[name]
        last = values[range(len(rows)), lengths - 1]
        assert np.allclose(values[:, 0], copies[name][::50, 0], atol=1e-4)
        assert np.allclose(last, copies[name][::50, -1], atol=1e-4)
