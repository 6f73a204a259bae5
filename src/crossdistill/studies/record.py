"""What a study's folder keeps of how it came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crossdistill.atomic import write_atomically
from crossdistill.plain import from_plain, to_plain
from crossdistill.plain_text import read_text
from crossdistill.types import InputError, cause

RECORD = "benchmark.json"
"""The file by which a study's folder is known."""


@dataclass(frozen=True)
class Record:
    """How a study's folder came about: the commands, how many trials of tuning each setting had (its folder -> trials),
    which data sets were left out and why, which runs or settings failed (folder -> why)."""

    commands: tuple[str, ...] = ()
    trials: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def read_record(folder: Path) -> Record:
    path = folder / RECORD
    try:
        return from_plain(Record, json.loads(read_text(path)), str(path))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {cause(error)[:200]}") from error


def kept_record(folder: Path) -> Record:
    """What the folder has kept so far, nothing in a new one. Raises InputError."""
    return read_record(folder) if (folder / RECORD).is_file() else Record()


def write_record(record: Record, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RECORD, json.dumps(to_plain(record), indent=1, ensure_ascii=False) + "\n")
