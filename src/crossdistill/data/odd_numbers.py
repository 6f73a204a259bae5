"""Columns of texts that mean numbers: most of their cells do, or most of those that do not say that one is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossdistill.data.notations import KNOWN_UNIT, OTHER, Meant, meaning

_FILLERS = frozenset(
    {
        *("-", "--", "---", ".", "..", "...", "?", "??", "???", "*", "/", "\\", "x", "_", "\N{HORIZONTAL ELLIPSIS}"),
        *("na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>", "(na)", "nan", "-nan", "nat", "nd", "n.d.", "n/d"),
        *("inf", "-inf", "+inf", "infinity", "-infinity", "1.#inf", "-1.#inf", "1.#qnan", "-1.#ind", "1.#ind"),
        *("#div/0!", "#ref!", "#value!", "#num!", "#name?", "#null!", "null", "nil", "none", "<none>", "undefined"),
        *("unknown", "unk", "missing", "unavailable", "not available", "not applicable", "not measured", "no data"),
        *("not known", "not recorded", "blank", "empty", "error", "invalid", "tbd", "tba", "no value", "no answer"),
    }
)
"""What tables have in the place of a number that is missing, in small letters."""
_FEW = 3
"""Different numbers that make a column whose other cells all are one text one of numbers."""
_LONGEST_FILLER = 20
"""Characters that these have at most."""


@dataclass(frozen=True)
class Odd:
    """The cell that makes texts of a column of numbers: which it is, and what it means; units: whether the column has
    several."""

    place: int
    meant: Meant
    units: bool


def odd_number(cells: Sequence[str]) -> Odd | None:
    """The first of these that is no number as it stands, where most of them are, or would be without what is around
    them; most of those that are there, where others say that a number is missing. None where they are texts."""
    numbers = _numbers(cells, with_units=True)
    odd = [cell for cell, each in numbers.items() if each.form != "number"]
    odd = odd or [cell for cell in dict.fromkeys(cells) if numbers and cell not in numbers]
    units = {each.unit for each in numbers.values() if each.unit}
    return Odd(cells.index(odd[0]), numbers.get(odd[0], OTHER), len(units) > 1) if odd else None


def number_written(cells: Sequence[str]) -> str:
    """The first of these that means a number, where most do as in `odd_number`; empty where they are texts, as numbers
    with a unit are here, too."""
    return next(iter(_numbers(cells, with_units=False)), "")


def _numbers(cells: Sequence[str], with_units: bool) -> dict[str, Meant]:
    """Those of these that mean numbers, and what they mean; nothing where they are texts.

    with_units: whether numbers with a unit behind them are such
    """
    times = Counter(cells)
    meant = _fitting({cell: OTHER if _is_filler(cell) else meaning(cell) for cell in times}, times, with_units)
    numbers = {cell: each for cell, each in meant.items() if each.form != "other"}
    are_most = 2 * sum(times[cell] for cell in numbers) > len(cells)
    return numbers if are_most or _are_there(numbers, times) else {}


def _are_there(numbers: Mapping[str, Meant], times: Mapping[str, int]) -> bool:
    """Whether the cells beside these numbers, half or more of all, say that there is none: they all are one text, or
    without known words for that most cells are numbers."""
    others = times.keys() - numbers.keys()
    unknown = {cell for cell in others if not _is_filler(cell)}
    if len({cell.casefold() for cell in unknown}) <= 1:
        return len(numbers) >= (_FEW if unknown else 2)
    known = len(unknown) < len(others) and len(numbers) >= _FEW
    return known and sum(times[cell] for cell in numbers) > sum(times[cell] for cell in unknown)


def _is_filler(cell: str) -> bool:
    """Whether a cell says by a known word that a number is missing."""
    return len(cell) < _LONGEST_FILLER and cell.strip().casefold() in _FILLERS


def _fitting(meant: dict[str, Meant], times: Mapping[str, int], with_units: bool) -> dict[str, Meant]:
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
        if each.unit and not (with_units and (each.unit == most or KNOWN_UNIT.fullmatch(each.unit))):
            return False
        return not (each.shape and are_codes) and (are_vectors or not each.whole)

    return {cell: each if fits(each) else OTHER for cell, each in meant.items()}


def _is_code(shape: str) -> bool:
    """Whether digits that all cells have in the same groups are no numbers, but one of a phone: 999 999 9999."""
    groups = shape.split()
    return 1 < len(groups) < 5 and sum(map(len, groups)) >= 7 and set(shape) == {"9", " "}
