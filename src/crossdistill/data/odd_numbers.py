"""Columns of texts that mean numbers: most of their cells do, or most of those that do not say that one is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossdistill.data.fillers import is_filler
from crossdistill.data.notations import KNOWN_UNIT, OTHER, Meant, meaning

TIMES = {
    **dict.fromkeys(("k", "K", "thousand"), 10**3),
    **dict.fromkeys(("M", "Mio", "mio", "mn", "million", "millions"), 10**6),
    **dict.fromkeys(("bn", "Mrd", "mrd", "billion", "billions"), 10**9),
    **dict.fromkeys(("%", "‰", "percent", "pct"), 0),
}
"""Units that make another number of the one before them -> by how much, 0 for a part of it."""


@dataclass(frozen=True)
class Odd:
    """The cell that makes texts of a column of numbers: which it is, and what it means; several: whether the column
    has several units or currencies, or one such as % beside numbers without."""

    place: int
    meant: Meant
    several: bool


def odd_number(cells: Sequence[str]) -> Odd | None:
    """The first of these that is no number as it stands, where most of them are, or would be without what is around
    them; most of those that are there, where others say that a number is missing. None where they are texts."""
    numbers = _numbers(cells)
    odd = [cell for cell, each in numbers.items() if each.form != "number"]
    odd = odd or [cell for cell in dict.fromkeys(cells) if numbers and cell not in numbers]
    units = {each.unit.rstrip(".") for each in numbers.values()}
    currencies = {each.currency.rstrip(".") for each in numbers.values()}
    several = max(len(units - {""}), len(currencies - {""})) > 1 or (
        "" in units and any(map(TIMES.__contains__, units))
    )
    return Odd(cells.index(odd[0]), numbers.get(odd[0], OTHER), several) if odd else None


def number_written(cells: Sequence[str]) -> str:
    """The first of these that surely means a number, where most do as in `odd_number`; empty where they are texts."""
    return next(iter(_numbers(cells, only_sure=True)), "")


def _numbers(cells: Sequence[str], only_sure: bool = False) -> dict[str, Meant]:
    """Those of these that mean numbers, and what they mean; nothing where they are texts. Known words
    for that a number is missing do not count beside two different numbers or more.

    only_sure: whether what may be a text as well is one
    """
    times = Counter(cells)
    fillers = {cell for cell in times if is_filler(cell)}
    meant = _fitting({cell: OTHER if cell in fillers else meaning(cell) for cell in times}, times, only_sure)
    numbers = {cell: each for cell, each in meant.items() if each.form != "other"}
    there = len(cells) - (sum(times[cell] for cell in fillers) if len(numbers) > 1 else 0)
    return numbers if 2 * sum(times[cell] for cell in numbers) > there else {}


def _fitting(meant: dict[str, Meant], times: Mapping[str, int], only_sure: bool) -> dict[str, Meant]:
    """The same without numbers that the other cells speak against: those with a unit that is not theirs, and several
    whole ones that may be a code, a phone number or words of digits."""
    units: Counter[str] = Counter()
    for cell, each in meant.items():
        units[each.unit] += times[cell] if each.unit else 0
    most = max(units, key=lambda unit: units[unit], default="")
    several = [each for each in meant.values() if each.form == "several"]
    are_vectors = any(not each.whole for each in several) or len({each.length for each in several}) == 1
    shapes = {each.shape for each in meant.values() if each.shape}
    are_codes = len(shapes) == 1 and _is_code(next(iter(shapes)))

    def fits(each: Meant) -> bool:
        if (only_sure and not each.sure) or not (each.unit in ("", most) or KNOWN_UNIT.fullmatch(each.unit)):
            return False
        return not (each.shape and are_codes) and (are_vectors or not each.whole)

    return {cell: each if fits(each) else OTHER for cell, each in meant.items()}


def _is_code(shape: str) -> bool:
    """Whether digits that all cells have in the same groups are no numbers, but one of a phone: 999 999 9999."""
    groups = shape.split()
    return 1 < len(groups) < 5 and sum(map(len, groups)) >= 7 and set(shape) == {"9", " "}
