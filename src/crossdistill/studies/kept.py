"""Finished runs that a study keeps: whether they are of the data that there are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from crossdistill.data import MultimodalDataset
from crossdistill.data.fingerprint import differing, fingerprint
from crossdistill.models.storage import CONFIG, read_config
from crossdistill.recipes.recipe import DataSettings, Recipe
from crossdistill.runs.data import load_dataset, split_dataset
from crossdistill.runs.measure import fingerprint_in
from crossdistill.types import InputError


def require_same_data(kept: Mapping[Path, Recipe]) -> None:
    """Raise InputError where a finished run is of other data than its recipe has now: beside new runs its numbers would
    be of something else."""
    for _, line in of_other_data(kept):
        raise InputError(line)


def of_other_data(kept: Mapping[Path, Recipe]) -> Iterator[tuple[Path, str]]:
    """The finished runs that are of other data than their recipes have now, or of which that cannot be told, with a
    line for each. Recipes that read the same share what is loaded."""
    loaded: list[tuple[DataSettings, MultimodalDataset]] = []
    for folder, recipe in kept.items():
        try:
            changed = _changed(folder, recipe, loaded)
        except InputError as error:
            yield folder, str(error)
            continue
        if changed:
            yield (
                folder,
                f"{folder}: finished on other data: {', '.join(changed)} differ from what {recipe.data.source} has "
                "now; give it the same data, delete the folder to train it anew, or choose another --out",
            )


def _changed(folder: Path, recipe: Recipe, loaded: list[tuple[DataSettings, MultimodalDataset]]) -> list[str]:
    """The parts of the data that are others than when the run was trained; loaded: what was read before, to which this
    adds."""
    before = fingerprint_in(read_config(folder)[1]) if (folder / CONFIG).is_file() else {}
    if not before:
        return []
    read = _as_loaded(recipe.data)
    dataset = next((dataset for settings, dataset in loaded if settings == read), None)
    if dataset is None:
        dataset = load_dataset(read)
        loaded.append((read, dataset))
    now = fingerprint(split_dataset(dataset, replace(recipe.data, in_memory=False), recipe.seed))
    return [part for part in differing(before, now) if part in before and part in now]


def _as_loaded(settings: DataSettings) -> DataSettings:
    """The settings with what decides what is loaded, and not which of it a run uses."""
    return DataSettings(
        settings.source,
        settings.target,
        settings.auxiliary,
        readers=settings.readers,
        strict=settings.strict,
        allow_outside=settings.allow_outside,
        task=settings.task,
    )
