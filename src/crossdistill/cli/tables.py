"""Tables of what a manifest or a release holds, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.cli.columns import Columns
from crossdistill.data import MultimodalDataset
from crossdistill.data.inspection import Count
from crossdistill.data.labels import SPLITS
from crossdistill.datasets.media_release import Prepared

_MOST_ROWS = 200
"""Of the table of modalities; twenty thousand columns of numbers may be as many."""
_MOST_CLASSES = 60
"""That a table of classes lists."""


def modality_table(counts: Sequence[Count]) -> Columns:
    """What kind each modality is of, how many samples it has in each split, and how long they are, where any is."""
    names = ("modality", "kind", "split", "samples", "missing", "broken", "duration", "mean")
    have_length = any(count.seconds > 0 for count in counts)
    table = Columns(names if have_length else names[:-2], ("modality", "kind", "split"))
    shown = counts if len(counts) <= _MOST_ROWS else [*counts[: _MOST_ROWS // 2], *counts[-_MOST_ROWS // 2 :]]
    if len(shown) < len(counts):
        table.caption = f"{len(counts) - len(shown):,} rows in between are not shown"
    for count in shown:
        readable = count.samples - count.missing - count.unreadable
        length = ("", "")
        if count.seconds > 0:
            length = str(timedelta(seconds=round(count.seconds))), f"{count.seconds / readable:.2f} s"
        table.add(
            count.modality,
            count.kind,
            count.split,
            *(f"{number:,}" for number in (count.samples, count.missing, count.unreadable)),
            *(length if have_length else ()),
        )
    return table


def label_table(dataset: MultimodalDataset) -> Columns:
    """How many samples each class or label has in each split, or what numbers there are."""
    return number_table(dataset) if dataset.task == "regression" else class_table(dataset)


def number_table(dataset: MultimodalDataset) -> Columns:
    """Of each number, by split: how many samples, their mean and range."""
    table = Columns(("number", "split", "samples", "mean", "lowest", "highest"), ("number", "split"))
    for place, name in enumerate(dataset.classes):
        for split in (split for split in SPLITS if len(dataset.labelled_rows(split))):
            values = dataset.labels[dataset.labelled_rows(split), place]
            told = (f"{value:.4g}" for value in (values.mean(), values.min(), values.max()))
            table.add(name, split, f"{len(values):,}", *told)
    return table


def class_table(dataset: MultimodalDataset) -> Columns:
    """How many samples each class or label has in each split; of many, the smallest and the largest."""
    splits = [split for split in SPLITS if len(dataset.rows(split))]
    labels = [dataset.labels[dataset.labelled_rows(split)] for split in splits]
    counts = np.stack([_counts(numbers, len(dataset.classes)) for numbers in labels])
    order = np.argsort(-counts[0], kind="stable")
    shown = order if len(order) <= _MOST_CLASSES else [*order[: _MOST_CLASSES // 2], *order[-_MOST_CLASSES // 2 :]]
    left_out = len(order) - len(shown)
    name = f"{'class' if dataset.task == 'classification' else 'label'} ({len(dataset.classes)})"
    caption = f"{left_out} classes in between are not shown" if left_out else ""
    table = Columns((name, *splits), (name,), caption=caption)
    for number in shown:
        table.add(dataset.classes[number], *(f"{count:,}" for count in counts[:, number]))
    without = [len(dataset.rows(split)) - len(numbers) for split, numbers in zip(splits, labels, strict=True)]
    if any(without):
        table.add("without a label", *(f"{count:,}" for count in without))
    return table


def _counts(labels: npt.NDArray[Any], classes: int) -> npt.NDArray[np.int64]:
    """(C,) how many of these samples are of each class, or have each label."""
    return np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(0).astype(np.int64)


def release_table(prepared: Prepared) -> Columns:
    """What a release's parts hold and what of it is there; the first row is the header."""
    header, *rows = prepared.counts
    numbers = {name for place, name in enumerate(header) if place and rows[0][place][:1].isdigit()}
    table = Columns(header, [name for name in header if name not in numbers])
    for row in rows:
        table.add(*row)
    return table
