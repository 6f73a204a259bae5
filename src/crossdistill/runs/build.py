"""From a recipe to all that a run needs, computed once: data set, model, method and stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import input_spec
from crossdistill.encoders.make import default_settings, resolved
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS, Auxiliary, Method
from crossdistill.methods.single import teacher_alone
from crossdistill.models.cross_modal import CrossModalModel, modalities_of
from crossdistill.models.spec import ModelSpec, build_model
from crossdistill.recipes.check import check
from crossdistill.recipes.cross_fitted import CROSS_FITTED, OUTPUTS, is_cross_fitted, of_fold, taught
from crossdistill.recipes.recipe import FROM_PYTHON, DataSettings, Recipe, name_of
from crossdistill.runs.data import build_dataset, split_dataset
from crossdistill.runs.given_teacher import require_logits
from crossdistill.runs.own_encoders import copied, own_settings, require_rebuilt, require_working
from crossdistill.runs.statistics import set_statistics
from crossdistill.tasks.regression import statistics_of
from crossdistill.training.devices import device_of
from crossdistill.training.engine import with_gradients
from crossdistill.training.loop import Stage
from crossdistill.training.randomness import seeded
from crossdistill.types import InputError, TrainingSamples

BuildDataset = Callable[[DataSettings, int], MultimodalDataset]


@dataclass(frozen=True)
class Built:
    """A run, ready to train.

    recipe: what it is; dataset: its modalities and split; spec: what its model is built from
    method: with its model, prepared for the training samples; stages: what is trained, in order
    """

    recipe: Recipe
    dataset: MultimodalDataset
    spec: ModelSpec
    method: Method
    stages: tuple[Stage, ...]

    def __repr__(self) -> str:
        """Which run it is, of which data, and its size; its fields show themselves."""
        size = sum(parameter.numel() for parameter in self.model.parameters())
        stages = ", ".join(stage.name for stage in self.stages) or "none"
        return f"Built({name_of(self.recipe)}: {self.dataset}; {size:,} parameters; stages: {stages})"

    @property
    def model(self) -> CrossModalModel:
        return self.method.model


@with_gradients()
def build(
    recipe: Recipe,
    dataset: MultimodalDataset | None = None,
    encoders: Mapping[str, nn.Module] | None = None,
    make_dataset: BuildDataset = build_dataset,
) -> Built:
    """The data set, model and method of a recipe, with the initial weights that its seed gives.

    For a look at the model before it trains, and for training without a folder: `train` takes what this gives. The
    caller's random state is left as it was.

    Args:
        recipe: what is to be trained
        dataset: one made in Python, in place of the recipe's `data.source`
        encoders: modality -> somebody's own module, in place of what the recipe says; the model gets a copy of it
        make_dataset: from a recipe's data settings and seed to its data set

    Raises:
        InputError: no run can be made of it.

    >>> import numpy as np, crossdistill
    >>> data = crossdistill.from_arrays({"wrist": np.eye(8)}, np.arange(8) % 2)
    >>> from dataclasses import replace
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline")
    >>> built = crossdistill.build(replace(recipe, data=replace(recipe.data, evaluate_on="none")), data)
    >>> [stage.name for stage in built.stages]
    ['baseline']
    """
    recipe = with_given(recipe, dataset, encoders)
    check(recipe)
    dataset = data_of(recipe, dataset, make_dataset)
    learnt = taught(recipe)
    spec = model_spec(learnt, dataset)
    own = copied({name: module for name, module in (encoders or {}).items() if name in spec.inputs})
    with seeded(recipe.seed):
        used = modalities_of(METHODS[recipe.method].views, spec.target, spec.auxiliary)
        model = build_model(spec, used, own)
        set_statistics(model, dataset)
        method = build_method(recipe, model, training_samples(learnt, dataset))
    _require_trained_encoders(learnt, method)
    planned = stages(learnt, method)
    _require_labels_for(planned, dataset)
    require_rebuilt(spec, model, own, dataset)
    named = [name for name in model.encoders if name not in own]
    require_working(spec, model, named, dataset, device_of(recipe.machine.accelerator, "machine.accelerator"))
    return Built(recipe, dataset, spec, method, planned)


def data_of(recipe: Recipe, dataset: MultimodalDataset | None, make_dataset: BuildDataset) -> MultimodalDataset:
    """The recipe's own data set, or one from Python with the split that the recipe gives it."""
    if dataset is None:
        return make_dataset(recipe.data, recipe.seed)
    return split_dataset(dataset, recipe.data, recipe.seed)


