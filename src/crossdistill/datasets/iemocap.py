"""IEMOCAP (Busso et al., Language Resources and Evaluation 42, 2008): dialogs of two actors. Not bundled.

A sample is a turn of speech with one of four emotions; excited counts as happy. Modalities: `video`, the speaker's half
of the dialog's picture, from the turn's start to its end; `audio`, the turn's sound; `text`, its transcript. All files
stay where they are. Fold: the session, from 0; split: session 5 is tested. Group: the speaker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossdistill.data.folders import require_new
from crossdistill.datasets.iemocap_files import Turn, read_transcripts, read_turns, text_files
from crossdistill.datasets.media_release import (
    MISSING,
    Header,
    Prepared,
    Row,
    headers,
    is_video,
    path_from,
    require_folder,
    write_rows,
)
from crossdistill.listening import Listener
from crossdistill.types import InputError

_EMOTIONS = {"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"}
"""Emotion of the release -> class; turns with others, or on which the annotators disagreed (xxx), are no samples."""

RELEASE = {
    1: {"angry": 229, "happy": 278, "sad": 194, "neutral": 384},
    2: {"angry": 137, "happy": 327, "sad": 197, "neutral": 362},
    3: {"angry": 240, "happy": 286, "sad": 305, "neutral": 320},
    4: {"angry": 327, "happy": 303, "sad": 143, "neutral": 258},
    5: {"angry": 170, "happy": 442, "sad": 245, "neutral": 384},
}
"""Session -> turns of each class in the full release, 5,531 together."""

_TEST_SESSION = 5

LEFT, RIGHT = "0 0 0.5 1", "0.5 0 0.5 1"
"""Halves of the picture. The actor who wears the markers, whose sex names the dialog (Ses01F), sits on the left."""


def prepare(root: Path, output: Path, listener: Listener = Listener()) -> Prepared:
    """Write the folder `output` with a manifest of the turns in `root`, IEMOCAP_full_release or the folder around it.

    Turns without a readable video are left out; a missing sound or transcript is an empty cell; both are listed in
    missing.txt. Raises InputError: no such folder, no sessions, a damaged evaluation file, nothing found, a class that
    is tested but not in training.
    """
    require_new(output)
    sessions = _sessions(root)
    turns = {session: _turns(folder) for session, folder in sessions.items()}
    videos = {path.stem: path for folder in sessions.values() for path in _videos(folder)}
    asked = headers(list(videos.values()), listener)
    rows: list[Row] = []
    missing: list[str] = []
    for session, folder in sessions.items():
        words = _transcripts(folder)
        for turn in turns[session]:
            path = videos.get(turn.dialog)
            if problem := _problem(turn, path, asked):
                missing.append(f"{turn.id}\tvideo\t{problem}")
            elif path:
                cells = _cells(turn, session, path, folder, words.get(turn.id, ""), output)
                missing += [f"{turn.id}\t{name}\tnot found" for name in _others(cells)]
                rows.append(cells)
    if not rows:
        count = sum(map(len, turns.values()))
        raise InputError(
            f"{root}: none of {count:,} turns has a video in dialog/avi; is it the release without videos?"
        )
    write_rows(output, rows, {MISSING: missing})
    return Prepared(output, rows, _notes(turns, rows, missing), _counts(turns, rows))


def _sessions(root: Path) -> dict[int, Path]:
    """Number -> folder, of the sessions that are there."""
    require_folder(root)
    for home in (root, root / "IEMOCAP_full_release"):
        sessions = {number: home / f"Session{number}" for number in RELEASE if (home / f"Session{number}").is_dir()}
        if sessions:
            return sessions
    raise InputError(f"{root}: expected IEMOCAP's folders Session1 to Session5, found none of them")


def _turns(session: Path) -> list[Turn]:
    """The session's turns of the four classes, dialog by dialog."""
    folder = session / "dialog" / "EmoEvaluation"
    require_folder(folder)
    files = text_files(folder)
    if not files:
        raise InputError(f"{folder}: expected evaluation files such as Ses01F_impro01.txt, found none")
    by_id: dict[str, Turn] = {}
    for path in files:
        for turn in read_turns(path):
            if turn.id in by_id:
                raise InputError(f"{path}: turn {turn.id} is there twice, or in another file, too")
            by_id[turn.id] = turn
    return [turn for turn in by_id.values() if turn.emotion in _EMOTIONS]


