"""What the trials of a search are of, so that it goes on, or gives its result, for that alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdistill.data.fingerprint import differing, fingerprint, surely_differing
from crossdistill.encoders.make import with_dropout
from crossdistill.listening import Listener
from crossdistill.plain import to_plain
from crossdistill.recipes.deciding import deciding, first_difference
from crossdistill.recipes.files import options_in
from crossdistill.recipes.recipe import DataSettings, Recipe
from crossdistill.runs.data import load_dataset
from crossdistill.types import InputError

if TYPE_CHECKING:
    import optuna

_RECIPE, _DATA, _SOURCE = "recipe", "data", "source"
"""Where a study keeps what decides its trials, the fingerprint of their data, and where these were."""
SEEDS = "--seeds"
SHARED_BY = "what the baseline's trials choose"
"""Whether other methods' trials have the shared settings as they stand, or as chosen for the baseline before."""
_DROPOUT = "encoders.dropout"
_SET_BY_IT = ("label", "role", "varied")
"""Fields that a search sets itself."""


def decided_by(recipe: Recipe, seeds: int, searched: Collection[str]) -> dict[str, Any]:
    """Dotted name -> plain value of all that decides what a trial of the recipe's method gives, but for the data and
    what is searched."""
    encoders = recipe.model.encoders
    without = {name: with_dropout(encoder, 0.0) for name, encoder in encoders.items()}
    bare = to_plain(replace(recipe, model=replace(recipe.model, encoders=without), options={}))
    found = deciding({**bare, recipe.method: to_plain(options_in(recipe, recipe.method))})
    found |= {SEEDS: seeds, "data.fold": recipe.data.fold}
    found[_DROPOUT] = {name: encoder.settings.get("dropout") for name, encoder in encoders.items()}
    names = {name if "." in name else f"{recipe.method}.{name}" for name in searched}
    kept = {name: value for name, value in found.items() if name not in names and name not in _SET_BY_IT}
    return kept | {SHARED_BY: sorted(name for name in searched if "." in name)}


@dataclass
class SearchedData:
    """The data of a search, read when somebody asks, and once.

    settings: where they are
    """

    settings: DataSettings
    _found: dict[str, str] = field(default_factory=dict)

    def fingerprint(self) -> Mapping[str, str]:
        """Raises InputError where they cannot be read."""
        if not self._found:
            self._found = fingerprint(load_dataset(self.settings))
        return self._found


def require_same_search(
    study: optuna.Study,
    now: Mapping[str, Any],
    data: SearchedData,
    place: str,
    *,
    is_over: bool,
    is_shared: bool,
    listener: Listener,
) -> None:
    """Raise InputError where the study has tried values for another recipe or on other data; else remember of which its
    trials are.

    now: as of `decided_by`; place: what holds the study; is_over: it has all trials that are asked for, so that data
    that are not there, but are named as they were, are not missed; is_shared: by machines, whose copies of the data may
    have files of other times; listener: hears of a study that does not say.
    """
    _require_same_recipe(study, now, place)
    before: Mapping[str, str] = study.user_attrs.get(_DATA, {})
    try:
        found = data.fingerprint()
    except InputError:
        if is_over and Path(study.user_attrs.get(_SOURCE, data.settings.source)) == Path(data.settings.source):
            return
        raise
    changed = surely_differing(before, found) if is_shared else differing(before, found)
    if before and changed:
        raise InputError(
            f"{place}: its trials are of other data: {', '.join(changed)} differ from what {data.settings.source} has "
            "now; give it the same data, or choose another --out"
        )
    if _RECIPE not in study.user_attrs and any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False)):
        listener.say(
            f"{place}: its trials do not say of which recipe and seeds they are, as in earlier versions; they are "
            "taken for this one's"
        )
    for key, value in {_RECIPE: dict(now), _DATA: dict(found), _SOURCE: data.settings.source}.items():
        if key not in study.user_attrs:
            study.set_user_attr(key, value)


def _require_same_recipe(study: optuna.Study, now: Mapping[str, Any], place: str) -> None:
    before: Mapping[str, Any] = study.user_attrs.get(_RECIPE, {})
    if name := first_difference(before, now):
        raise InputError(
            f"{place}: its trials are of another recipe (first difference: {name} was {before[name]}, is {now[name]}); "
            "give it the same, or choose another --out"
        )