def with_given(
    recipe: Recipe, dataset: MultimodalDataset | None, encoders: Mapping[str, nn.Module] | None = None
) -> Recipe:
    """The recipe that says of data and encoders from Python what can be said: a name; a class and its settings."""
    if dataset is not None:  # a recipe read back cannot find it: its source says so instead of naming some other data
        recipe = replace(recipe, data=replace(recipe.data, source=f"{FROM_PYTHON}{dataset.name}", task=dataset.task))
    if encoders:
        settings = {name: own_settings(name, module) for name, module in encoders.items()}
        recipe = replace(recipe, model=replace(recipe.model, encoders={**recipe.model.encoders, **settings}))
    return recipe


def model_spec(recipe: Recipe, dataset: MultimodalDataset) -> ModelSpec:
    """What the recipe's model is built from, for this data. Raises InputError where they do not go together."""
    settings, names = recipe.model, (*recipe.data.target, *recipe.data.auxiliary)
    method = METHODS[recipe.method]
    if OUTPUTS in names and OUTPUTS not in dataset.columns:
        raise InputError(f"model.teacher: {CROSS_FITTED}: its teachers are trained in a run's folder; see `run`")
    if unknown := set(settings.encoders) - set(dataset.columns):
        raise InputError(f"model.encoders: no modality {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    inputs = {name: input_spec(dataset.columns[name]) for name in names}
    given: dict[str, EncoderSettings] = {
        name: settings.encoders.get(name) or default_settings(inputs[name], settings.width) for name in names
    }
    if settings.teacher == "given":
        require_logits(dataset, recipe.data.auxiliary[0])
        given |= {name: EncoderSettings("features") for name in recipe.data.auxiliary}
    mean, deviation = label_statistics(dataset)
    return ModelSpec(
        target=recipe.data.target,
        auxiliary=recipe.data.auxiliary,
        classes=dataset.classes,
        inputs=inputs,
        encoders={name: resolved(name, inputs[name], given[name]) for name in names},
        width=settings.width,
        dropout=settings.dropout,
        separate_teacher=_has_separate_teacher(recipe),
        teacher_shares_auxiliary=method.teacher_shares_auxiliary and _teacher_before(recipe) != "fixed",
        input_bound=settings.input_bound,
        student=method.student,
        windows=recipe.data.windows,
        task=dataset.task,
        label_mean=mean,
        label_deviation=deviation,
        given_teacher=recipe.model.teacher == "given",
    )


def label_statistics(dataset: MultimodalDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the labelled training samples' numbers; empty where labels are no numbers."""
    rows = dataset.labelled_rows("train")
    return statistics_of(dataset.labels[rows]) if dataset.task == "regression" and len(rows) else ((), ())


def training_samples(recipe: Recipe, dataset: MultimodalDataset) -> TrainingSamples:
    """The training samples that the method learns from: those that have all that its views read, and a label, unless
    it learns from unlabelled ones, too, and batches have some. Raises InputError where there is none."""
    learnt = METHODS[recipe.method].learns_unlabelled and recipe.unlabelled_share > 0
    rows = dataset.rows("train") if learnt else dataset.labelled_rows("train")
    read = modalities_of(METHODS[recipe.method].views, recipe.data.target, recipe.data.auxiliary)
    rows = rows[dataset.present(read)[rows]]
    if not len(dataset.labelled_rows("train")):
        raise InputError(
            f"{dataset.place}: no training sample has a label; every method learns S from some: label a few"
        )
    if not len(rows):
        which = "training sample" if learnt else "labelled training sample"
        raise InputError(f"{dataset.place}: no {which} has all modalities that {recipe.method} learns from")
    return TrainingSamples(torch.from_numpy(rows), torch.from_numpy(dataset.labels[rows]), recipe.epochs)


def build_method(recipe: Recipe, model: CrossModalModel, samples: TrainingSamples) -> Method:
    """The method, prepared for these samples. Raises InputError when an option of it has an unusable value."""
    options = recipe.options.get(recipe.method, {})
    try:
        method = METHODS[recipe.method](model, **options)
        method.prepare(samples)
    except (ValueError, TypeError) as error:
        raise InputError(f"{recipe.method}: {error}") from error
    return method


def _teacher_before(recipe: Recipe) -> Literal["none", "fixed", "pre_trained"]:
    """The teacher that is trained before the method which distils from it; student or teacher alone have none, nor has
    a student that is its teacher's own network."""
    method = METHODS[recipe.method]
    kind = method.teacher if recipe.model.teacher == "by_method" else recipe.model.teacher  # not where it is given
    if method.student == "fused" or not {"target", method.taught_by} <= set(method.views):
        return "none"
    return kind if kind in ("fixed", "pre_trained") else "none"


def _has_separate_teacher(recipe: Recipe) -> bool:
    """Whether M has encoders and a classifier of its own."""
    method = METHODS[recipe.method]
    fixed = _teacher_before(recipe) == "fixed" and method.taught_by == "full"
    return (recipe.model.separate_teacher or method.separate_teacher or fixed) and method.student != "fused"


def _pretrains(recipe: Recipe) -> bool:
    """Whether auxiliary encoders are trained on their own before the method."""
    method = METHODS[recipe.method]
    if recipe.model.teacher == "given":
        return False
    return bool({"auxiliary", "full"} & set(method.views)) and not issubclass(method, Auxiliary)


def total_epochs(recipe: Recipe) -> int:
    """How many epochs all stages of the recipe's run have together."""
    if is_cross_fitted(recipe):
        return recipe.epochs + recipe.model.folds * recipe.model.ensemble * total_epochs(of_fold(recipe, 0, 0))
    before = recipe.auxiliary_epochs if _pretrains(recipe) else 0
    return before + recipe.epochs * (1 if _teacher_before(recipe) == "none" else 2)


def _require_trained_encoders(recipe: Recipe, method: Method) -> None:
    """Raise InputError when auxiliary encoders would be frozen as they were initialised."""
    frozen = _pretrains(recipe) and recipe.model.auxiliary_encoders == "frozen"
    if frozen and recipe.auxiliary_epochs == 0 and method.model.has_auxiliary_encoder_parameters():
        raise InputError(
            "auxiliary_epochs: 0 would freeze auxiliary encoders that nothing has trained; "
            "give them epochs, set frozen where one has weights, or set model.auxiliary_encoders to trained"
        )


def _require_labels_for(planned: Sequence[Stage], dataset: MultimodalDataset) -> None:
    """Raise InputError where a stage before the method, which learns labels, has no labelled sample to learn from."""
    labelled, method = dataset.labelled_rows("train"), planned[-1].name
    for stage in planned[:-1]:
        read = stage.method.model.modalities_of(*stage.method.views)
        if not dataset.present(read)[labelled].any():
            raise InputError(
                f"{method}: its stage '{stage.name}' learns labels, and none of the {len(labelled)} labelled training "
                f"samples has all modalities that it reads ({', '.join(read)}); label some that have them, or let the "
                "student learn alone (self_training, baseline)"
            )


def stages(recipe: Recipe, method: Method) -> tuple[Stage, ...]:
    """The run's stages, in order; each says what is done to the model before it begins."""
    model, teacher_before = method.model, _teacher_before(recipe)
    before: list[Callable[[], None]] = []
    planned: list[Stage] = []
    if _pretrains(recipe):
        if recipe.auxiliary_epochs > 0:
            planned.append(Stage(0, "auxiliary", Auxiliary(model), recipe.auxiliary_epochs))
            before.append(model.start_teacher_from_encoders)
        if recipe.model.auxiliary_encoders == "frozen":
            before.append(model.freeze_auxiliary_encoders)
    if teacher_before != "none":
        teacher, freeze = teacher_alone(model, method.taught_by)
        planned.append(Stage(1, "teacher", teacher, recipe.epochs, tuple(before)))
        before = [freeze] if teacher_before == "fixed" else []
    return (*planned, Stage(2, recipe.method, method, recipe.epochs, tuple(before)))
