"""The text files of IEMOCAP's release: what was said when, by whom, and which emotion its annotators agreed on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from crossdistill.datasets.media_release import read_lines
from crossdistill.types import InputError

_TIMED = re.compile(r"\[\s*-?[0-9.]+\s*-")
"""How a turn's line begins; headers, votes (C-E1:, A-F1:) and remarks do not."""
_TURN = re.compile(
    r"\[\s*(-?[0-9]+\.?[0-9]*)\s*-\s*(-?[0-9]+\.?[0-9]*)\s*\]\s+(Ses[0-9]{2}([FM])_\S+)_([FM])(\w+)\s+([a-z]{3})\s.*"
)
_SAID = re.compile(r"(Ses[0-9]{2}[FM]_\S+)\s+\[[^\]]*\]\s*:?\s*(.*)")


class Turn(NamedTuple):
    """An utterance in a dialog's evaluation file.

    dialog: `Ses01F_impro01`, where F is the sex of the actor with the markers; speaker: F or M; emotion: as in the file
    """

    id: str
    dialog: str
    markers: str
    speaker: str
    start: float
    end: float
    emotion: str


def text_files(folder: Path) -> list[Path]:
    """The `Ses*.txt` directly in a folder: `Attribute` and other folders hold votes, `._Ses*.txt` is left by macOS."""
    return sorted(path for path in folder.glob("Ses*.txt") if path.is_file())


def read_turns(path: Path) -> list[Turn]:
    """`[6.2901 - 8.2357]\\tSes01F_impro01_F000\\tneu\\t[2.5000, 2.5000, 2.5000]` and what is between such lines.

    Raises InputError for a line that only begins like one, and for a file without any.
    """
    turns: list[Turn] = []
    for number, line in enumerate(read_lines(path), start=1):
        if _TIMED.match(line):
            match = _TURN.fullmatch(line)
            if not match:
                raise InputError(f"{path} line {number}: expected a turn such as {_EXAMPLE}, found '{line}'")
            start, end, dialog, markers, speaker, rest, emotion = match.groups()
            turns.append(Turn(f"{dialog}_{speaker}{rest}", dialog, markers, speaker, float(start), float(end), emotion))
    if not turns:
        raise InputError(f"{path}: expected turns such as {_EXAMPLE}, found none")
    return turns


def read_transcripts(path: Path) -> dict[str, str]:
    """Turn -> its words, from `Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`; other lines are left out."""
    transcripts = {}
    for line in read_lines(path):
        if match := _SAID.fullmatch(line):
            transcripts[match[1]] = " ".join(match[2].split())
    return transcripts


_EXAMPLE = "[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]"
