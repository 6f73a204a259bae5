"""Finished runs that a study keeps: whether they are of the data that there are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from crossdistill.data import MultimodalDataset
from crossdistill.data.fingerprint import differing, fingerprint
from crossdistill.models.storage import CONFIG, read_config
from crossdistill.recipes.recipe import DataSettings, Recipe
from crossdistill.runs.data import load_dataset, split_dataset
from crossdistill.types import InputError

_AS_LOADED = DataSettings()
"""Of which the fields stand that change nothing of what is loaded, but which of it a run uses."""


def require_same_data(kept: Mapping[Path, Recipe]) -> None:
    """Raise InputError where a finished run is of other data than its recipe has now: beside new runs its numbers would
    be of something else. Recipes that read the same share what is loaded."""
    loaded: list[tuple[DataSettings, MultimodalDataset]] = []
    for folder, recipe in kept.items():
        before = _data_of(folder)
        if not before:
            continue
        read = _as_loaded(recipe.data)
        dataset = next((dataset for settings, dataset in loaded if settings == read), None)
        if dataset is None:
            dataset = load_dataset(read)
            loaded.append((read, dataset))
        now = fingerprint(split_dataset(dataset, replace(recipe.data, in_memory=False), recipe.seed))
        if changed := [part for part in differing(before, now) if part in before and part in now]:
            raise InputError(
                f"{folder}: finished on other data: {', '.join(changed)} differ from what {recipe.data.source} has "
                "now; give it the same data, delete the folder to train it anew, or choose another --out"
            )


def _data_of(folder: Path) -> Mapping[str, str]:
    """The fingerprint of the data of the folder's run; nothing where it does not say, as in 0.1."""
    described = read_config(folder)[1].get("data") if (folder / CONFIG).is_file() else None
    found = described.get("fingerprint") if isinstance(described, dict) else None
    return found if isinstance(found, dict) else {}


def _as_loaded(settings: DataSettings) -> DataSettings:
    """The settings without what decides only which of the loaded samples and labels are used."""
    return replace(
        settings,
        fold=_AS_LOADED.fold,
        evaluate_on=_AS_LOADED.evaluate_on,
        control=_AS_LOADED.control,
        labelled=_AS_LOADED.labelled,
        labelled_groups=_AS_LOADED.labelled_groups,
        choose_epoch_on=_AS_LOADED.choose_epoch_on,
        balanced=_AS_LOADED.balanced,
        class_weights=_AS_LOADED.class_weights,
    )
