"""Recipes as crossdistill 0.1 wrote them, read as what they mean today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from crossdistill.encoders.kinds import ENCODERS

_SETTINGS_OF_0_1 = {
    "width",
    "layers",
    "hidden",
    "dropout",
    "steps",
    "activation",
    "blocks",
    "channels",
    "midplanes",
    "cell",
    "bidirectional",
    "pooling",
}
"""What every encoder's entry had, whatever its kind."""

_MODEL_OF_0_1 = {"width", "dropout", "encoders", "auxiliary_encoders", "teacher", "separate_teacher"}
"""What the section `model` had, in the recipe of a run."""

_ONLINE_IN_0_1 = ("c2kd", "ccl")
"""Methods whose teacher was not trained before them."""


def from_0_1(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe's plain values, with the settings that 0.1 kept beside an encoder's kind below `settings`.

    An entry that 0.1 wrote has all of them, and those that its kind never read are left out. Any other content is given
    back as it is. Version 0.1 did not bound standardised inputs, nor train CCL's and C2KD's teachers before them; a
    recipe that it wrote as a whole, as the one of a run is, goes on without.
    """
    model = content.get("model")
    encoders = model.get("encoders") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(encoders, Mapping):
        return content
    converted = {name: _converted(entry) for name, entry in encoders.items()}
    as_it_was: dict[str, Any] = {"input_bound": 0.0} if set(model) == _MODEL_OF_0_1 else {}
    if as_it_was and content.get("method") in _ONLINE_IN_0_1 and model["teacher"] == "by_method":
        as_it_was["teacher"] = "online"
    return {**content, "model": {**model, **as_it_was, "encoders": converted}}


def _converted(entry: Any) -> Any:
    if not isinstance(entry, Mapping) or not _SETTINGS_OF_0_1 & set(entry):
        return entry
    kind = ENCODERS.get(str(entry.get("kind")))
    read = {field.name for field in fields(kind.settings)} if kind else {"width"}
    written = set(entry) >= _SETTINGS_OF_0_1
    keys = [key for key in entry if key in _SETTINGS_OF_0_1 and (key in read or not written)]
    settings = {key: entry[key] for key in keys if (key, entry[key]) != ("pooling", "auto")}
    others = {key: value for key, value in entry.items() if key not in _SETTINGS_OF_0_1}
    given = others.get("settings", {})
    return {**others, "settings": {**settings, **given} if isinstance(given, Mapping) else given}
