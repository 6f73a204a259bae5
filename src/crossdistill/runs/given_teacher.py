"""A teacher of which there are the outputs alone: what they must be, so that they mean what they are taken for."""

from __future__ import annotations

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.types import InputError, Padded

_LOOKED_AT = 4096
"""Samples whose outputs are looked at before training."""


def require_logits(dataset: MultimodalDataset, name: str) -> None:
    """Raise InputError unless the modality can be a teacher's logits, one for each class or label of the data, in their
    order: another number of them, sequences, or what can be nothing but probabilities."""
    shape, classes, place = dataset.columns[name].shape, dataset.classes, f"data.auxiliary: {name}"
    if shape != (len(classes),):
        shown = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
        raise InputError(
            f"{place}: expected a given teacher's logits, {len(classes)} for each sample, of {shown}; "
            f"found samples of shape {shape}"
        )
    rows = dataset.rows("train")
    rows = rows[dataset.present([name])[rows]][:_LOOKED_AT]
    reading = read(dataset.columns[name], rows, middle(len(rows)))
    values = reading.numbers
    assert not isinstance(values, Padded)
    outputs = values[reading.present].double()
    shares = ((outputs >= 0) & (outputs <= 1)).all()
    if dataset.task == "classification":
        shares = shares & ((outputs.sum(1) - 1).abs() < 1e-3).all()
    if len(outputs) and bool(shares) and bool(outputs.any()):  # zeros may be a control's
        logits = "log(p)" if dataset.task == "classification" else "log(p / (1 - p))"
        raise InputError(f"{place}: expected a given teacher's logits, found probabilities p; give {logits} instead")
