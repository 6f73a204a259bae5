"""UCF51: the 51 classes of UCF101 (Soomro, Zamir, Shah; 2012) whose clips have sound. Not bundled.

Modalities: `video`, `audio`, both from the clip's file, which stays where it is. Split: one of the three official ones;
its test list is the test split. Group: the recording that a clip was cut from (`g08`), of its class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from crossdistill.data.folders import require_new
from crossdistill.datasets.media_release import (
    MISSING,
    SILENT,
    Header,
    Prepared,
    Row,
    headers,
    path_from,
    read_lines,
    require_folder,
    video_files,
    write_rows,
)
from crossdistill.listening import Listener
from crossdistill.types import InputError

CLASSES = (
    "ApplyEyeMakeup",
    "ApplyLipstick",
    "Archery",
    "BabyCrawling",
    "BalanceBeam",
    "BandMarching",
    "BasketballDunk",
    "BlowDryHair",
    "BlowingCandles",
    "BodyWeightSquats",
    "Bowling",
    "BoxingPunchingBag",
    "BoxingSpeedBag",
    "BrushingTeeth",
    "CliffDiving",
    "CricketBowling",
    "CricketShot",
    "CuttingInKitchen",
    "FieldHockeyPenalty",
    "FloorGymnastics",
    "FrisbeeCatch",
    "FrontCrawl",
    "Haircut",
    "HammerThrow",
    "Hammering",
    "HandstandPushups",
    "HandstandWalking",
    "HeadMassage",
    "IceDancing",
    "Knitting",
    "LongJump",
    "MoppingFloor",
    "ParallelBars",
    "PlayingCello",
    "PlayingDaf",
    "PlayingDhol",
    "PlayingFlute",
    "PlayingSitar",
    "Rafting",
    "ShavingBeard",
    "Shotput",
    "SkyDiving",
    "SoccerPenalty",
    "StillRings",
    "SumoWrestling",
    "Surfing",
    "TableTennisShot",
    "Typing",
    "UnevenBars",
    "WallPushups",
    "WritingOnBoard",
)

CLIPS = 6845
"""Clips in the train and test lists of an official split together; each split divides the same ones."""
SPLIT_1 = {"train": 4901, "test": 1944}

_KNOWN = {name.lower(): name for name in CLASSES}
_EXAMPLE = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1"
_LINE = re.compile(r"([A-Za-z]+)[/\\](v_[A-Za-z]+_(g[0-9]+)_c[0-9]+)\.avi(?:\s+([0-9]{1,9}))?")


class Listed(NamedTuple):
    """A clip of a split's lists."""

    id: str
    split: str
    label: str
    group: str


def prepare(videos: Path, splits: Path, output: Path, split: int = 1, listener: Listener = Listener()) -> Prepared:
    """Write the folder `output` with a manifest of the clips below `videos` that a split's lists in `splits` name.

    Clips that are missing or cannot be read are left out and listed in missing.txt; those without sound lack `audio`.
    Raises InputError: no such folder or list, a damaged list, nothing found, a class tested but not in training.
    """
    require_new(output)
    listed = _read_split(splits, split)
    files = _files_of(video_files(videos))
    path_of = {clip.id: files[clip.id.lower()] for clip in listed if clip.id.lower() in files}
    asked = headers(list(path_of.values()), listener)
    readable = {key: path for key, path in path_of.items() if not asked[path].problem}
    rows = _rows([clip for clip in listed if clip.id in readable], readable, asked, output)
    silent = [row["id"] for row in rows if not row["audio:audio"]]
    missing = [_missing(clip, path_of, asked) for clip in listed if clip.id not in readable]
    if not rows:
        raise InputError(f"{videos}: none of the {len(listed):,} clips that the lists name is there and can be read")
    write_rows(output, rows, {MISSING: missing, SILENT: silent})
    odd = _odd(listed, split)
    notes = [odd] if odd else []
    notes += [f"Missing or not readable: {len(missing):,} of {len(listed):,} clips ({MISSING})"] if missing else []
    notes += [f"Without an audio stream, so that they lack audio: {len(silent):,} clips ({SILENT})"] if silent else []
    return Prepared(output, rows, notes or [f"All {CLIPS:,} clips are there."], _counts(listed, rows, bool(odd)))


