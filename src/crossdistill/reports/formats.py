"""Numbers as readers see them: %, points, intervals, p-values, lists of names."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdistill.tasks import in_percent
from crossdistill.tasks.measures import NONE as NONE  # of reports, too


def percent(value: float) -> str:
    return NONE if math.isnan(value) else _signless_zero(in_percent(value))


def with_ci(value: float, half_width: float) -> str:
    return percent(value) if math.isnan(half_width) else f"{percent(value)} ± {percent(half_width)}"


def points(value: float) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return NONE if math.isnan(value) else _signless_zero(f"{'' if value < 0 else '+'}{in_percent(value)}")


def interval(value: float, half_width: float) -> str:
    return NONE if math.isnan(half_width) else f"{points(value - half_width)} to {points(value + half_width)}"


def p_value(value: float) -> str:
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def listed(names: Sequence[str]) -> str:
    """One phrase of several names; semicolons where a name holds a comma itself."""
    if len(names) == 1:
        return names[0]
    comma = ";" if any("," in name for name in names) else ","
    last = f"{comma} and " if comma == ";" else " and "
    return f"{f'{comma} '.join(names[:-1])}{last}{names[-1]}"


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def capitalised(words: str) -> str:
    """With a capital at the beginning, and the rest as it is: R² stays R²."""
    return words[:1].upper() + words[1:]


def spanned(counts: Sequence[int]) -> str:
    """Fewest and most, as in "1,143" or "86 to 121"."""
    least, most = min(counts), max(counts)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _signless_zero(text: str) -> str:
    return "0.0" if text in ("-0.0", "+0.0", "+-0.0") else text.replace("-", "−")
