"""ActivityNet 1.3 (Caba Heilbron et al., CVPR 2015): untrimmed online videos of 200 activities. Not bundled.

Modalities: `video`, `audio`, both from the video's file, which stays where it is. A sample is a whole video, labelled
with the activity that takes most of its annotated time, or an annotated segment (`start`, `end`). Group: the video.
Split: the subset "training" trains and "validation" is tested, as in the AMID paper; "testing" has no labels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossdistill.data.folders import require_new
from crossdistill.datasets.activitynet_json import LEAST, SUBSETS, Segment, Video, read_annotations
from crossdistill.datasets.media_release import (
    MISSING,
    SILENT,
    Header,
    Prepared,
    Row,
    headers,
    path_from,
    video_files,
    write_rows,
)
from crossdistill.listening import Listener
from crossdistill.types import InputError

PAPER = {"training": 10024, "validation": 4926}
"""Videos in the AMID paper: as many as the annotations have."""

LEFT_OUT, UNLABELLED = "left_out.txt", "unlabelled.txt"


@dataclass
class _Outcome:
    """What became of the annotated videos, each in its list. lines: of the text files beside the manifest."""

    rows: list[Row] = field(default_factory=list)
    lines: dict[str, list[str]] = field(default_factory=lambda: {MISSING: [], SILENT: [], UNLABELLED: [], LEFT_OUT: []})
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def record(self, name: str, video: Video, *cells: str) -> None:
        self.lines[name].append("\t".join((video.id, video.subset, *cells)))
        self.counts[video.subset, name] += 1


def prepare(
    videos: Path,
    annotations: Path,
    output: Path,
    trimmed: bool = False,
    keep_silent: bool = False,
    listener: Listener = Listener(),
) -> Prepared:
    """Write the folder `output` with a manifest of the annotated videos that are below `videos`.

    trimmed: a sample for each annotated segment; keep_silent: videos without sound stay, and lack `audio`
    What is left out is listed: missing.txt (not there, or not readable), silent.txt, unlabelled.txt (no annotation) and
    left_out.txt (segments). Raises InputError: no such folder, damaged annotations, nothing found, a class tested but
    not in training.
    """
    require_new(output)
    annotated = read_annotations(annotations)
    paths = _paths([video.id for video in annotated], video_files(videos))
    outcome = _look(annotated, paths, headers(list(paths.values()), listener), output, trimmed, keep_silent)
    if not outcome.rows:
        raise InputError(_nothing(videos, annotated, outcome))
    write_rows(output, outcome.rows, outcome.lines)
    return Prepared(output, outcome.rows, _notes(annotated, outcome, trimmed, keep_silent), _table(annotated, outcome))


def _paths(ids: Sequence[str], files: Iterable[Path]) -> dict[str, Path]:
    """Id -> its file, the first of `v_ID.mp4`, `ID.mkv` and so on, of those videos that are there."""
    named: dict[str, Path] = {}
    for path in files:
        named.setdefault(path.stem, path)
    path_of = {key: named.get(f"v_{key}") or named.get(key) for key in ids}
    return {key: path for key, path in path_of.items() if path}


def _look(
    annotated: Sequence[Video],
    paths: Mapping[str, Path],
    asked: Mapping[Path, Header],
    output: Path,
    trimmed: bool,
    keep_silent: bool,
) -> _Outcome:
    outcome, name = _Outcome(), path_from(output)
    for video in annotated:
        path = paths.get(video.id)
        header = asked[path] if path else Header(problem="not found")
        if not video.segments:
            outcome.record(UNLABELLED, video)
        elif path is None or header.problem:
            outcome.record(MISSING, video, video.url, header.problem)
        elif not (header.sound or keep_silent):
            outcome.record(SILENT, video)
        else:
            if not header.sound:
                outcome.record(SILENT, video)  # listed, and kept
            cells = {"video": name(path), "audio:audio": name(path) if header.sound else ""}
            rows = _segments(video, header.seconds, outcome) if trimmed else [_whole(video)]
            outcome.rows += [row | cells for row in rows]
            outcome.counts[video.subset, "videos"] += bool(rows)
    return outcome


def _whole(video: Video) -> dict[str, str]:
    """A row for the whole video, labelled with the activity of most annotated seconds, the first one of equals."""
    seconds: dict[str, float] = defaultdict(float)
    for segment in video.segments:
        seconds[segment.label] += segment.end - segment.start
    label = max(seconds, key=lambda label: seconds[label])
    return {"id": video.id, "split": SUBSETS[video.subset], "group": video.id, "label": label}


def _segments(video: Video, file_seconds: float, outcome: _Outcome) -> list[dict[str, str]]:
    """A row for each annotated segment that can be one; the others are listed."""
    rows = []
    for number, segment in enumerate(video.segments):
        problem = _problem(segment, file_seconds)
        if problem:
            outcome.record(LEFT_OUT, video, str(number), f"{segment.start:g}", f"{segment.end:g}", problem)
            continue
        rows.append(
            {
                "id": f"{video.id}_{number}",
                "split": SUBSETS[video.subset],
                "group": video.id,
                "label": segment.label,
                "start": str(round(segment.start, 4)),
                "end": str(round(segment.end, 4)),
            }
        )
    return rows


def _problem(segment: Segment, file_seconds: float) -> str:
    """Why a segment cannot be a sample; empty where it can."""
    if segment.end - segment.start < LEAST:
        return f"shorter than {LEAST:g} s"
    if 0 < file_seconds <= segment.start:
        return f"begins after the file's end at {file_seconds:.2f} s"
    return ""


def _nothing(videos: Path, annotated: Sequence[Video], outcome: _Outcome) -> str:
    silent = len(outcome.lines[SILENT])
    why = f"; {silent:,} are there but have no sound, and --keep-silent would keep them" if silent else ""
    return f"{videos}: none of the {len(annotated):,} annotated videos can be used{why}"


def _notes(annotated: Sequence[Video], outcome: _Outcome, trimmed: bool, keep_silent: bool) -> list[str]:
    count = {name: len(lines) for name, lines in outcome.lines.items()}
    silent = "so that they lack audio" if keep_silent else "left out unless --keep-silent is given"
    several = sum(len({segment.label for segment in video.segments}) > 1 for video in annotated)
    mended = sum(segment.mended for video in annotated for segment in video.segments)
    lines = {
        f"Missing or not readable: {count[MISSING]:,} videos ({MISSING})": count[MISSING],
        f"Without an audio stream, {silent}: {count[SILENT]:,} videos ({SILENT})": count[SILENT],
        f"Without an annotation: {count[UNLABELLED]:,} videos ({UNLABELLED})": count[UNLABELLED],
        f"Too short or after the file's end: {count[LEFT_OUT]:,} segments ({LEFT_OUT})": count[LEFT_OUT],
        f"Annotated with several activities, labelled with the longest: {several:,} videos": several and not trimmed,
        f"Put in order or cut to their video: {mended:,} segments": mended,
    }
    return [line for line, said in lines.items() if said]


def _table(annotated: Sequence[Video], outcome: _Outcome) -> list[list[str]]:
    """What became of each subset's videos."""
    table = [["subset", "annotated", "missing", "silent", "unlabelled", "in the manifest", "in the paper"]]
    for subset, paper in PAPER.items():
        of = sum(video.subset == subset for video in annotated)
        cells = [of, *(outcome.counts[subset, key] for key in (MISSING, SILENT, UNLABELLED, "videos")), paper]
        table.append([subset, *(f"{cell:,}" for cell in cells)])
    return table
