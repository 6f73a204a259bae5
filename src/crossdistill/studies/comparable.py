"""Which configurations may stand in one comparison: known before a run, as afterwards it would cost them all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from crossdistill.data import MultimodalDataset
from crossdistill.recipes.deciding import DECIDE_SPLITS
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.data import load_dataset
from crossdistill.types import InputError

_MEASURED_ON = ("target", "task", "evaluate_on")


def require_comparable(recipes: Iterable[Recipe]) -> None:
    """Raise InputError where recipes are measured on different things, which no report compares; those that measure
    nothing stand beside any."""
    measured = [recipe for recipe in recipes if recipe.data.evaluate_on != "none"]
    for recipe in measured:
        for name in _MEASURED_ON:
            one, other = (_told(getattr(of.data, name)) for of in (recipe, measured[0]))
            if one != other:
                raise _different(recipe, measured[0], f"data.{name} is {one} and {other}")
    of_each_source = list({recipe.data.source: recipe for recipe in reversed(measured)}.values())[::-1]
    if len(of_each_source) > 1:
        _require_same_samples(of_each_source)


def _require_same_samples(recipes: Sequence[Recipe]) -> None:
    datasets = [load_dataset(recipe.data) for recipe in recipes]
    for (other, against), (recipe, dataset) in itertools.combinations(zip(recipes, datasets, strict=True), 2):
        if parts := _differing(dataset, against, recipe, other):
            sources = f"{recipe.data.source} and {other.data.source}"
            raise _different(recipe, other, f"{', '.join(parts)} differ in {sources}")


def _differing(dataset: MultimodalDataset, against: MultimodalDataset, recipe: Recipe, other: Recipe) -> list[str]:
    """What two data sets do not have in common of what a comparison measures on."""
    split = "folds" if recipe.data.fold >= 0 else "splits"
    drawn_alike = all(getattr(recipe.data, name) == getattr(other.data, name) for name in DECIDE_SPLITS)
    parts = ("ids", "labels", "classes", *((split,) if drawn_alike else ()))
    return [part for part in parts if not _same(getattr(dataset, part), getattr(against, part))]


def _same(one: npt.ArrayLike, other: npt.ArrayLike) -> bool:
    first, second = np.asarray(one), np.asarray(other)
    return np.array_equal(first, second, equal_nan=first.dtype.kind == second.dtype.kind == "f")


def _different(one: Recipe, other: Recipe, found: str) -> InputError:
    names = " and ".join(recipe.label or recipe.method for recipe in (one, other))
    return InputError(f"{names}: {found}; what is compared has the same samples and labels; compare these apart")


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
