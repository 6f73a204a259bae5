"""Names that may be one and the same, spelled in several ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from crossdistill.data.cells import is_number
from crossdistill.types import TaskKind


def told_apart(names: Iterable[str], task: TaskKind) -> list[str]:
    """A line for each set of classes or labels whose names are one number, such as 0 and 0.0, or differ in nothing but
    capitals and the space around them; none of a regression's numbers, which are columns."""
    alike: defaultdict[Decimal | str, list[str]] = defaultdict(list)
    for name in names if task != "regression" else ():
        alike[_meant(name)].append(name)
    what = "labels" if task == "multilabel" else "classes"
    return [
        f"{' and '.join(map(repr, same))} are taken for {len(same)} {what}; spell them alike where they are one"
        for same in alike.values()
        if len(same) > 1
    ]


def _meant(name: str) -> Decimal | str:
    text = name.strip()
    return Decimal(text) if is_number(text) else text.casefold()
