"""Pictures from real files of every format and mode: upright, in colour, one size; what is broken is absent."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from crossdistill.data import read_manifest
from crossdistill.data.few_shades import few_shades
from crossdistill.data.inputs import InputSpec, column_of, input_spec
from crossdistill.data.readers import CacheFolder, MediaColumn, PictureReader, ReaderSettings, UnreadableError
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.inspection import inspect
from crossdistill.data.readers.media import Clip
from crossdistill.data.readers.picture import open_picture
from crossdistill.data.reading import Parts, middle, read
from crossdistill.types import InputError
from tests.data.clips import halved
from tests.data.pictures import BLACK, BLUE, CORNERS, GREEN, RED, corners, quarters, saved

PLAIN = ReaderSettings(size=32, resize=32, mean=(0, 0, 0), std=(1, 1, 1))
ENDINGS = ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff")


def reader(folder: Path, settings: ReaderSettings = PLAIN) -> PictureReader:
    return PictureReader(settings, CacheFolder(folder))


def taken(folder: Path, path: Path, seed: int | None = None, settings: ReaderSettings = PLAIN) -> np.ndarray:
    column = MediaColumn([Clip(path, "here")], reader(folder, settings), strict=True)
    parts = middle(1) if seed is None else Parts(np.full(1, 0.5), np.array([seed], dtype=np.uint64))
    return column.read(np.zeros(1, dtype=np.int64), parts).numbers[0].numpy()  # type: ignore[union-attr]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_is_read_and_every_cut_file_is_not(ending: str, tmp_path: Path) -> None:
    assert corners(open_picture(saved(tmp_path / f"a.{ending}"))) == list(CORNERS)
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)  # no part of it is empty
    path = saved(tmp_path / f"b.{ending}", Image.fromarray(noise))
    assert open_picture(path).size == (48, 32)
    whole = path.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UnreadableError, match="cannot read it as a picture") as caught:
            open_picture(path)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(orientation: int, tmp_path: Path) -> None:
    """Stored so that what the tag asks for makes it upright again, by the tag's own definition."""
    undone = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = quarters().transpose(undone[orientation]) if orientation > 1 else quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = open_picture(saved(tmp_path / "a.jpg", stored, exif=exif, quality=95))
    assert shown.size == (48, 32)
    assert corners(shown) == list(CORNERS)


def test_damaged_exif_does_not_spoil_a_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + b"\xff" * 40)
    assert corners(open_picture(path)) == list(CORNERS)


@pytest.mark.parametrize("mode", ["P", "PA", "RGBA", "CMYK", "YCbCr", "RGBX"])
def test_every_mode_of_colours(mode: str, tmp_path: Path) -> None:
    assert corners(open_picture(saved(tmp_path / "a.tiff", quarters().convert(mode)))) == list(CORNERS)


