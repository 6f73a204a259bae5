"""From a recipe's values to a data set, a model and a method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.data.readers import check_settings
from crossdistill.datasets import BUNDLED
from crossdistill.encoders import Standardized
from crossdistill.encoders.make import RAW_MEDIA, make_encoder, require_input
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS, Auxiliary, Method, Teacher
from crossdistill.models import CrossModalModel
from crossdistill.models.cross_modal import modalities_of
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.runs.columns import automatic, require_rate
from crossdistill.runs.statistics import feature_statistics
from crossdistill.training import Stage
from crossdistill.types import InputError, TrainingSamples

FROM_PYTHON = "python:"
"""Begins the source of runs whose data came as arrays."""


def load_dataset(settings: DataSettings) -> MultimodalDataset:
    """The recipe's source, with its own split. Raises InputError when something is missing or wrong."""
    if settings.source.startswith(FROM_PYTHON):
        raise InputError(f"data.source: {settings.source} was given as arrays; pass it to `run` again as dataset=")
    if settings.source in BUNDLED:
        return BUNDLED[settings.source]()
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


def total_epochs(recipe: Recipe) -> int:
    """Of all stages."""
    method = METHODS[recipe.method]
    return recipe.epochs * (2 if has_fixed_teacher(recipe) else 1) + (
        recipe.auxiliary_epochs if pretrains(method) else 0
    )


def pretrains(method: type[Method]) -> bool:
    """Whether auxiliary encoders are trained on their own before this method."""
    return bool({"auxiliary", "full"} & set(method.views)) and not issubclass(method, Auxiliary)


def require_trained_encoders(recipe: Recipe, method: Method) -> None:
    """Raise InputError when auxiliary encoders would be frozen as they were initialised."""
    frozen = pretrains(type(method)) and recipe.model.auxiliary_encoders == "frozen"
    if frozen and recipe.auxiliary_epochs == 0 and method.model.has_auxiliary_encoder_parameters():
        raise InputError(
            "auxiliary_epochs: 0 would freeze auxiliary encoders that nothing has trained; "
            "give them epochs, set frozen where one has weights, or set model.auxiliary_encoders to trained"
        )


def stages(recipe: Recipe, model: CrossModalModel, method: Method) -> Iterator[Stage]:
    """The run's stages in order. What a stage leaves fixed is frozen before the next one comes."""
    if pretrains(type(method)):
        if recipe.auxiliary_epochs > 0:
            yield Stage(0, "auxiliary", Auxiliary(model), recipe.auxiliary_epochs)
            model.start_teacher_from_encoders()
        if recipe.model.auxiliary_encoders == "frozen":
            model.freeze_auxiliary_encoders()
    if has_fixed_teacher(recipe):
        yield Stage(1, "teacher", Teacher(model), recipe.epochs)
        model.freeze_teacher()
    yield Stage(2, recipe.method, method, recipe.epochs)
