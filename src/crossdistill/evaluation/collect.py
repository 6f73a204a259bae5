"""A model's outputs over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from crossdistill.models import CrossModalModel
from crossdistill.types import Batch, Note, Representations, View


@dataclass(frozen=True)
class Outputs:
    """Of N samples, in float32 on the CPU.

    made: the views' representations and logits; meaningless where a sample lacks one of the view's modalities
    labels, rows: (N,); present: view -> (N,) bool, True where the sample has all that the view reads
    notes: what went wrong in reading the samples
    """

    made: Representations
    labels: Int[Tensor, " samples"]
    rows: Int[Tensor, " samples"]
    present: Mapping[View, Bool[Tensor, " samples"]]
    notes: tuple[Note, ...]

    def complete(self, *views: View) -> tuple[Representations, Tensor]:
        """These views' representations and logits, and labels, of the samples that have all that these views read."""
        rows = torch.stack([self.present[view] for view in views]).all(0)
        representations = {view: self.made.representations[view][rows] for view in views}
        logits = {view: self.made.logits[view][rows] for view in views}
        return Representations(representations, logits), self.labels[rows]


def averaged(outputs: Outputs) -> Outputs:
    """One sample for each run of equal `rows`, windows of that sample: of those that are there, the mean representation
    and the logarithm of the mean softmax. Where no sample has several windows, the outputs as they are."""
    rows, sample, counts = torch.unique_consecutive(outputs.rows, return_inverse=True, return_counts=True)
    if len(rows) == len(outputs.rows):
        return outputs
    representations, logits, present = {}, {}, {}
    for view, there in outputs.present.items():
        representations[view] = _means(outputs.made.representations[view], sample, there, len(rows)).float()
        shares = _means(outputs.made.logits[view].double().softmax(1), sample, there, len(rows))
        logits[view] = shares.clamp_min(torch.finfo(torch.float64).tiny).log().float()
        present[view] = torch.bincount(sample[there], minlength=len(rows)) > 0
    labels = outputs.labels[counts.cumsum(0) - counts]
    return Outputs(Representations(representations, logits), labels, rows, present, outputs.notes)


def _means(values: Tensor, sample: Tensor, there: Tensor, count: int) -> Tensor:
    """(count, F) float64 means of the values (N, F) of each `sample` (N,), of those alone that are `there` (N,)."""
    chosen = sample[there]
    sums = torch.zeros(count, values.shape[1], dtype=torch.float64).index_add_(0, chosen, values[there].double())
    return sums / torch.bincount(chosen, minlength=count).clamp_min(1)[:, None]


@torch.no_grad()
def collect(model: CrossModalModel, batches: Iterable[Batch], views: Sequence[View], device: torch.device) -> Outputs:
    """The views of all batches, concatenated.

    The model is put into evaluation mode and left in the mode it came in.
    """
    training = model.training
    model.eval()
    parts = []
    for batch in batches:
        batch = batch.to(device)
        inputs = {name: batch.modalities[name] for name in model.modalities_of(*views)}
        present: dict[View, Tensor] = {view: batch.has(model.modalities_of(view)) for view in views}
        parts.append(Outputs(model(inputs, views, batch.present), batch.labels, batch.rows, present, batch.notes))
    model.train(training)
    representations = {view: torch.cat([p.made.representations[view].float().cpu() for p in parts]) for view in views}
    logits = {view: torch.cat([p.made.logits[view].float().cpu() for p in parts]) for view in views}
    return Outputs(
        Representations(representations, logits),
        torch.cat([p.labels.cpu() for p in parts]),
        torch.cat([p.rows.cpu() for p in parts]),
        {view: torch.cat([p.present[view] for p in parts]) for view in views},
        tuple(note for p in parts for note in p.notes),
    )