def _read_split(folder: Path, split: int) -> list[Listed]:
    """The clips of the 51 classes in trainlist01.txt and testlist01.txt (of split 1), in the order of the lists.

    Where classInd.txt lies beside them, the numbers behind the clips must agree with it. Raises InputError.
    """
    require_folder(folder)
    numbers = _class_numbers(folder / "classInd.txt")
    listed: list[Listed] = []
    first: dict[str, str] = {}
    for name, part in ((f"trainlist{split:02}.txt", "train"), (f"testlist{split:02}.txt", "test")):
        count = len(first)
        for number, line in enumerate(read_lines(folder / name), start=1):
            if line:
                place = f"{folder / name} line {number}"
                match = _parse(place, line, numbers)
                if first.setdefault(match[2].lower(), place) != place:
                    raise InputError(f"{place}: '{match[2]}' is listed already in {first[match[2].lower()]}")
                if label := _KNOWN.get(match[1].lower()):
                    listed.append(Listed(match[2], part, label, f"{label}_{match[3]}"))
        if len(first) == count:
            raise InputError(f"{folder / name}: expected lines such as {_EXAMPLE}, found none")
    return listed


def _parse(place: str, line: str, numbers: Mapping[str, int]) -> re.Match[str]:
    match = _LINE.fullmatch(line)
    if not match:
        raise InputError(f"{place}: expected a clip such as {_EXAMPLE}, found '{line}'")
    expected = numbers.get(match[1].lower())
    if numbers and expected is None:
        raise InputError(f"{place}: class '{match[1]}' is not in classInd.txt")
    if match[4] and numbers and int(match[4]) != expected:
        raise InputError(f"{place}: expected {expected}, the number of {match[1]} in classInd.txt, found {match[4]}")
    return match


def _class_numbers(path: Path) -> dict[str, int]:
    """Class name, in lower case -> its number; empty where the file is missing."""
    numbers: dict[str, int] = {}
    for number, line in enumerate(read_lines(path) if path.exists() else [], start=1):
        match = re.fullmatch(r"([0-9]{1,9})\s+([A-Za-z]+)", line)
        if line and not match:
            raise InputError(f"{path} line {number}: expected a number and a class such as 1 ApplyEyeMakeup: '{line}'")
        if match:
            numbers[match[2].lower()] = int(match[1])
    return numbers


def _files_of(paths: Iterable[Path]) -> dict[str, Path]:
    """Name without ending, in lower case, as folders and clips of HandstandPushups are not written alike -> the file.

    Of several, one in a folder of its class, and with the release's own ending, comes first.
    """
    files: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (path.parent.name.lower() not in _KNOWN, path.suffix.lower() != ".avi")):
        files.setdefault(path.stem.lower(), path)
    return files


def _rows(
    clips: Sequence[Listed], path_of: Mapping[str, Path], asked: Mapping[Path, Header], output: Path
) -> list[Row]:
    name = path_from(output)
    return [
        {
            "id": clip.id,
            "split": clip.split,
            "group": clip.group,
            "label": clip.label,
            "video": name(path_of[clip.id]),
            "audio:audio": name(path_of[clip.id]) if asked[path_of[clip.id]].sound else "",
        }
        for clip in clips
    ]


def _missing(clip: Listed, path_of: Mapping[str, Path], asked: Mapping[Path, Header]) -> str:
    """A line of missing.txt: the clip and why it is left out."""
    return f"{clip.label}/{clip.id}.avi\t{asked[path_of[clip.id]].problem if clip.id in path_of else 'not found'}"


def _odd(listed: Sequence[Listed], split: int) -> str:
    """What is wrong with the lists' counts; empty for nothing."""
    count = Counter(clip.split for clip in listed)
    if len(listed) == CLIPS and (split != 1 or count == SPLIT_1):
        return ""
    expected = f"{CLIPS:,} clips" + (f" ({SPLIT_1['train']:,} train, {SPLIT_1['test']:,} test)" if split == 1 else "")
    return (
        f"The lists name {len(listed):,} clips ({count['train']:,} train, {count['test']:,} test) of the 51 classes, "
        f"expected {expected}"
    )


def _counts(listed: Sequence[Listed], rows: Sequence[Row], every: bool) -> list[list[str]]:
    """How many clips of each class are listed and there: of those classes that lack some, or of every class."""
    named = Counter((clip.label, clip.split) for clip in listed)
    prepared = Counter((row["label"], row["split"]) for row in rows)
    table = [["class", "train listed", "there", "test listed", "there"]]
    for name in CLASSES:
        cells = [count[name, part] for part in ("train", "test") for count in (named, prepared)]
        if every or cells[0] != cells[1] or cells[2] != cells[3]:
            table.append([name, *(f"{cell:,}" for cell in cells)])
    return table if len(table) > 1 else []
