"""From a recipe's values to a data set, a model and a method."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.data.readers import check_settings
from crossdistill.data.reading import middle, read
from crossdistill.encoders import Standardized
from crossdistill.encoders.standardize import centred_like
from crossdistill.methods import METHODS, Method
from crossdistill.models import CrossModalModel
from crossdistill.models.cross_modal import modalities_of
from crossdistill.recipes.encoders import RAW_MEDIA, automatic, make_encoder, require_input, require_rate
from crossdistill.recipes.recipe import DataSettings, EncoderSettings, ModelSettings, Recipe
from crossdistill.types import InputError, Padded, TrainingSamples

FROM_PYTHON = "python:"
"""Begins the source of runs whose data came as arrays."""


def check(recipe: Recipe) -> None:
    """Raise InputError for a number that no run can have, or a modality that is both target and auxiliary."""
    optimization, encoders = recipe.optimization, recipe.model.encoders
    above_zero: dict[str, float] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "evaluate_every": recipe.evaluate_every,
        "checkpoint_every": recipe.checkpoint_every,
        "model.width": recipe.model.width,
        "machine.devices": recipe.machine.devices,
        "machine.nodes": recipe.machine.nodes,
        "optimization.learning_rate": optimization.learning_rate,
        "optimization.discriminator_learning_rate": optimization.discriminator_learning_rate,
        "optimization.clip_norm": optimization.clip_norm,
    }
    for name, encoder in encoders.items():
        sizes = {"width": encoder.width, "layers": encoder.layers, "hidden": encoder.hidden, "steps": encoder.steps}
        sizes |= {"channels": encoder.channels, "blocks": min(encoder.blocks, default=0)}
        above_zero |= {f"model.encoders.{name}.{key}": size for key, size in sizes.items()}
        if len(encoder.blocks) != 4:
            raise InputError(f"model.encoders.{name}.blocks: expected 4 numbers, found {len(encoder.blocks)}")
    for key, value in above_zero.items():
        if not value > 0:
            raise InputError(f"{key}: expected above 0, found {value}")
    at_least_zero: dict[str, float] = {
        "seed": recipe.seed,
        "data.windows": recipe.data.windows,
        "auxiliary_epochs": recipe.auxiliary_epochs,
        "machine.workers": recipe.machine.workers,
        "machine.threads": recipe.machine.threads,
        "optimization.weight_decay": optimization.weight_decay,
        "optimization.momentum": optimization.momentum,
        "optimization.ramp_epochs": optimization.ramp_epochs,
    }
    for key, value in at_least_zero.items():
        if value < 0:
            raise InputError(f"{key}: expected 0 or more, found {value}")
    dropouts = {"model.dropout": recipe.model.dropout}
    dropouts |= {f"model.encoders.{name}.dropout": encoder.dropout for name, encoder in encoders.items()}
    for key, value in dropouts.items():
        if not 0 <= value < 1:
            raise InputError(f"{key}: expected a probability below 1, found {value}")


def load_dataset(settings: DataSettings) -> MultimodalDataset:
    """The recipe's source, with its own split. Raises InputError when something is missing or wrong."""
    if settings.source.startswith(FROM_PYTHON):
        raise InputError(f"data.source: {settings.source} was given as arrays; pass it to `run` again as dataset=")
    if settings.source in data.BUNDLED:
        return data.BUNDLED[settings.source]()
    for name, reader in settings.readers.items():
        check_settings(name, reader)
        if name not in (names := (*settings.target, *settings.auxiliary)):
            raise InputError(f"data.readers: no modality {name}; there are {', '.join(names)}")
    if not Path(settings.source).exists():
        raise InputError(
            f"data.source: {settings.source}: manifest not found; `crossdistill prepare` makes one of a data set "
            "(--help lists them) and says what comes next"
        )
    return data.read_manifest(
        Path(settings.source),
        only=(*settings.target, *settings.auxiliary),
        required=settings.target,
        readers=settings.readers,
        allow_outside=settings.allow_outside,
        strict=settings.strict,
    )


def split_dataset(dataset: MultimodalDataset, settings: DataSettings, seed: int) -> MultimodalDataset:
    """The recipe's modalities of a data set, and its split. Raises InputError when something is missing or wrong."""
    dataset = dataset.only([*settings.target, *settings.auxiliary])
    if settings.fold >= 0:
        dataset = data.with_fold(dataset, settings.fold)
    if settings.evaluate_on == "validation":
        dataset = data.with_validation(dataset, settings.validation_fraction, seed)
    for split in ("train", settings.evaluate_on):
        rows = dataset.rows(split)
        if len(rows) == 0:
            raise InputError(f"{dataset.name}: expected samples of split {split!r}, found none")
        for name in settings.target:
            if len(lacking := rows[~dataset.present([name])[rows]]):
                raise InputError(
                    f"{dataset.name}: sample '{dataset.ids[lacking[0]]}' lacks the target modality '{name}'"
                )
    if settings.in_memory:  # of the splits in use alone: tuning must not read the test samples
        rows = np.concatenate([dataset.rows("train"), dataset.rows(settings.evaluate_on)])
        dataset = data.in_memory(dataset, rows)
    return data.with_control(dataset, settings.control, settings.target, settings.auxiliary, seed)


