"""Folders of classes, one for each modality, as a manifest: files of one name belong together.

DIR/CLASS/NAME.ending        the split is drawn, class by class
DIR/SPLIT/CLASS/NAME.ending  where the first folders are train, val, test and nothing else
DIR/NAME.ending              for a modality beside another whose folders say the classes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from crossdistill.data.cells import READABLE_AS, Kind, first_of, looks_like
from crossdistill.data.folders import require_new
from crossdistill.data.labels import natural_order
from crossdistill.datasets.media_release import Prepared, Row, files_below, path_from, write_rows
from crossdistill.types import InputError

UNMATCHED = "unmatched.txt"
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Name of a folder, in small letters -> the split whose files it holds."""


@dataclass(frozen=True)
class Source:
    """A modality's folder, and the kind of its files."""

    name: str
    kind: Kind
    folder: Path


@dataclass(frozen=True)
class Shares:
    """Parts of each class that are tested and held out for validation, drawn from the seed."""

    test: float = 0.2
    validation: float = 0.0
    seed: int = 0

    def check(self) -> None:
        """Raise InputError for parts that leave nothing to train on."""
        if min(self.test, self.validation) < 0 or not self.test + self.validation < 1:
            raise InputError(
                f"--test and --validation: expected parts that add up to less than 1, found {self.test:g} and "
                f"{self.validation:g}"
            )


class Key(NamedTuple):
    """What files must have in common to be one sample; split and label are empty where the folders do not say them."""

    split: str
    label: str
    name: str


@dataclass(frozen=True)
class Found:
    """One modality's files. others: files of another kind; twice: of a name that has another file already."""

    source: Source
    files: Mapping[Key, Path]
    others: int
    twice: int

    @property
    def is_flat(self) -> bool:
        return not any(key.label for key in self.files)


def prepare(
    sources: Sequence[Source], folder: Path, shares: Shares = Shares(), keep_unmatched: bool = False
) -> Prepared:
    """A manifest of the samples that have all modalities, written to `folder`; keep_unmatched: also of the others.

    Raises InputError: no folder, no file of the kind, no classes, nothing in common, or a class that is never trained.
    """
    shares.check()
    require_new(folder)
    found = [_files_of(source) for source in sources]
    if all(modality.is_flat for modality in found):
        raise InputError(f"{sources[0].folder}: expected a folder for each class, with the class's files in it")
    structured = [modality for modality in found if not modality.is_flat]
    _require_one_form(structured)
    keys = _in_order({key for modality in structured for key in modality.files if key.label})
    placed = [_placed(modality, keys) for modality in found]
    matched = [key for key in keys if all(key in files for files in placed)]
    if not matched:
        folders = ", ".join(f"{source.name} in {source.folder}" for source in sources)
        raise InputError(f"no name is that of a file of each modality ({folders}); only their endings may differ")
    kept = keys if keep_unmatched else matched
    rows = _rows(sources, placed, _splits(kept, shares), path_from(folder))
    unmatched = _unmatched(sources, found, placed, keys)
    notes = _notes(found, len(matched), len(kept), unmatched)
    if not any(key.split for key in keys):
        notes.append(
            f"Split at random in each class, seed {shares.seed}: where several files come from one person or "
            "recording, split them by that instead, and name it in a column `group`"
        )
    write_rows(folder, rows, {UNMATCHED: unmatched})
    return Prepared(folder, rows, notes)


def _in_order(keys: set[Key]) -> list[Key]:
    """The keys by class and name, 2 before 10."""
    by_text = {"\0".join(key): key for key in keys}
    return [by_text[text] for text in natural_order(list(by_text))]


def _files_of(source: Source) -> Found:
    """The files of a modality by what they must have in common with others."""
    paths = files_below(source.folder)
    endings = READABLE_AS[source.kind]
    fitting = [path for path in paths if path.suffix.lower() in endings]
    if not fitting:
        raise InputError(f"{source.folder}: expected files that end in {', '.join(endings)}, found none")
    parts = {path: path.relative_to(source.folder).parts for path in fitting}
    outer = {places[0].lower() for places in parts.values() if len(places) > 1}
    has_splits = bool(outer) and outer <= set(SPLIT_FOLDERS) and all(len(p) > 2 for p in parts.values() if len(p) > 1)
    by_key: dict[Key, list[Path]] = {}
    for path, places in parts.items():
        split = SPLIT_FOLDERS[places[0].lower()] if has_splits and len(places) > 1 else ""
        inner = places[1:] if split else places
        label = inner[0] if len(inner) > 1 else ""
        name = str(PurePath(*inner[1:] if label else inner).with_suffix("").as_posix())
        by_key.setdefault(Key(split, label, name), []).append(path)
    chosen = {key: first for key, files in by_key.items() if (first := first_of(files, endings)) is not None}
    return Found(source, chosen, len(paths) - len(fitting), len(fitting) - len(chosen))


