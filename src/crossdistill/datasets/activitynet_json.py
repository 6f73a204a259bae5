"""ActivityNet's annotations, JSON: `database` has, for each id, `subset`, `duration`, `url` and a list `annotations` of
`label` and `segment`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from crossdistill.plain_text import read_bytes
from crossdistill.types import InputError, cause

SUBSETS = {"training": "train", "validation": "test"}
"""Subset -> split. "testing" has no labels and is left out."""

LEAST = 0.1
"""Least seconds of a segment: shorter ones are slips of the annotation ([0, 0], [0.01, 0.02])."""

_LONGEST = 1e9
"""Seconds that no video has: JSON may hold a whole number that is none of the machine's."""


class Segment(NamedTuple):
    """Seconds in the video, 0 <= start <= end <= its duration. mended: whether that took a change."""

    label: str
    start: float
    end: float
    mended: bool


class Video(NamedTuple):
    id: str
    subset: str
    url: str
    segments: tuple[Segment, ...]


def read_annotations(path: Path) -> list[Video]:
    """The videos for training and validation, in the file's order. Raises InputError where it is not of this form."""
    try:
        content = json.loads(read_bytes(path))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot read it as JSON: {cause(error)}") from None
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict) or not database:
        raise InputError(f"{path}: expected ActivityNet's annotations, an object with a filled 'database'")
    videos = [_video(f"{path}: video '{key}'", key, entry) for key, entry in database.items()]
    return [video for video in videos if video.subset in SUBSETS]


def _video(place: str, key: str, entry: Any) -> Video:
    if not isinstance(entry, dict) or entry.get("subset") not in (*SUBSETS, "testing"):
        actual = repr(entry.get("subset")) if isinstance(entry, dict) else "no object"
        raise InputError(f"{place}: expected a subset of {', '.join(SUBSETS)}, testing; found {actual}")
    annotations = entry.get("annotations", [])
    if not isinstance(annotations, list):
        raise InputError(f"{place}: expected a list of annotations, found {annotations!r}")
    duration: Any = entry.get("duration")
    known = _is_number(duration) and duration > 0  # some copies of the file have 0 or nothing
    segments = [
        _segment(f"{place}, annotation {number}", annotation, float(duration) if known else math.inf)
        for number, annotation in enumerate(annotations)
    ]
    return Video(key, entry["subset"], str(entry.get("url", "")), tuple(segments))


def _segment(place: str, annotation: Any, duration: float) -> Segment:
    """A segment in order and inside the video: times the wrong way round are exchanged, what lies outside is cut."""
    label = annotation.get("label") if isinstance(annotation, dict) else None
    times = annotation.get("segment") if isinstance(annotation, dict) else None
    if not (isinstance(label, str) and label.strip() and isinstance(times, list) and len(times) == 2):
        raise InputError(f"{place}: expected a label and a segment of two times, found {annotation!r}")
    if not all(map(_is_number, times)):
        raise InputError(f"{place}: expected a segment of two times in seconds, found {times!r}")
    start, end = (min(max(float(time), 0.0), duration) for time in sorted(times))
    return Segment(label.strip(), start, end, [start, end] != times)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LONGEST < value < _LONGEST
