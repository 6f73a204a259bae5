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
