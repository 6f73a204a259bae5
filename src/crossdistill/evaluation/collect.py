"""A model's outputs over a data set: the one way in which trained models are measured and predict."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.loading import Workers, evaluation_batches, windows_of
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.grouped import select
from crossdistill.tasks import Task
from crossdistill.types import (
    NAMES,
    Batch,
    DivergedError,
    Labels,
    Modality,
    Note,
    Padded,
    Representations,
    View,
    values_of,
)

BATCH = 256
_BATCH_VALUES = 1 << 24
"""Of an evaluation batch: 27 clips of 16 frames of 112 x 112."""
_SOUND = 320_000
"""What a sound of any length counts for: ten seconds at 32 kHz."""
LEAST, LEAST_VALUES = 4, 1 << 18
"""Samples of a batch at least, and how large one may be for that. Products of fewer rows are computed by other kernels
and round otherwise: with at least four, a sample's result is the same in whatever batch it is."""


@dataclass(frozen=True)
class Outputs:
    """Of N samples, in float32 on the CPU.

    made: the views' representations and logits; meaningless where a sample lacks one of the view's modalities
    labels: as in `Batch`; rows: (N,); present: view -> (N,) bool, True where the sample has all that the view reads
    notes: what went wrong in reading the samples
    """

    made: Representations
    labels: Labels
    rows: Int[Tensor, " samples"]
    present: Mapping[View, Bool[Tensor, " samples"]]
    notes: tuple[Note, ...]

    def complete(self, *views: View) -> tuple[Representations, Tensor]:
        """These views' representations and logits, and labels, of the samples that have all that these views read."""
        rows = torch.stack([self.present[view] for view in views]).all(0)
        representations = {view: self.made.representations[view][rows] for view in views}
        logits = {view: self.made.logits[view][rows] for view in views}
        return Representations(representations, logits), self.labels[rows]


def outputs_of(
    dataset: MultimodalDataset,
    rows: Rows,
    model: CrossModalModel,
    views: tuple[View, ...],
    device: torch.device,
    workers: int | Workers = 0,
    windows: int = 1,
) -> Outputs:
    """`raw_outputs_of` these rows. Raises DivergedError where logits are not finite: an epoch's last step may diverge
    after the last loss was finite.
    """
    outputs = raw_outputs_of(dataset, rows, model, views, device, workers, windows)
    for view, logits in outputs.made.logits.items():
        if not torch.isfinite(logits[outputs.present[view]]).all():
            raise DivergedError(
                f"{NAMES[view]}: its predictions are no longer finite, training has diverged; lower "
                "optimization.learning_rate or the method's weights, or set optimization.clip_norm"
            )
    return outputs