def _require_one_form(structured: Sequence[Found]) -> None:
    """Raise InputError where some folders say the split and others do not."""
    with_split = [any(key.split for key in modality.files) for modality in structured]
    if len(set(with_split)) > 1:
        first, second = structured[with_split.index(True)].source, structured[with_split.index(False)].source
        raise InputError(
            f"{second.folder}: expected folders train and test like those of {first.name} in {first.folder}, found "
            "classes; give both in the same form"
        )


def _placed(modality: Found, keys: Sequence[Key]) -> dict[Key, Path]:
    """The files by the samples' keys; those without a class by their name alone, where one sample alone has it."""
    if not modality.is_flat:
        return {key: path for key, path in modality.files.items() if key.label}
    named: dict[str, list[Key]] = {}
    for key in keys:
        named.setdefault(PurePath(key.name).name, []).append(key)
    return {named[key.name][0]: path for key, path in modality.files.items() if len(named.get(key.name, ())) == 1}


def _splits(keys: Sequence[Key], shares: Shares) -> dict[Key, str]:
    """Those of the folders; else drawn in each class, of which at least one sample stays for training."""
    splits = {key: key.split or "train" for key in keys}
    if any(key.split for key in keys):
        return splits
    for number, label in enumerate(sorted({key.label for key in keys})):
        own = [key for key in keys if key.label == label]
        drawn = [own[place] for place in np.random.default_rng([shares.seed, number]).permutation(len(own))]
        for split, share in (("test", shares.test), ("validation", shares.validation)):
            count = min(len(drawn) - 1, max(1, round(share * len(own)))) if share else 0
            splits |= dict.fromkeys(drawn[:count], split)
            drawn = drawn[count:]
    return splits


def _rows(
    sources: Sequence[Source],
    placed: Sequence[Mapping[Key, Path]],
    splits: Mapping[Key, str],
    cell: Callable[[Path], str],
) -> list[Row]:
    """A row of the manifest for each sample; a modality's header has its kind where a file's ending says another."""
    headers = [
        source.name
        if all(looks_like(path.name) == source.kind for path in files.values())
        else f"{source.name}:{source.kind}"
        for source, files in zip(sources, placed, strict=True)
    ]
    return [
        {
            "id": "/".join(filter(None, key)),
            "split": split,
            "label": key.label,
            **{header: cell(files[key]) if key in files else "" for header, files in zip(headers, placed, strict=True)},
        }
        for key, split in splits.items()
    ]


def _unmatched(
    sources: Sequence[Source], found: Sequence[Found], placed: Sequence[Mapping[Key, Path]], keys: Sequence[Key]
) -> list[str]:
    """A line for each name that not all modalities have, and for each file whose class nothing says."""
    lines = []
    for key in keys:
        lacking = [source.name for source, files in zip(sources, placed, strict=True) if key not in files]
        lines += [f"{'/'.join(filter(None, key))}\tno {', '.join(lacking)}"] if lacking else []
    for modality, files in zip(found, placed, strict=True):
        taken = set(files.values())
        lines += [
            f"{path}\tno class: {modality.source.name} alone, or a name of several classes"
            for path in modality.files.values()
            if path not in taken
        ]
    return lines


def _notes(found: Sequence[Found], matched: int, kept: int, unmatched: Sequence[str]) -> list[str]:
    """What was taken, what was not, and how it was divided."""
    counts = ", ".join(f"{len(modality.files):,} files of {modality.source.name}" for modality in found)
    notes = [f"Found {counts}; {matched:,} samples have all of them"]
    if unmatched:
        reasons = Counter(line.partition("\t")[2] for line in unmatched)
        said = "; ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common())
        fate = "kept with empty cells" if kept > matched else "left out"
        notes.append(f"Unmatched names, {fate}: {len(unmatched):,} ({UNMATCHED}): {said}")
    for modality in found:
        where = f"in {modality.source.folder}"
        notes += [f"Other files {where}: {modality.others:,}"] if modality.others else []
        notes += [f"Left out {where}, as another file has their name: {modality.twice:,}"] if modality.twice else []
    return notes
