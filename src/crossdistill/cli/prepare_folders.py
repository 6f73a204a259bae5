"""`crossdistill prepare folders`: a manifest from folders of classes, one folder for each modality."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import cast

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.prepared import command, tell
from crossdistill.data.cells import ENDINGS, MODALITY_NAME, RESERVED, Kind, looks_like
from crossdistill.data.readers import READERS
from crossdistill.datasets.class_folders import Shares, Source, prepare
from crossdistill.datasets.media_release import files_below
from crossdistill.types import InputError


def parser() -> ArgumentParser:
    """A folder for each kind of modality, and `--modality` for names of one's own."""
    folders = command(
        "folders",
        "A manifest from folders of classes, DIR/CLASS/NAME.mp4 or DIR/train/CLASS/NAME.mp4: files of one name in the "
        "folders of several modalities are one sample. The files stay where they are.",
    )
    for kind in ENDINGS:
        folders.add_argument(f"--{kind}", type=Path, metavar="DIR", help=f"folder of the modality {kind}")
    named = "further modalities, or their names in place of kinds: face=DIR, voice:audio=DIR"
    folders.add_argument("--modality", nargs="+", metavar="NAME=DIR", default=[], help=named)
    folders.add_argument("--test", type=float, default=0.2, help="part of each class that is tested")
    folders.add_argument("--validation", type=float, default=0.0, help="part of each class held out for validation")
    folders.add_argument("--seed", type=int, default=0, help="of the split")
    kept = "keep samples that lack a modality, with an empty cell; the first modality is needed to train on it"
    folders.add_argument("--keep-unmatched", action="store_true", help=kept)
    folders.add_argument("--out", type=Path, required=True, help="folder to write")
    return folders


def execute(given: Namespace) -> None:
    """Write the manifest, and say what is in it and what is not."""
    sources = [Source(kind, kind, given[kind]) for kind in ENDINGS if given[kind] is not None]
    sources += [_source(text) for text in given.modality]
    if not sources:
        raise InputError("expected folders of modalities, e.g. --video clips --audio sounds, found none")
    twice = [name for name, count in Counter(source.name for source in sources).items() if count > 1]
    if odd := [source.name for source in sources if source.name in RESERVED] + twice:
        raise InputError(f"--modality: '{odd[0]}' has another meaning in a manifest, or is given twice")
    if unnamed := [source.name for source in sources if not MODALITY_NAME.fullmatch(source.name)]:
        raise InputError(f"--modality: '{unnamed[0]}': expected ASCII letters, digits, _ and - only")
    prepared = prepare(sources, given.out, Shares(given.test, given.validation, given.seed), given.keep_unmatched)
    folder = shlex.quote(str(given.out))
    target, *others = [source.name for source in sources]
    method = "amid" if others else "baseline"
    cached = " --cache jpeg" if any(source.kind in READERS for source in sources) else ""
    auxiliary = ",".join(others) or "'[]'"
    trained = f"--data.source {folder} --data.allow_outside true --data.target {target} --data.auxiliary {auxiliary}"
    tell(
        prepared,
        [
            f"prepare manifest {folder} --allow-outside{cached}",
            f"train own --method {method} {trained}",
        ],
    )


def _source(text: str) -> Source:
    """NAME=DIR or NAME:KIND=DIR. Raises InputError for another form, and where the files are of several kinds."""
    name, equals, folder = text.partition("=")
    name, colon, kind = name.partition(":")
    if not (equals and name and folder) or (colon and kind not in ENDINGS):
        kinds = ", ".join(ENDINGS)
        raise InputError(f"--modality: expected NAME=DIR or NAME:KIND=DIR, KIND one of {kinds}, found '{text}'")
    return Source(name, cast(Kind, kind) if kind else _kind_in(Path(folder), name), Path(folder))


def _kind_in(folder: Path, name: str) -> Kind:
    endings = {ending for known in ENDINGS.values() for ending in known}
    kinds = Counter(looks_like(path.name) for path in files_below(folder) if path.suffix.lower() in endings)
    if len(kinds) != 1:
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"
        raise InputError(
            f"--modality: {folder}: expected files of one kind, found {found}; say it: {name}:audio={folder}"
        )
    return next(iter(kinds))
