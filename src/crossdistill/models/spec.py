"""What a model is built from: its inputs, classes and settings, told once from the data and kept with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from crossdistill.data.inputs import InputSpec
from crossdistill.encoders.features import Features
from crossdistill.encoders.make import loadable_settings, make_encoder
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.encoders.standardize import unstandardized
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.tasks import task_of
from crossdistill.types import InputError, StudentKind, TaskKind, one_line


@dataclass(frozen=True)
class ModelSpec:
    """All that decides a model's parts and shapes; nothing in it is left to be found out from data.

    target, auxiliary: names of modalities, in order; classes: C names, of the classes, the labels or the numbers
    inputs: modality -> what its samples are; encoders: modality -> its encoder, with every setting
    width: D; dropout: before the classifiers and inside the fusion
    separate_teacher: whether M has encoders and a classifier of its own; teacher_shares_auxiliary: whether such an M
    still shares the auxiliary encoders with A
    input_bound: of standardised inputs, 0 for none
    student: what makes S of its encoders' features
    windows: most parts of a long sample that predictions are averaged over, 0 for all that do not overlap
    given_teacher: whether M is a teacher's logits, made elsewhere, which the auxiliary modality holds
    task: what is predicted; label_mean, label_deviation: of numbers, by which they are standardised, else empty
    """

    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    classes: tuple[str, ...]
    inputs: Mapping[str, InputSpec]
    encoders: Mapping[str, EncoderSettings]
    width: int
    dropout: float = 0.0
    separate_teacher: bool = False
    teacher_shares_auxiliary: bool = False
    input_bound: float = 0.0
    student: StudentKind = "projected"
    windows: int = 1
    task: TaskKind = "classification"
    label_mean: tuple[float, ...] = ()
    label_deviation: tuple[float, ...] = ()
    given_teacher: bool = False

    def of_student(self) -> ModelSpec:
        """What its student alone is built from: the specification without anything auxiliary."""
        return replace(
            self,
            auxiliary=(),
            inputs={name: self.inputs[name] for name in self.target},
            encoders={name: self.encoders[name] for name in self.target},
            separate_teacher=False,
            given_teacher=False,
        )


def build_model(
    spec: ModelSpec, read_weights: tuple[str, ...] = (), given: Mapping[str, nn.Module] | None = None
) -> CrossModalModel:
    """The model, with new weights and statistics that are still to be set.

    read_weights: the modalities whose encoders start from their published weights; given: modality -> somebody's own
    encoder, in place of a new one. Raises InputError.
    """
    own = given or {}
    encoders: dict[str, nn.Module] = {
        name: make_encoder(
            name, spec.inputs[name], spec.encoders[name], name in read_weights, own.get(name), spec.input_bound
        )
        for name in (spec.target if spec.given_teacher else (*spec.target, *spec.auxiliary))
    }
    if spec.given_teacher:  # not in standard units: its logits are what they are
        encoders |= {name: Features(len(spec.classes)) for name in spec.auxiliary}
    try:
        model = CrossModalModel(
            encoders,
            spec.target,
            spec.auxiliary,
            width=spec.width,
            classes=len(spec.classes),
            dropout=spec.dropout,
            separate_teacher=spec.separate_teacher,
            teacher_shares_auxiliary=spec.teacher_shares_auxiliary,
            student=spec.student,
            task=task_of(spec.task, spec.classes, spec.label_mean, spec.label_deviation),
            given_teacher=spec.given_teacher,
        )
    except ValueError as error:
        raise InputError(f"data.target, data.auxiliary: {error}") from error
    except RuntimeError as error:  # more memory than there is
        raise InputError(f"model: cannot be built: {one_line(error)[:200]}") from error
    model.freeze_encoders([name for name in encoders if spec.encoders[name].frozen])
    return model


def model_to_load(spec: ModelSpec) -> CrossModalModel:
    """The model whose weights come from a file: nothing else is read, and the caller's random state stays."""
    with torch.random.fork_rng(devices=[]):
        return build_model(spec)


def outline(spec: ModelSpec) -> CrossModalModel:
    """The model's parts and shapes without memory for them, where its encoders can be built so."""
    try:
        with torch.device("meta"):
            return model_to_load(spec)
    except (NotImplementedError, RuntimeError):  # an encoder whose constructor computes with its values
        return model_to_load(spec)


def loadable(spec: ModelSpec, model: CrossModalModel) -> ModelSpec:
    """The specification that builds the model again where its encoders' own files are not at hand."""
    encoders = {}
    for name, settings in spec.encoders.items():
        encoders[name] = loadable_settings(settings, unstandardized(model.encoders[name]))
    return replace(spec, encoders=encoders)
