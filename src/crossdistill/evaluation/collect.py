"""A model's outputs over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from crossdistill.models import CrossModalModel
from crossdistill.types import Batch, Representations, View


@torch.no_grad()
def collect(
    model: CrossModalModel, batches: Iterable[Batch], views: Sequence[View], device: torch.device
) -> tuple[Representations, Tensor]:
    """The views' representations and logits of all batches, concatenated, and their labels, in float32 on the CPU.

    The model is put into evaluation mode and left in the mode it came in.
    """
    training = model.training
    model.eval()
    outputs, labels = [], []
    for batch in batches:
        batch = batch.to(device)
        outputs.append(model({name: batch.modalities[name] for name in needed(model, views)}, views))
        labels.append(batch.labels.cpu())
    model.train(training)
    representations = {view: torch.cat([o.representations[view].float().cpu() for o in outputs]) for view in views}
    logits = {view: torch.cat([o.logits[view].float().cpu() for o in outputs]) for view in views}
    return Representations(representations, logits), torch.cat(labels)


def needed(model: CrossModalModel, views: Sequence[View]) -> tuple[str, ...]:
    """The names of the modalities that the views read."""
    target = model.target if {"target", "full"} & set(views) else ()
    auxiliary = model.auxiliary if {"auxiliary", "full"} & set(views) else ()
    return target + auxiliary
