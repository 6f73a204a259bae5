"""A teacher of which there are the outputs alone: what they must be, so that they mean what they are taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import input_spec
from crossdistill.data.labels import few_of
from crossdistill.data.reading import middle, read
from crossdistill.types import InputError, Padded

_NAMED, _TOLD = 8, 3
_FEW = 5
"""Samples of a class from which something is told of it."""
_MOSTLY = 0.5
_LOOKED_AT = 4096
"""Samples whose outputs are looked at before training."""


def require_logits(dataset: MultimodalDataset, name: str) -> None:
    """Raise InputError unless the modality can be a teacher's logits, one for each class or label of the data, in their
    order: another number of them, sequences, columns that are named as the classes are in another order, or what can be
    nothing but probabilities."""
    shape, classes, place = dataset.columns[name].shape, dataset.classes, f"data.auxiliary: {name}"
    if shape != (len(classes),):
        raise InputError(
            f"{place}: expected a given teacher's logits, {len(classes)} for each sample, of "
            f"{few_of(classes, _NAMED)}; found samples of shape {shape}"
        )
    named = input_spec(dataset.columns[name]).features
    if len(named) == len(classes) and (begins := _beginning(named, classes)) is not None:
        ordered = [begins + each for each in classes]
        if ordered != list(named):
            raise InputError(
                f"{place}: expected columns in the order of the classes, {few_of(ordered, _NAMED)}; found "
                f"{few_of(named, _NAMED)}"
            )
    outputs, _ = _read(dataset, name, dataset.rows("train"))
    shares = ((outputs >= 0) & (outputs <= 1)).all()
    if dataset.task == "classification":
        shares = shares & ((outputs.sum(1) - 1).abs() < 1e-3).all()
    if len(outputs) and bool(shares) and bool(outputs.any()):  # zeros may be a control's
        logits = "log(p)" if dataset.task == "classification" else "log(p / (1 - p))"
        raise InputError(f"{place}: expected a given teacher's logits, found probabilities p; give {logits} instead")


def mixed_up(dataset: MultimodalDataset, name: str) -> str:
    """What is to be said where the labelled training samples' highest logits stand in each other's columns, class by
    class; empty where they do not, or there are no classes."""
    if dataset.task != "classification":
        return ""
    outputs, rows = _read(dataset, name, dataset.labelled_rows("train"))
    answers, labels = outputs.argmax(1).numpy(), dataset.labels[rows]
    heard: dict[int, int] = {}
    for label in np.unique(labels):
        counts = np.bincount(answers[labels == label])
        if counts.sum() >= _FEW and counts.max() > _MOSTLY * counts.sum():
            heard[int(label)] = int(counts.argmax())
    exchanged = [label for label in heard if heard[label] != label and _comes_back(heard, label)]
    if not exchanged:
        return ""
    told = [f"those of '{dataset.classes[each]}' in that of '{dataset.classes[heard[each]]}'" for each in exchanged]
    return (
        f"data.auxiliary: {name}: most labelled samples have their highest logit in another class's column, "
        f"{few_of(told, _TOLD)}; are the columns in the order of the classes, {few_of(dataset.classes, _NAMED)}?"
    )


def _comes_back(heard: Mapping[int, int], label: int) -> bool:
    """Whether what is heard of a class, and of the class that was heard, ends at it."""
    at = heard[label]
    for _ in heard:
        if at == label:
            return True
        at = heard.get(at, at)
    return False


def _read(dataset: MultimodalDataset, name: str, rows: Rows) -> tuple[Tensor, Rows]:
    """(n, C) float64 outputs for the first of these rows that have some, and which these are."""
    rows = rows[dataset.present([name])[rows]][:_LOOKED_AT]
    reading = read(dataset.columns[name], rows, middle(len(rows)))
    values = reading.numbers
    assert not isinstance(values, Padded)
    return values[reading.present].double(), rows[reading.present.numpy()]


def _beginning(columns: Sequence[str], classes: Sequence[str]) -> str | None:
    """What the columns' names, in whatever order, have before those of the classes; None where they are others."""
    fits = (columns[0].removesuffix(each) for each in classes if columns[0].endswith(each))
    return next((begins for begins in fits if {begins + each for each in classes} == {*columns}), None)