def raw_outputs_of(
    dataset: MultimodalDataset,
    rows: Rows,
    model: CrossModalModel,
    views: tuple[View, ...],
    device: torch.device,
    workers: int | Workers = 0,
    windows: int = 1,
    batch_size: int = 0,
) -> Outputs:
    """What the model makes of these rows, in their order, finite or not; of the data only what the views read is read.

    batch_size: samples, or windows, at once; 0 for as many as fit
    windows: most of a sample, counted in the target modalities whatever the views, so that all methods' students see
    the same; 0 for all that do not overlap. They are averaged.
    """
    needed = dataset.only(model.modalities_of(*views))
    size = batch_size or max(1, min(BATCH, _BATCH_VALUES // sum(_values_of(shape) for shape in needed.shapes.values())))
    parts, positions = windows_of(dataset, rows, model.target, windows)
    made = collect(model, evaluation_batches(needed, parts, positions, size, workers), views, device)
    return averaged(made, model.task)


def _values_of(shape: tuple[int, ...]) -> int:
    """How many numbers a sample has; of sequences, a step; of sounds, as of texts' tokens, `_SOUND`."""
    return _SOUND if shape == (-1, 1) else math.prod(abs(size) for size in shape)


def averaged(outputs: Outputs, task: Task) -> Outputs:
    """One sample for each run of equal `rows`, windows of that sample: of those that are there, the mean representation
    and the logits of the mean probabilities. Where no sample has several windows, the outputs as they are."""
    rows, sample, counts = torch.unique_consecutive(outputs.rows, return_inverse=True, return_counts=True)
    if len(rows) == len(outputs.rows):
        return outputs
    representations, logits, present = {}, {}, {}
    for view, present_windows in outputs.present.items():
        representations[view] = _means(outputs.made.representations[view], sample, present_windows, len(rows)).float()
        shares = _means(task.probabilities(outputs.made.logits[view].double()), sample, present_windows, len(rows))
        logits[view] = task.logits_of(shares).float()
        present[view] = torch.bincount(sample[present_windows], minlength=len(rows)) > 0
    labels = outputs.labels[counts.cumsum(0) - counts]
    return Outputs(Representations(representations, logits), labels, rows, present, outputs.notes)


def _means(values: Tensor, sample: Tensor, present: Tensor, count: int) -> Tensor:
    """(count, F) float64 means of the values (N, F) of each `sample` (N,), of those alone that are `present` (N,)."""
    samples = sample[present]
    sums = torch.zeros(count, values.shape[1], dtype=torch.float64).index_add_(0, samples, values[present].double())
    return sums / torch.bincount(samples, minlength=count).clamp_min(1)[:, None]


_LOCK = threading.Lock()
_IN_EVALUATION: dict[nn.Module, tuple[int, bool]] = {}
"""Model -> how many calls, of as many threads, have it in evaluation mode, and whether it trained before."""


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; the last of several calls that have it so at a time leaves it as the first found
    it."""
    with _LOCK:
        calls, trained = _IN_EVALUATION.get(model, (0, model.training))
        _IN_EVALUATION[model] = calls + 1, trained
        model.eval()
    try:
        yield
    finally:
        with _LOCK:
            calls, trained = _IN_EVALUATION.pop(model)
            if calls > 1:
                _IN_EVALUATION[model] = calls - 1, trained
            else:
                model.train(trained)


@torch.no_grad()
def collect(model: CrossModalModel, batches: Iterable[Batch], views: Sequence[View], device: torch.device) -> Outputs:
    """The views of all batches, concatenated.

    The model is put into evaluation mode and left in the mode it came in.
    """
    parts = []
    with _evaluating(model):
        for batch in batches:
            batch = batch.to(device)
            present: dict[View, Tensor] = {view: batch.has(model.modalities_of(view)) for view in views}
            parts.append(Outputs(_forward(model, batch, views), batch.labels, batch.rows, present, batch.notes))
    representations = {view: torch.cat([p.made.representations[view].float().cpu() for p in parts]) for view in views}
    logits = {view: torch.cat([p.made.logits[view].float().cpu() for p in parts]) for view in views}
    return Outputs(
        Representations(representations, logits),
        torch.cat([p.labels.cpu() for p in parts]),
        torch.cat([p.rows.cpu() for p in parts]),
        {view: torch.cat([p.present[view] for p in parts]) for view in views},
        tuple(note for p in parts for note in p.notes),
    )


def _forward(model: CrossModalModel, batch: Batch, views: Sequence[View]) -> Representations:
    """The views of a batch; one of few and small samples is filled up with its last one to `LEAST`."""
    count, names = len(batch.labels), model.modalities_of(*views)
    inputs, present = {name: batch.modalities[name] for name in names}, batch.present
    tensors = [values_of(x) for x in inputs.values()]
    if count < LEAST and sum(x.numel() for x in tensors) <= count * LEAST_VALUES:
        rows = torch.arange(LEAST).clamp_max(count - 1)
        inputs = {name: select(x, rows.to(batch.labels.device)) for name, x in inputs.items()}
        present = {name: mask[rows] for name, mask in present.items()}
    dtype = model.classifier.weight.dtype  # a student may have been brought to another precision
    if dtype != torch.float32:
        inputs = {name: _of_dtype(x, dtype) for name, x in inputs.items()}
    made: Representations = model(inputs, views, present)
    return Representations(
        {view: tensor[:count] for view, tensor in made.representations.items()},
        {view: tensor[:count] for view, tensor in made.logits.items()},
    )


def _of_dtype(x: Modality, dtype: torch.dtype) -> Modality:
    return Padded(x.values.to(dtype), x.lengths) if isinstance(x, Padded) else x.to(dtype)
