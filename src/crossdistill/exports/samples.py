"""Samples on which an exported file is tried: the run's own where its data can be read, else random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from crossdistill.data.columns import ArrayColumn, Column, Rows, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset, without_labels
from crossdistill.data.feature_order import as_trained
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import Standardized
from crossdistill.exports.formats import Arrays
from crossdistill.models.flat import flattened
from crossdistill.models.grouped import select
from crossdistill.runs.data import build_dataset, split_dataset, splits_in_use
from crossdistill.runs.folder import RECIPE, read_recipe
from crossdistill.runs.same_data import require_data_of_training
from crossdistill.student import Student
from crossdistill.types import UNLABELLED, InputError, Modality, Padded, is_labelled

BATCHES = (1, 2, 3, 7)
"""Sizes of the batches that are tried, beside that of all samples at once."""
_MOST = 24
_LONGEST = 40
"""Steps of a random sequence; of sound, thousandths of a second."""


@dataclass(frozen=True)
class Samples:
    """Samples of the target modalities, and which of them an exported file is tried on.

    rows: their numbers; described: the samples in words; why_random: why they are none of the run's, "" where they are
    """

    dataset: MultimodalDataset
    rows: Rows
    described: str
    why_random: str = ""


def samples_for(student: Student, folder: Path | None, dataset: MultimodalDataset | None) -> Samples:
    """Of `dataset` where one is given, else of the data that the run in `folder` was measured on, else random ones.

    Raises InputError where a data set that was given does not have the student's inputs.
    """
    if folder is not None and (folder / RECIPE).is_file():
        try:
            recipe = read_recipe(folder)
            if dataset is None:
                own = build_dataset(recipe.data, recipe.seed)
                require_data_of_training(folder, own, recipe.data.source)
            else:
                own = split_dataset(dataset, recipe.data, recipe.seed)
            return _of(student, as_trained(own, student.inputs), splits_in_use(recipe.data)[::-1])
        except InputError as error:
            if dataset is None:
                return _random(student, str(error))
    if dataset is None:
        return _random(student, "a student that was saved alone has none")
    # other samples than the run's: all that are there will do
    return _of(student, as_trained(dataset, student.inputs), ["test", "validation", "train"])


def _of(student: Student, dataset: MultimodalDataset, splits: Sequence[str]) -> Samples:
    """The samples of the first of these splits that has some."""
    split = next(split for split in splits if len(dataset.rows(split)))
    chosen = dataset.only(student.spec.target)
    kind = split if len(dataset.labelled_rows(split)) else "unlabelled"
    return Samples(chosen, chosen.rows(split), f"{kind} samples of {dataset.name}")


def batches(student: Student, samples: Samples) -> tuple[list[Arrays], int]:
    """Named arrays of a few readable samples in batches of `BATCHES` and of all of them, sequences also cut to half
    their length; and how many samples these are. Raises InputError where none can be read."""
    rows = samples.rows[np.linspace(0, len(samples.rows) - 1, min(_MOST, len(samples.rows))).astype(np.int64)]
    batch = samples.dataset.__getitems__(rows.tolist())
    readable = batch.has(student.spec.target).nonzero()[:, 0]
    if not readable.numel():
        raise InputError(f"{samples.dataset.place}: none of {len(rows)} {samples.described} can be read")
    given = {name: select(x, readable) for name, x in batch.modalities.items()}
    count = int(readable.numel())
    parts = [torch.arange(size) % count for size in BATCHES] + [torch.arange(count)]
    chosen = [{name: select(x, part) for name, x in given.items()} for part in parts]
    chosen.append({name: _half(x) for name, x in given.items()})
    return [flattened(student.spec, modalities) for modalities in chosen], count


def labelled_batches(student: Student, samples: Samples, rows: Rows, size: int = 64) -> Iterator[tuple[Arrays, Tensor]]:
    """Named arrays of those of these samples that can be read and have a label that the student knows, and their labels
    as in `Batch`, classes, labels or numbers in the student's order."""
    in_student_s_order = _labels_of(student, samples.dataset)
    for start in range(0, len(rows), size):
        batch = samples.dataset.__getitems__(rows[start : start + size].tolist())
        labels = in_student_s_order(batch.labels)
        kept = (batch.has(student.spec.target) & is_labelled(labels)).nonzero()[:, 0]
        if kept.numel():
            modalities = {name: select(x, kept) for name, x in batch.modalities.items()}
            yield flattened(student.spec, modalities), labels[kept]


def _labels_of(student: Student, dataset: MultimodalDataset) -> Callable[[Tensor], Tensor]:
    """From a data set's labels to the student's, by name; what the student does not know is no label."""
    if student.network.task.has_classes:
        places = {name: place for place, name in enumerate(student.classes)}
        known = torch.tensor([*(places.get(name, UNLABELLED) for name in dataset.classes), UNLABELLED])
        return lambda labels: known[labels]  # -1, no label, is the last
    if not set(student.classes) <= set(dataset.classes):
        return lambda labels: torch.full((len(labels), len(student.classes)), torch.nan)
    columns = [dataset.classes.index(name) for name in student.classes]
    return lambda labels: labels[:, columns]


def _half(x: Modality) -> Modality:
    if not isinstance(x, Padded):
        return x
    steps = max(1, x.values.shape[1] // 2)
    return Padded(x.values[:, :steps], x.lengths.clamp_max(steps))


def _random(student: Student, why: str) -> Samples:
    """Random samples, of arrays with the mean and deviation that training had."""
    generator = np.random.default_rng(0)
    columns = {name: _random_column(student, name, spec, generator) for name, spec in student.inputs.items()}
    dataset = without_labels("random", columns, [str(row) for row in range(_MOST)], student.classes, student.spec.task)
    return Samples(dataset, np.arange(_MOST), "random samples", why)


def _random_column(student: Student, name: str, spec: InputSpec, generator: np.random.Generator) -> Column:
    encoder = student.network.encoders[name]
    shape = spec.shape[1:] if spec.is_sequence else spec.shape
    longest = _LONGEST * spec.reading.rate // 1000 if spec.kind == "audio" else _LONGEST
    longest = min(longest, getattr(encoder, "most_steps", None) or longest)
    lengths = generator.integers(1, longest + 1, size=_MOST) if spec.is_sequence else None
    sizes = [(int(length), *shape) for length in lengths] if lengths is not None else [shape] * _MOST
    if spec.is_tokens:
        tokens = [generator.integers(0, _vocabulary(encoder), size=size) for size in sizes]
        return SequenceColumn(tokens, name)
    drawn = [generator.standard_normal(size) for size in sizes]
    if isinstance(encoder, Standardized):
        mean, scale = encoder.mean.double().cpu().numpy(), encoder.inverse_std.double().cpu().numpy()
        spread = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        drawn = [values * spread.reshape(encoder.along) + mean.reshape(encoder.along) for values in drawn]
    elif spec.kind == "audio":
        drawn = [0.1 * values for values in drawn]
    return SequenceColumn(drawn, name) if lengths is not None else ArrayColumn(np.stack(drawn), name)


def _vocabulary(encoder: nn.Module) -> int:
    """How many tokens an encoder knows: those of its largest table of them."""
    return max([m.num_embeddings for m in encoder.modules() if isinstance(m, nn.Embedding)], default=2)
