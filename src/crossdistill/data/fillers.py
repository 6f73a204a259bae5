"""Words that tables have in the place of something that is missing."""

from __future__ import annotations

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

_LONGEST_FILLER = 20
"""Characters that these have at most."""


def is_filler(cell: str) -> bool:
    """Whether a cell says by a known word that a number is missing."""
    return len(word := cell.strip()) < _LONGEST_FILLER and word.casefold() in _FILLERS
