"""A small real problem that every method of the contract suite is put to: the smartwatch windows, made tiny."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from crossdistill.data import ArrayColumn, MultimodalDataset, from_arrays
from crossdistill.data.reading import PartialColumn
from crossdistill.datasets import BUNDLED
from crossdistill.encoders import Conv
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS, Method
from crossdistill.models import CrossModalModel
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.training import Machine, Optimization
from crossdistill.types import Batch, TrainingSamples

TARGET, AUXILIARY = ("gyroscope",), ("accelerometer",)
WIDTH, CLASSES = 16, 7
BATCH, STEPS = 64, 4
"""Steps of an epoch on `data()`, whose last batch is dropped as it is not full."""


@cache
def data() -> MultimodalDataset:
    """Every fourth window of the training subjects and every eighth of the tested ones."""
    whole = BUNDLED["watch"]()
    rows = np.concatenate([whole.rows("train")[::4], whole.rows("test")[::8]])
    return from_arrays(
        {name: whole.columns[name].fetch(rows) for name in TARGET + AUXILIARY},
        whole.labels[rows],
        splits=whole.splits[rows],
        groups=whole.groups[rows],
        classes=whole.classes,
        name="watch",
    )


TAUGHT: Mapping[str, Mapping[str, Any]] = {"amid_u": {"fading": False}}
"""So that all of its terms are tried on data that have all labels."""


def recipe(method: str, **changes: object) -> Recipe:
    """Some tenths of a second on one core, on `data()`: pre-training, one epoch each of the method's first stages and
    warm-ups, and two of its last stage, so that what one epoch leaves to the next is seen."""
    encoder = EncoderSettings("conv", {"width": WIDTH, "layers": 2, "hidden": 8})
    options = {name: {**one_epoch_each(kind), **TAUGHT.get(name, {})} for name, kind in METHODS.items()}
    base = Recipe(
        name="small",
        method=method,
        epochs=2 + len(one_epoch_each(METHODS[method])),
        auxiliary_epochs=1,
        batch_size=BATCH,
        evaluate_every=4,
        checkpoint_every=1,
        data=DataSettings("watch", TARGET, AUXILIARY),
        model=ModelSettings(width=WIDTH, encoders={TARGET[0]: encoder, AUXILIARY[0]: encoder}),
        optimization=Optimization(learning_rate=3e-3),
        machine=Machine(accelerator="cpu"),
        options=options,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def with_choice(made: Recipe) -> Recipe:
    """The recipe, with the epoch chosen on validation samples."""
    return replace(made, evaluate_every=1, data=replace(made.data, choose_epoch_on="validation"))


def incomplete() -> MultimodalDataset:
    """`data()`, but two thirds of the training samples of one class, and a third of the others, lack the
    accelerometer."""
    whole = data()
    random, train = np.random.default_rng(0), whole.splits == "train"
    lacks = random.random(len(whole)) < np.where(whole.labels == 0, 2 / 3, 1 / 3)
    return without(whole, AUXILIARY[0], train & lacks)


def without(dataset: MultimodalDataset, modality: str, lacks: np.ndarray) -> MultimodalDataset:
    """The data set with this modality taken from these samples (N,) bool."""
    kept = dataset.columns[modality].fetch(np.flatnonzero(~lacks))
    assert isinstance(kept, torch.Tensor)
    column = PartialColumn(ArrayColumn(kept.numpy(), modality), ~lacks)
    return replace(dataset, columns={**dataset.columns, modality: column})


def one_epoch_each(kind: type[Method]) -> dict[str, int]:
    """A single epoch for warm-up and for each first stage that a method has."""
    return {option: 1 for option in inspect.signature(kind).parameters if option.endswith("_epochs")}


def build(method: str, width: int = WIDTH, classes: int = CLASSES, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    encoders = {name: Conv(3, width, layers=2, hidden=8) for name in TARGET + AUXILIARY}
    for encoder in encoders.values():
        encoder.mixes = True  # so that what mixes is tried, too
    model = CrossModalModel(encoders, TARGET, AUXILIARY, width, classes, student=METHODS[method].student)
    built = METHODS[method](model, **TAUGHT.get(method, {}))
    dataset = BUNDLED["watch"]()
    rows = dataset.rows("train")
    built.prepare(TrainingSamples(torch.from_numpy(rows), torch.from_numpy(dataset.labels[rows])))
    return built


def last_epoch(method: Method) -> int:
    """An epoch after every warm-up."""
    return 1000


def real_batch(size: int = 32) -> Batch:
    dataset: MultimodalDataset = BUNDLED["watch"]()
    rows = dataset.rows("train")
    return dataset.__getitems__(rows[:: len(rows) // size][:size].tolist())
