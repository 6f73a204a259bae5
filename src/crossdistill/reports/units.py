"""The unit of inference: runs whose labels are of the same groups are no independent repetitions of one another."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence


def unit_of(seed: int, fold: int, *labelled: str) -> Hashable:
    """What runs share that count as one: fold and labelled groups, or fold and seed where none were drawn.

    labelled: of each side of a comparison, the names of the groups that kept their labels as one text, "" for none
    """
    return (fold, *labelled) if any(labelled) else (fold, seed)


def study_units(labelled: Mapping[tuple[int, int], str]) -> dict[tuple[int, int], Hashable]:
    """Fold and seed -> unit, where a study tests several folds in turn: runs of one test the same people, whoever is
    labelled, so the fold is the unit; else as of `unit_of`.

    labelled: fold and seed -> the groups that kept their labels, "" for none

    >>> study_units({(0, 0): "Ann", (0, 1): "Bob", (1, 0): "Bob"})
    {(0, 0): 0, (0, 1): 0, (1, 0): 1}
    """
    in_turn = len({fold for fold, _ in labelled}) > 1
    return {
        (fold, seed): fold if in_turn and groups else unit_of(seed, fold, groups)
        for (fold, seed), groups in labelled.items()
    }


def unit_means(units: Iterable[Hashable], values: Sequence[float]) -> list[float]:
    """The mean of the values of each unit, in the order in which units first occur: what a test or an interval takes.

    >>> unit_means(["Ann", "Bob", "Ann"], [0.5, 0.75, 0.75])
    [0.625, 0.75]
    """
    gathered: dict[Hashable, list[float]] = {}
    for unit, value in zip(units, values, strict=True):
        gathered.setdefault(unit, []).append(value)
    return [math.fsum(own) / len(own) for own in gathered.values()]
