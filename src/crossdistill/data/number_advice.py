"""What to write in the place of a cell that is no number in a column of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from crossdistill.data.cells import is_time, numbers_meant
from crossdistill.data.fillers import is_filler
from crossdistill.data.notations import ONE, Meant
from crossdistill.data.odd_numbers import TIMES, Odd, odd_number

_PARTED = re.compile(r"(?<![0-9.,'_])(?<![0-9]\s)([1-9][0-9]{0,2})([.,])([0-9]{3})(?![0-9.,eE])")
"""Digits with a comma or point that parts thousands, or that is a decimal one."""

OF_TIMES = "make numbers of times, such as seconds since the first"
"""What to do where cells are times."""
_LOOKED_AT = 1000
"""Other cells of a column that say what its cells are."""


def advice(cell: str, odd: Odd, name: str) -> str:
    """How to mend the cell, for an error: the number that it means where that is sure, both where it may be two.

    odd: what the cell means, beside the column's others; name: of the column
    """
    point, plain = numbers_meant(cell)
    if point and plain:
        return f"numbers have no comma: write {plain} where it parts thousands, {point} where it is a decimal comma"
    if plain:
        return f"numbers have no comma between thousands: {plain}"
    if point:
        return f"numbers have a decimal point: {point}"
    meant = odd.meant
    kind = "unit" if meant.unit or meant.form == "units" else "currency" if meant.currency else ""
    if meant.form == "units" or (odd.several and kind):
        mended = _one_unit(cell, meant, kind)
    elif meant.form in ONE:
        mended = _one_number(cell, meant, kind, name)
    else:
        mended = _several_numbers(meant, name)
    return f"{mended}, and what its sign says in a column of its own" if meant.bound else mended


def hint(cell: str, cells: Iterable[str], name: str) -> str:
    """What to write in the place of a cell that is no number, to end an error with; empty where it means none.

    cells: the column's others, which say what its cells are; name: of the column
    """
    if is_time(cell):
        return f"; {OF_TIMES}"
    odd = odd_number([cell, *islice(filter(None, cells), _LOOKED_AT)]) or odd_number([cell])
    if odd is None or odd.place or odd.meant.form == "other" or is_filler(cell):
        return ""
    return f"; {advice(cell, odd, name)}"


def _one_unit(cell: str, meant: Meant, kind: str) -> str:
    """Where the column has several units or currencies; a known multiple, such as k, is written out."""
    mended = f"numbers have no {kind}: write all in one {kind}, and that in the column's name, if anywhere"
    factor = TIMES.get(meant.unit)
    if not factor or meant.form not in ONE or _two_readings(cell, meant):
        return mended
    number = f"{(Decimal(meant.numbers[0]) * factor).normalize():f}"
    return f"{mended}; where {meant.unit} means {factor:,}, this is {_in_brackets(number, cell)}"


def _one_number(cell: str, meant: Meant, kind: str, name: str) -> str:
    readings = _two_readings(cell, meant)
    number = readings or _in_brackets(meant.numbers[0], cell)
    if kind:
        return f"numbers have no {kind}: {number}, and the {kind} in the column's name, if anywhere"
    if readings or meant.form not in ("points", "spaces", "thousands"):
        return f"write {number}"
    more = {
        "points": "; take such points away in all cells (12.500 would be 12.5)",
        "spaces": f", or write {_a_column_each(name)}",
    }
    return f"numbers have nothing between thousands: {number}{more.get(meant.form, '')}"


def _several_numbers(meant: Meant, name: str) -> str:
    """Where a cell holds several numbers, or nothing that is known."""
    number, *more = meant.numbers or ("",)
    if meant.form == "error":
        return f"write {number}, and {''.join(more)} in a column of its own"
    if meant.form == "fraction":
        return f"write {number or 'it as a decimal number'}, or {_a_column_each(name)}"
    if meant.form in ("pair", "several"):
        return f"write {_a_column_each(name)}"
    return "mend it, or leave the cell empty"


def _a_column_each(name: str) -> str:
    return f"a column for each number, {name}_1, {name}_2, or .npy files"


def _in_brackets(number: str, cell: str) -> str:
    """A number as it is said where a cell may have it in brackets in the place of a minus."""
    may_be_less = cell.startswith("(") and not number.startswith("-")
    return f"{number}, or -{number} where brackets mean less than 0" if may_be_less else number


def _two_readings(cell: str, meant: Meant) -> str:
    """The two numbers that a cell may mean whose only comma or point is before three digits; empty for another, and
    where the point has neither unit nor currency."""
    match = _PARTED.search(cell)
    if not match or not (match[2] == "," or meant.unit or meant.currency):
        return ""
    sign = "-" if meant.numbers[0].startswith("-") else ""
    called = "comma" if match[2] == "," else "point"
    minus = ", with a minus where brackets mean less than 0" if cell.startswith("(") else ""
    return (
        f"{sign}{match[1]}{match[3]} where the {called} parts thousands, {sign}{match[1]}.{match[3]} where it is a "
        f"decimal {called}{minus}"
    )