def build_dataset(settings: DataSettings, seed: int = 0) -> MultimodalDataset:
    """`load_dataset`, then `split_dataset`."""
    return split_dataset(load_dataset(settings), settings, seed)


def build_model(recipe: Recipe, dataset: MultimodalDataset, read_weights: bool = True) -> CrossModalModel:
    """The model for this data; inputs other than raw media are standardised by the training samples' statistics.

    read_weights: start encoders that the method's views use from the recipe's `weights`; false where a finished run's
    weights replace them anyway.
    """
    settings, names = recipe.model, (*recipe.data.target, *recipe.data.auxiliary)
    if unknown := set(settings.encoders) - set(dataset.columns):
        raise InputError(f"model.encoders: no modality {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    used = modalities_of(METHODS[recipe.method].views, recipe.data.target, recipe.data.auxiliary)
    encoders = {name: build_encoder(name, settings, dataset, read_weights and name in used) for name in names}
    separate = settings.separate_teacher or METHODS[recipe.method].separate_teacher or has_fixed_teacher(recipe)
    target, auxiliary, classes = recipe.data.target, recipe.data.auxiliary, len(dataset.classes)
    try:
        model = CrossModalModel(encoders, target, auxiliary, settings.width, classes, settings.dropout, separate)
    except ValueError as error:
        raise InputError(f"data.target, data.auxiliary: {error}") from error
    model.freeze_encoders([name for name in names if name in settings.encoders and settings.encoders[name].frozen])
    return model


def has_fixed_teacher(recipe: Recipe) -> bool:
    """Whether the method distils from a teacher that is trained before it; student or teacher alone do not."""
    method = METHODS[recipe.method]
    chosen = method.teacher if recipe.model.teacher == "by_method" else recipe.model.teacher
    return chosen == "fixed" and {"target", "full"} <= set(method.views)


def build_encoder(name: str, settings: ModelSettings, dataset: MultimodalDataset, read_weights: bool) -> nn.Module:
    shape = dataset.shapes[name]
    chosen = settings.encoders.get(name, EncoderSettings("auto", width=settings.width))
    kind = chosen.kind if chosen.kind != "auto" else automatic(dataset.columns[name])
    if kind == "cnn14" and shape == (chosen.width,):  # its own output, computed before: no 16 ms of sound
        kind, chosen = "features", EncoderSettings("features")
    require_input(name, kind, shape, chosen)
    encoder = make_encoder(name, kind, shape, chosen, read_weights)
    require_rate(name, dataset.columns[name], encoder)
    if kind in RAW_MEDIA:
        return encoder
    mean, std = feature_statistics(dataset, name, chosen.center)
    return Standardized(encoder, mean, std, chosen.center)


def feature_statistics(dataset: MultimodalDataset, name: str, center: bool, chunk: int = 512) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature (last axis) over the training samples and their steps, in float64.

    In two passes: squares less the squared mean would leave rounding as the spread of a constant.
    """
    count = sum(len(steps) for steps in training_steps(dataset, name, center, chunk))
    mean = sum_of(steps.sum(0) for steps in training_steps(dataset, name, center, chunk)) / count
    squares = sum_of((steps - mean).square().sum(0) for steps in training_steps(dataset, name, center, chunk))
    return mean, (squares / count).sqrt()


def sum_of(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)


def training_steps(dataset: MultimodalDataset, name: str, center: bool, chunk: int) -> Iterator[Tensor]:
    """(n, F) float64: the training samples' features, every step of a sequence a row, a chunk of samples at a time."""
    rows = dataset.rows("train")
    rows = rows[dataset.present([name])[rows]]
    if not len(rows):
        raise InputError(f"{dataset.name}: no training sample has the modality '{name}'")
    for start in range(0, len(rows), chunk):
        chosen = rows[start : start + chunk]
        values, present, _ = read(dataset.columns[name], chosen, middle(len(chosen)))
        if center:
            values = centred_like(values)
        if isinstance(values, Padded):
            sequences = zip(*values, present, strict=True)
            values = torch.cat([sequence[:length] for sequence, length, there in sequences if there])
        else:
            values = values[present]
        yield values.double().flatten(0, -2)


def build_method(recipe: Recipe, model: CrossModalModel, dataset: MultimodalDataset) -> Method:
    """The method, prepared for this data. Raises InputError when an option of it has an unusable value."""
    options = recipe.options.get(recipe.method, {})
    rows = dataset.rows("train")
    rows = rows[dataset.present(model.modalities_of(*METHODS[recipe.method].views))[rows]]
    if not len(rows):
        raise InputError(f"{dataset.name}: no training sample has all modalities that {recipe.method} learns from")
    try:
        method = METHODS[recipe.method](model, **options)
        method.prepare(TrainingSamples(torch.from_numpy(rows), torch.from_numpy(dataset.labels[rows])))
    except ValueError as error:
        raise InputError(f"{recipe.method}: {error}") from error
    return method
