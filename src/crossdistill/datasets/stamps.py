"""Tux Paint's stamps (Kendrick and others; Debian's package tuxpaint-stamps-default, GPL-2): pictures that are named in
English and spoken of in many languages. Not bundled, and not copied: the manifest names the files where they lie.

Modalities: `picture`, a drawing or photograph on a transparent ground, 16 to 1000 pixels wide; `speech`, a sentence of
about a second, in Spanish unless told otherwise; `text`, what it shows in English, for an encoder of texts with a
tokenizer; `words`, the same as 1,024 hashed counts of three to five letters, for a small one.
Classes: the six folders of the collection that have most such stamps (symbols, animals, town, food, seasonal, plants).
Group: stamps of the same English text, such as a letter filled and outlined. Test: 30 % of the groups of each class,
drawn with a fixed seed, as the collection has no split of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crossdistill.data.folders import new_folder, require_new, write_csv
from crossdistill.data.readers.text import hashed
from crossdistill.datasets.media_release import Prepared, Row, files_below, path_from, read_lines, require_folder
from crossdistill.types import InputError

PLACES = ("", "stamps", "tuxpaint/stamps", "share/tuxpaint/stamps", "usr/share/tuxpaint/stamps")
"""Where the collection lies in a folder that is given: it itself, or what the package was unpacked to."""

CLASSES = 6
_TEST_SHARE, _SPLIT_SEED = 0.3, 0


class Stamp(NamedTuple):
    """One of the collection: its name, which is its path without the ending, its class, text and two files."""

    name: str
    label: str
    text: str
    picture: Path
    speech: Path


def prepare(source: Path, folder: Path, language: str = "es") -> Prepared:
    """A manifest of the stamps that have a picture, a text and speech in the language, written to `folder`.

    Raises InputError where the collection is not in `source`, or too few of its stamps are spoken of in the language.
    """
    require_new(folder)
    root = _root(source)
    names = {path.relative_to(root).as_posix(): path for path in files_below(root)}
    pictures = {name[:-4]: path for name, path in names.items() if name.endswith(".png")}
    stamps = [stamp for name in sorted(pictures) if (stamp := _stamp(name, names, language)) is not None]
    counts = Counter(stamp.label for stamp in stamps)
    classes = {label for label, count in counts.most_common(CLASSES) if count > 1}
    if len(classes) < 2:
        spoken = Counter(match[1] for name in names if (match := re.search(r"_desc_(\w+)\.ogg$", name)))
        known = ", ".join(f"{other} ({count:,})" for other, count in spoken.most_common(8)) or "none"
        raise InputError(f"--language {language}: too few stamps are spoken of in it; languages: {known}")
    kept = [stamp for stamp in stamps if stamp.label in classes]
    rows = _rows(kept, path_from(folder))
    with new_folder(folder) as written:
        write_csv(written / "manifest.csv", {key: [row[key] for row in rows] for key in rows[0]})
        np.save(written / "words.npy", hashed([stamp.text for stamp in kept]).toarray())
    left = sum(counts.values()) - len(kept)
    notes = [
        f"Pictures: {len(pictures):,}; with a text and speech ({language}): {len(stamps):,}; in the {len(classes)} "
        f"largest classes: {len(kept):,}, the others ({left:,}) are left out",
        "The files stay where they are; they are under the GNU General Public License 2",
    ]
    return Prepared(folder, rows, notes)


def _root(source: Path) -> Path:
    require_folder(source)
    for place in PLACES:
        if (source / place / "animals").is_dir():
            return source / place
    raise InputError(
        f"{source}: expected the stamps' folders (animals, food, ...) in it or in {PLACES[-1]} below it; they come "
        "with Debian's package tuxpaint-stamps-default, to /usr/share/tuxpaint/stamps"
    )


def _stamp(name: str, names: dict[str, Path], language: str) -> Stamp | None:
    """The stamp of this name, where it has all three."""
    text, speech = names.get(f"{name}.txt"), names.get(f"{name}_desc_{language}.ogg")
    if text is None or speech is None or "/" not in name:
        return None
    english = next(iter(read_lines(text)), "")
    return Stamp(name, name.split("/")[0], english, names[f"{name}.png"], speech) if english else None


def _rows(stamps: Sequence[Stamp], cell: Callable[[Path], str]) -> list[Row]:
    """A row of the manifest for each stamp."""
    groups = [" ".join(re.findall(r"\w+", stamp.text.lower())) or stamp.name for stamp in stamps]
    tested = _tested([stamp.label for stamp in stamps], groups)
    return [
        {
            "id": stamp.name,
            "split": "test" if group in tested else "train",
            "label": stamp.label,
            "group": group,
            "caption": stamp.text,
            "picture": cell(stamp.picture),
            "speech": cell(stamp.speech),
            "text:text": stamp.text,
            "words": f"words.npy#{row}",
        }
        for row, (stamp, group) in enumerate(zip(stamps, groups, strict=True))
    ]


def _tested(labels: Sequence[str], groups: Sequence[str]) -> set[str]:
    """Whole groups, of each class in turn until they make up its share; at least one stays for training."""
    label_of = dict(zip(reversed(groups), reversed(labels), strict=True))  # a group of two classes counts to its first
    sizes = Counter(groups)
    tested: set[str] = set()
    for number, label in enumerate(sorted(set(label_of.values()))):
        own = sorted(group for group in sizes if label_of[group] == label)
        wanted = _TEST_SHARE * sum(sizes[group] for group in own)
        drawn = 0
        for place in np.random.default_rng([_SPLIT_SEED, number]).permutation(len(own))[:-1]:
            if drawn + sizes[own[place]] <= wanted + 0.5:
                tested.add(own[place])
                drawn += sizes[own[place]]
    return tested
