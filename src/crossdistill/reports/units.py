"""The unit of inference: runs whose labels are of the same groups are no independent repetitions of one another."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence


def study_units(labelled: Mapping[tuple[int, int], Hashable], in_turn: bool = False) -> dict[tuple[int, int], Hashable]:
    """Fold and seed -> what runs share that count as one.

    In a study that tests several folds in turn it is the fold: its runs test the same people or samples, whoever is
    labelled. On one split it is the set of groups that kept their labels or, where none were drawn, each seed.

    labelled: fold and seed -> the groups that kept their labels, in a comparison those of both sides; "" for none
    in_turn: whether the study has other folds than these

    >>> study_units({(0, 0): "Ann", (0, 1): "Bob", (1, 0): "Bob"})
    {(0, 0): 0, (0, 1): 0, (1, 0): 1}
    >>> study_units({(-1, 0): "Ann", (-1, 1): "Bob", (-1, 2): "Ann"})
    {(-1, 0): 'Ann', (-1, 1): 'Bob', (-1, 2): 'Ann'}
    >>> study_units({(0, 0): "", (0, 1): "", (1, 0): ""})
    {(0, 0): 0, (0, 1): 0, (1, 0): 1}
    """
    in_turn = in_turn or len({fold for fold, _ in labelled}) > 1
    return {(fold, seed): fold if in_turn else (groups or (fold, seed)) for (fold, seed), groups in labelled.items()}


def unit_means(units: Iterable[Hashable], values: Sequence[float]) -> list[float]:
    """The mean of the values of each unit, in the order in which units first occur: what a test or an interval takes.

    >>> unit_means(["Ann", "Bob", "Ann"], [0.5, 0.75, 0.75])
    [0.625, 0.75]
    """
    gathered: dict[Hashable, list[float]] = {}
    for unit, value in zip(units, values, strict=True):
        gathered.setdefault(unit, []).append(value)
    return [math.fsum(own) / len(own) for own in gathered.values()]