def _videos(session: Path) -> list[Path]:
    """The dialogs' videos, which lie in `dialog/avi/DivX`, or directly in `dialog/avi`."""
    folder = session / "dialog" / "avi"
    return sorted(path for path in (*folder.glob("*"), *folder.glob("DivX/*")) if is_video(path.name))


def _transcripts(session: Path) -> dict[str, str]:
    words: dict[str, str] = {}
    for path in text_files(session / "dialog" / "transcriptions"):
        words |= read_transcripts(path)
    return words


def _problem(turn: Turn, path: Path | None, asked: Mapping[Path, Header]) -> str:
    """Why a turn has no video; empty where it has one."""
    if path is None:
        return "not found"
    header = asked[path]
    if header.problem:
        return header.problem
    if turn.end <= max(turn.start, 0):
        return f"the turn ends at {turn.end:g} s, before it begins"
    if 0 < header.seconds <= turn.start:
        return f"the turn begins at {turn.start:g} s, the file ends at {header.seconds:.2f} s"
    return ""


def _cells(turn: Turn, session: int, video: Path, folder: Path, words: str, output: Path) -> dict[str, str]:
    name = path_from(output)
    sound = folder / "sentences" / "wav" / turn.dialog / f"{turn.id}.wav"
    return {
        "id": turn.id,
        "split": "test" if session == _TEST_SESSION else "train",
        "fold": str(session - 1),
        "group": f"Ses{session:02}{turn.speaker}",
        "label": _EMOTIONS[turn.emotion],
        "video": name(video),
        "video:start": str(max(turn.start, 0.0)),
        "video:end": str(turn.end),
        "video:crop": LEFT if turn.speaker == turn.markers else RIGHT,
        "audio": name(sound) if sound.is_file() else "",
        "text:text": words,
        "caption": words,
    }


def _others(cells: Mapping[str, str]) -> list[str]:
    """The modalities beside the video that a turn lacks."""
    return [name for name, column in (("audio", "audio"), ("text", "text:text")) if not cells[column]]


def _notes(turns: Mapping[int, Sequence[Turn]], rows: Sequence[Row], missing: Sequence[str]) -> list[str]:
    expected, annotated = sum(sum(of.values()) for of in RELEASE.values()), sum(map(len, turns.values()))
    notes = []
    if absent := [f"Session{number}" for number in RELEASE if number not in turns]:
        notes.append(f"Not there: {', '.join(absent)}")
    if _TEST_SESSION not in turns:
        notes.append(f"Without Session{_TEST_SESSION} there is no test split; name a fold instead (--data.fold)")
    if annotated != expected:
        notes.append(f"The evaluation files have {annotated:,} turns of the four classes, expected {expected:,}")
    for name, what in (("video", "Without a video, left out"), ("audio", "Without a sound"), ("text", "Without words")):
        if count := sum(line.split("\t")[1] == name for line in missing):
            notes.append(f"{what}: {count:,} turns ({MISSING})")
    return notes or [f"All {expected:,} turns are there."]


def _counts(turns: Mapping[int, Sequence[Turn]], rows: Sequence[Row]) -> list[list[str]]:
    """By session and class, where it is not what the full release has: in the manifest, annotated, in the release."""
    written = Counter((int(row["fold"]) + 1, row["label"]) for row in rows)
    annotated = Counter(
        (number, _EMOTIONS[turn.emotion]) for number, of_session in turns.items() for turn in of_session
    )
    table = [["session", "class", "in the manifest", "annotated", "in the full release"]]
    for session, classes in RELEASE.items():
        for label, expected in classes.items():
            cells = (written[session, label], annotated[session, label], expected)
            if len(set(cells)) > 1:
                table.append([str(session), label, *(f"{cell:,}" for cell in cells)])
    return table if len(table) > 1 else []
