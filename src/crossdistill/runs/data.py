"""From a recipe's data settings to the data set of a run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.data.dataset import in_memory
from crossdistill.data.splits import MEASURED, require_groups_apart
from crossdistill.datasets import BUNDLED
from crossdistill.recipes.recipe import FROM_PYTHON, DataSettings, Recipe
from crossdistill.types import InputError


def load_dataset(settings: DataSettings) -> MultimodalDataset:
    """The recipe's source, with its own split. Raises InputError when something is missing or wrong."""
    if settings.source.startswith(FROM_PYTHON):
        raise InputError(
            f"data.source: {settings.source} was given as arrays; from Python, pass it again as dataset=. "
            "`crossdistill.load(RUN)` predicts without it"
        )
    if settings.source in BUNDLED:
        bundled = BUNDLED[settings.source]()
        if settings.task != bundled.task:
            raise InputError(f"data.task: expected {bundled.task} for {settings.source}, found {settings.task}")
        return bundled
    if not Path(settings.source).exists():
        raise InputError(
            f"data.source: {settings.source}: manifest not found; `crossdistill prepare` makes one of a data set "
            "(--help lists them) and says what comes next; one that has moved is named by --data.source"
        )
    return data.read_manifest(
        Path(settings.source),
        only=(*settings.target, *settings.auxiliary),
        required=settings.target,
        readers=settings.readers,
        allow_outside=settings.allow_outside,
        strict=settings.strict,
        task=settings.task,
    )


def split_dataset(dataset: MultimodalDataset, settings: DataSettings, seed: int) -> MultimodalDataset:
    """The recipe's modalities of a data set, and its split. Raises InputError when something is missing or wrong."""
    dataset = dataset.only([*settings.target, *settings.auxiliary])
    if settings.fold >= 0:
        dataset = data.with_fold(dataset, settings.fold)
    keep_apart = len(splits_in_use(settings)) > 1 and not settings.allow_shared_groups
    judged = ("validation",) if settings.evaluate_on == "none" else MEASURED
    if keep_apart:
        require_groups_apart(dataset, judged)
    if "validation" in splits_in_use(settings):
        dataset = data.with_validation(dataset, settings.validation_fraction, seed, settings.evaluate_on != "test")
        if keep_apart:
            require_groups_apart(dataset, judged)
    dataset = data.with_labels(dataset, settings.labelled, settings.labelled_groups, seed)
    if settings.balanced or settings.class_weights:
        dataset = data.with_class_weights(dataset, None if settings.balanced else settings.class_weights)
    splits = splits_in_use(settings)
    for split in splits:
        _require_samples(dataset, split, settings.target)
    if settings.in_memory:  # of the splits in use alone: tuning must not read the test samples
        dataset = in_memory(dataset, np.concatenate([dataset.rows(split) for split in splits]))
    return data.with_control(dataset, settings.control, settings.target, settings.auxiliary, seed)


def splits_in_use(settings: DataSettings) -> list[str]:
    """The training split, and those that are measured where there are any, that of the finished run last."""
    measured = {settings.choose_epoch_on: None, settings.evaluate_on: None}
    return ["train", *(split for split in measured if split != "none")]


def split_after_epochs(settings: DataSettings) -> str:
    """The split that is measured after each epoch, or none."""
    return settings.evaluate_on if settings.choose_epoch_on == "none" else settings.choose_epoch_on


def epochs_between_measurements(recipe: Recipe, dataset: MultimodalDataset) -> int:
    """After how many epochs `split_after_epochs` is measured: what the recipe says or, by itself, so rarely that it is
    about a twentieth of the training, in which a sample costs at most 0.6 of its share of a step to predict."""
    if recipe.evaluate_every != "auto":
        return recipe.evaluate_every
    split = split_after_epochs(recipe.data)
    if split == "none" or recipe.data.choose_epoch_on != "none":
        return 1
    return max(1, math.ceil(12 * len(dataset.rows(split)) / len(dataset.rows("train"))))


def is_drawn(settings: DataSettings) -> bool:
    """Whether the seed decides which samples are in which split or keep their labels."""
    return "validation" in splits_in_use(settings) or settings.labelled < 1 or settings.labelled_groups > 0


def build_dataset(settings: DataSettings, seed: int = 0) -> MultimodalDataset:
    """`load_dataset`, then `split_dataset`."""
    return split_dataset(load_dataset(settings), settings, seed)


def _require_samples(dataset: MultimodalDataset, split: str, target: tuple[str, ...]) -> None:
    rows = dataset.rows(split)
    if len(rows) == 0:
        without = "" if split == "train" else "; data.evaluate_on none trains without measuring"
        raise InputError(f"{dataset.place}: expected samples of split {split!r}, found none{without}")
    for name in target:
        if len(lacking := rows[~dataset.present([name])[rows]]):
            raise InputError(f"{dataset.place}: sample '{dataset.ids[lacking[0]]}' lacks the target modality '{name}'")
