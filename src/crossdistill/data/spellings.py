"""Names that may be one and the same, spelled in several ways."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from crossdistill.data.cells import is_number, with_ascii_minus
from crossdistill.data.labels import few_of
from crossdistill.types import TaskKind

_NAMED = 3
"""Pairs of groups that a line names; of more it says how many there are."""

_ZEROS = re.compile(r"(?<![0-9])(?<![0-9]\.)0+(?=[0-9])")


def told_apart(names: Iterable[str], task: TaskKind) -> list[str]:
    """A line for each set of classes or labels whose names are one number, such as 0 and 0.0, or differ in nothing but
    capitals, the space around them, zeros before a number or how letters are composed; none of a regression's numbers,
    which are columns."""
    alike: defaultdict[Decimal | str, list[str]] = defaultdict(list)
    for name in names if task != "regression" else ():
        alike[_meant(name)].append(name)
    what = "labels" if task == "multilabel" else "classes"
    return [
        f"{' and '.join(_shown(same))} are taken for {len(same)} {what}; spell them alike where they are one"
        for same in alike.values()
        if len(same) > 1
    ]


def groups_told_apart(trained: Iterable[str], measured: Iterable[str]) -> list[str]:
    """A line where groups of training samples and of measured ones differ as little as that: they would be on both
    sides, if they are one."""
    meant: dict[Decimal | str, str] = {_meant(name): name for name in trained}
    known = set(meant.values())
    pairs = [(meant[_meant(name)], name) for name in measured if name not in known and _meant(name) in meant]
    if not pairs:
        return []
    named = few_of([" and ".join(_shown(pair)) for pair in pairs], _NAMED)
    return [f"groups that differ in spelling alone are in train and are measured, as others: {named}; spell them alike"]


def _meant(name: str) -> Decimal | str:
    text = with_ascii_minus(unicodedata.normalize("NFC", name)).strip()
    return Decimal(text) if is_number(text) else _ZEROS.sub("", " ".join(text.casefold().split()))


def _shown(names: Iterable[str]) -> list[str]:
    """The names in quotes, letters as numbers where they look alike but are composed in other ways."""
    names = list(names)
    looks = {unicodedata.normalize("NFC", name) for name in names}
    return [ascii(name) if len(looks) < len(names) else repr(name) for name in names]