def test_a_jpeg_of_four_inks(tmp_path: Path) -> None:
    assert corners(open_picture(saved(tmp_path / "a.jpg", quarters().convert("CMYK"), quality=95))) == list(CORNERS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_has_three_equal_colours(mode: str, tmp_path: Path) -> None:
    """16 bits are scaled, not cut at 255: half of the range is half of it."""
    half = np.full((8, 8), 128, dtype=np.uint8)
    half[:, :4] = 255
    grey = Image.fromarray(half.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(half).convert(mode)
    pixels = np.asarray(open_picture(saved(tmp_path / "a.png", grey))).astype(int)
    assert (pixels == pixels[..., :1]).all()
    assert (pixels[:, :4] == 255).all()
    if mode != "1":
        assert (pixels[:, 4:] == 128).all()


def test_levels_are_black_and_white_of_16_bits_alone(tmp_path: Path) -> None:
    """In a file, in memory and whatever a cache has; what is beyond them is black or white."""
    depths = np.array([[0, 400, 1300, 2200], [4000, 4001, 65535, 1300]], dtype=np.uint16).repeat(16, 0).repeat(8, 1)
    levels = replace(PLAIN, levels=(400, 4000), mirror=False, least_area=1.0)
    path = saved(tmp_path / "a.png", Image.fromarray(depths))
    expected = np.array([[0, 0, 64, 128], [255, 255, 255, 64]]).repeat(16, 0).repeat(8, 1)
    assert (np.asarray(open_picture(path, levels.levels)) == expected[..., None]).all()
    from_file = taken(tmp_path, path, settings=levels)
    np.testing.assert_allclose(from_file, np.broadcast_to(expected / 255, (3, 32, 32)), atol=1e-6)
    assert np.array_equal(reader(tmp_path, levels).of_pictures([Image.open(path)])[0], from_file)
    assert fill(CacheFolder(tmp_path), path, "picture", "raw", 0, 32000)
    assert np.array_equal(taken(tmp_path, path, settings=levels), from_file)
    assert not np.array_equal(taken(tmp_path, path), from_file)
    of_bytes = saved(tmp_path / "b.png")
    assert corners(open_picture(of_bytes, (400, 4000))) == list(CORNERS)


@pytest.mark.parametrize("levels", [(4000, 400), (5, 5), (-1, 9), (0, 65536)])
def test_levels_that_no_picture_can_have(levels: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"photo.levels: .*black below white, found {levels[0]}, {levels[1]}"):
        replace(PLAIN, levels=levels).check("photo.")


@pytest.mark.parametrize(
    ("numbers", "levels", "said"),
    [
        (
            (900, 1079),
            (0, 65535),
            r"^depth: .* of 16 bits whose numbers are 900 to 1,079 .* keeps 1 of 256 shades",
        ),
        ((28000, 33000), (0, 65535), r"depth.levels, such as \[28000, 33000\]"),
        ((1, 4095), (0, 65535), "keeps 17 of 256 shades"),
        ((900, 1079), (900, 1079), ""),
        ((0, 65535), (0, 65535), ""),
        ((900, 1079), (20000, 65535), "keeps 1 of 256 shades"),
        ((700, 700), (0, 65535), ""),
    ],
)
def test_few_shades_of_16_bits_are_said(
    numbers: tuple[int, int], levels: tuple[int, int], said: str, tmp_path: Path
) -> None:
    rows = ["split,label,depth"]
    for row in range(6):
        depths = np.linspace(*numbers, 256).astype(np.uint16).reshape(16, 16)
        Image.fromarray(depths).save(tmp_path / f"{row}.png")
        rows.append(f"{'train' if row < 4 else 'test'},{'ab'[row % 2]},{row}.png")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    found = few_shades(read_manifest(tmp_path, readers={"depth": ReaderSettings(levels=levels)}))
    assert len(found) == bool(said)
    assert all(re.search(said, line) for line in found)


def test_what_stands_for_no_reading_hides_nothing(tmp_path: Path) -> None:
    depths = np.linspace(900, 1100, 256).astype(np.uint16).reshape(16, 16)
    depths[0, 0], depths[0, 1] = 0, 65535
    Image.fromarray(depths).save(tmp_path / "0.png")
    (tmp_path / "manifest.csv").write_text("split,label,depth\ntrain,a,0.png\ntest,a,0.png\n")
    (line,) = few_shades(read_manifest(tmp_path))
    assert line.endswith("such as [901, 1100]")


def test_pictures_of_8_bits_and_what_is_no_picture_are_silent(tmp_path: Path) -> None:
    saved(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "manifest.csv").write_text("split,label,face\ntrain,a,0.png\ntest,a,1.png\n")
    assert few_shades(read_manifest(tmp_path)) == []


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    """Whether by a channel, by an entry of the palette, or by a colour of its own; half of it, half so."""
    clear = quarters().convert("RGBA")
    clear.putalpha(Image.fromarray(np.repeat([[0] * 24 + [255] * 24], 32, 0).astype(np.uint8)))
    assert corners(open_picture(saved(tmp_path / "a.png", clear))) == [(255,) * 3, GREEN, (255,) * 3, BLACK]
    palette = quarters().quantize(4)
    red = palette.getpixel((1, 1))
    assert corners(open_picture(saved(tmp_path / "p.png", palette, transparency=red)))[0] == (255, 255, 255)
    assert corners(open_picture(saved(tmp_path / "g.gif", palette, transparency=red)))[0] == (255, 255, 255)
    assert corners(open_picture(saved(tmp_path / "c.png", quarters(), transparency=RED)))[0] == (255, 255, 255)
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert abs(int(np.asarray(open_picture(saved(tmp_path / "h.png", half)))[0, 0, 0]) - 127) <= 1


def test_of_an_animation_the_first_picture(tmp_path: Path) -> None:
    others = [Image.new("RGB", (48, 32), "white")] * 3
    for name in ("a.gif", "a.webp", "a.tiff"):
        options = {"lossless": True} if name == "a.webp" else {}
        path = saved(tmp_path / name, save_all=True, append_images=others, **options)
        assert corners(open_picture(path)) == list(CORNERS)


def test_numbers_without_a_known_white_and_other_files_are_refused(tmp_path: Path) -> None:
    for mode in ("I", "F"):
        with pytest.raises(UnreadableError, match="32 bits"):
            open_picture(saved(tmp_path / "a.tiff", quarters().convert(mode)))
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(UnreadableError, match="it is no PNG, JPEG"):
        open_picture(tmp_path / "b.png")
    with pytest.raises(UnreadableError, match="No such file"):
        open_picture(tmp_path / "gone.png")
    saved(tmp_path / "c.ico").rename(tmp_path / "c.png")
    with pytest.raises(UnreadableError, match="it is no PNG"):
        open_picture(tmp_path / "c.png")


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    assert corners(open_picture(saved(tmp_path / "a.jpg").rename(tmp_path / "a.png"))) == list(CORNERS)


def test_evaluation_takes_the_centre_after_scaling_the_short_side(tmp_path: Path) -> None:
    """Of 48 x 32 with resize 32 and size 16: the centred 16 x 16 of the picture itself."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    path = saved(tmp_path / "a.png", noise)
    sample = taken(tmp_path, path, None, ReaderSettings(size=16, resize=32, mean=(0, 0, 0), std=(1, 1, 1)))
    np.testing.assert_allclose(sample, np.asarray(noise)[8:24, 16:32].transpose(2, 0, 1) / 255, atol=1e-6)


def test_mean_and_deviation_are_those_of_each_colour(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (8, 8), (51, 102, 255)))
    sample = taken(tmp_path, path, None, ReaderSettings(size=8, resize=8, mean=(0.2, 0.3, 0.5), std=(1, 0.5, 0.25)))
    np.testing.assert_allclose(sample[:, 0, 0], [0, 0.2, 2], atol=1e-6)


def test_training_draws_parts_and_mirrors_by_its_seed_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", quarters(64, 64))
    drawn = [taken(tmp_path, path, seed) for seed in range(40)]
    assert all(np.array_equal(taken(tmp_path, path, seed), drawn[seed]) for seed in range(5))
    assert len({sample.tobytes() for sample in drawn}) > 30
    never = ReaderSettings(size=32, resize=32, mean=(0, 0, 0), std=(1, 1, 1), mirror=False, least_area=1.0)
    for seed in range(10):
        sample = taken(tmp_path, path, seed, never)
        red = sample[0] > 0.5
        assert red[:, :8].any()
        assert not red[:, -8:].any(), "red stays on the left"
    mirrored = [sample[0, 0, -1] > 0.5 > sample[0, 0, 0] for sample in drawn]
    assert 5 < sum(mirrored) < 35


def test_a_crop_of_the_manifest_is_all_that_is_seen(tmp_path: Path) -> None:
    saved(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text(
        "id,split,label,photo,photo:crop\n1,train,a,a.png,0 0 0.5 0.5\n2,train,b,a.png,0 0.5 0.5 0.5\n"
    )
    column = read_manifest(tmp_path, readers={"photo": PLAIN}).columns["photo"]
    seeds = np.array([3, 4], dtype=np.uint64)
    for parts in (middle(2), Parts(np.full(2, 0.5), seeds)):
        found = read(column, np.arange(2), parts).numbers
        for sample, colour in zip(found, (RED, BLUE), strict=True):  # type: ignore[arg-type]
            assert [round(float(value)) * 255 for value in sample.mean((1, 2))] == list(colour)


def test_columns_of_pictures_say_what_is_missing_and_what_cannot_be_read(tmp_path: Path) -> None:
    saved(tmp_path / "p/a.PNG")
    halved(saved(tmp_path / "p/b.jpg"))
    lines = "id,split,label,photo,start", "1,train,a,p/a.PNG,", "2,train,b,p/b.jpg,", "3,test,a,,", "4,test,b,p/a.PNG,3"
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    dataset = read_manifest(tmp_path, readers={"photo": PLAIN})
    assert dataset.shapes == {"photo": (3, 32, 32)}
    assert input_spec(dataset.columns["photo"]) == InputSpec("picture", (3, 32, 32), reader=PLAIN)
    batch = dataset.__getitems__(range(4))
    assert batch.present["photo"].tolist() == [True, False, False, True], "a picture has no time to begin at"
    (note,) = batch.notes
    assert note.skipped
    assert "row 3, column 'photo'" in note.text
    assert "b.jpg: cannot read it as a picture (" in note.text
    strict = read_manifest(tmp_path, readers={"photo": PLAIN}, strict=True)
    with pytest.raises(InputError, match=r"row 3, column 'photo'.*cannot read it"):
        strict.__getitems__([1])


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        ("photo", "b.mp4", "expected a picture file, found 'b.mp4'"),
        ("photo:start", "1", "row 1: 'photo:start': a picture has no segment"),
    ],
)
def test_mistakes(header: str, cell: str, message: str, tmp_path: Path) -> None:
    saved(tmp_path / "a.png")
    named = header if ":" in header else "other"
    second = cell if ":" not in header else "a.png"
    part = cell if ":" in header else "x"
    (tmp_path / "manifest.csv").write_text(
        f"id,split,label,photo,{named}\n1,train,a,a.png,{part}\n2,train,a,{second},{part}\n"
    )
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize("form", ["raw", "jpeg"])
def test_the_cache_holds_the_upright_picture_and_knows_its_file(form: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", quarters(96, 64).transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95)
    before = taken(tmp_path, path)
    assert fill(CacheFolder(tmp_path), path, "picture", form, 32, 8000)
    assert not fill(CacheFolder(tmp_path), path, "picture", form, 32, 8000), "it is there"
    inspected = inspect(path, "picture", form, 32, 8000)
    part = CacheFolder(tmp_path).part(path, "picture")
    assert inspected.picture > 0
    assert abs(part.stat().st_size - inspected.picture) < 600
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)  # so that nothing can be read from it
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    np.testing.assert_allclose(taken(tmp_path, path).mean((1, 2)), before.mean((1, 2)), atol=0.03)
    assert taken(tmp_path, path)[0, 4, 4] > 0.8, "red at the top left"
    saved(path, ImageOps.invert(quarters(96, 64)))
    stale = reader(tmp_path).take(Clip(path, "here"), [0.5], None)
    assert "has changed since it was decoded" in stale.warning
    assert stale.samples[0][0, 4, 4] < 50, "the new file's"


def test_a_broken_file_gets_no_part_of_the_cache(tmp_path: Path) -> None:
    path = halved(saved(tmp_path / "a.jpg"))
    assert not fill(CacheFolder(tmp_path), path, "picture", "raw", 32, 8000)
    assert not (tmp_path / "cache").exists()
    assert "cannot read it as a picture" in inspect(path, "picture", "raw", 32, 8000).problem


def test_pictures_in_memory_are_read_as_files_are(tmp_path: Path) -> None:
    spec = InputSpec("picture", (3, 32, 32), reader=PLAIN)
    picture = quarters()
    path = saved(tmp_path / "a.png", picture)
    expected = column_of(spec, "photo", [path]).fetch(np.array([0]))
    pixels = np.asarray(picture)
    for given in (picture, [picture], pixels, [pixels], pixels[None], str(path), picture.convert("RGBA")):
        assert np.array_equal(column_of(spec, "photo", given).fetch(np.array([0])), expected)
    assert np.array_equal(column_of(spec, "photo", expected).fetch(np.array([0])), expected), "as the reader makes it"
    assert isinstance(column_of(spec, "photo", [path]), MediaColumn)
    for wrong, message in (
        (pixels.astype(np.int64), "as their reader normalises them, found int64"),
        (np.zeros((3, 8, 8), dtype=np.float32), r"found an array of shape \(3, 8, 8\)"),
        ("gone.png", "gone.png: no such file; expected pictures"),
        (quarters().convert("F"), "32 bits"),
    ):
        with pytest.raises(InputError, match=message):
            column_of(spec, "photo", wrong)
