"""What of a recipe decides what comes of a run, so that two runs can be told to be of one recipe or of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdistill.recipes.files import leaves

_SECTIONS = ("machine.",)
_FIELDS = frozenset(
    {
        "name",
        "seed",
        "checkpoint_every",
        "checkpoint_minutes",
        "tensorboard",
        "tracker",
        "data.source",
        "data.fold",
        "data.evaluate_on",
        "data.in_memory",
        "data.strict",
        "data.allow_outside",
        "data.allow_shared_groups",
        "optimization.chunk_size",
    }
)
"""In which repetitions of a run may differ: where it computes, what it writes and measures, and what makes it another
repetition."""


DECIDE_SPLITS = ("fold", "evaluate_on", "choose_epoch_on", "validation_fraction")
"""Fields of `data` that decide, with the seed, which samples are in which split."""


def deciding(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted name -> value of what repetitions of a run have in common, of a recipe's plain fields by section.

    >>> deciding({"epochs": 3, "seed": 1, "data": {"source": "mine", "labelled": 0.5}, "machine": {"threads": 1}})
    {'epochs': 3, 'data.labelled': 0.5}
    """
    found = {name: value for name, value in leaves(fields) if name not in _FIELDS and not name.startswith(_SECTIONS)}
    if found.get("data.choose_epoch_on", "none") == "none":
        found.pop("evaluate_every", None)  # for the curves alone
    return found


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first field that both have and that differs, empty where none does; what one alone has came with another
    version of the library.

    >>> first_difference({"epochs": 3, "width": 8}, {"width": 9, "dropout": 0.1})
    'width'
    """
    return next((name for name, value in one.items() if name in other and other[name] != value), "")
