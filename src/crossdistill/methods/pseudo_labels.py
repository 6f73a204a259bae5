"""What methods share that learn soft labels q of pairs without a label: weights of samples and of epochs, mixtures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crossdistill.models import CrossModalModel
from crossdistill.tasks import Task
from crossdistill.types import Batch, Labels, Pass, Representations, View, copied_to, is_labelled


def passes_for(model: CrossModalModel, views: tuple[View, ...], concentration: float) -> Sequence[Pass]:
    """The further forward passes: what the views say without dropout and without gradient, from which q is made; and,
    unless the concentration is 0 or the inputs cannot be mixed, S of pairs of target inputs mixed."""
    quiet = (Pass("quiet", views, quiet=True),)
    return (*quiet, Pass("mixed", ("target",), mixed=True)) if concentration > 0 and model.can_mix else quiet


def risen(progress: float, ramp: float) -> float:
    """How much of its weight q has: from 0 at the start linearly to 1 after the share `ramp` of the epochs."""
    return min(1.0, progress / ramp) if ramp else 1.0


def sample_weights(labels: Labels, unlabelled_weight: float) -> Tensor:
    """(B,) how much each sample weighs in what S learns of q: `unlabelled_weight` without a label, 1 with one."""
    return torch.where(is_labelled(labels), 1.0, unlabelled_weight)


def soft_terms(
    task: Task, made: Representations, batch: Batch, q: Tensor, unlabelled_weight: float
) -> dict[str, Tensor]:
    """What S learns of q on the samples, and on their mixtures."""
    weights = sample_weights(batch.labels, unlabelled_weight)
    terms = {"soft_labels": task.soft_loss(made.target_logits, q, weights)}
    return terms | mixture_terms(task, made, batch, q, weights)


def mixture_terms(task: Task, made: Representations, batch: Batch, q: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The loss of S on mixed inputs with targets and samples' weights (B,) that are mixed alike, targets from the label
    where it is known, else from q; nothing where nothing was mixed."""
    if batch.mixing is None or "mixed" not in made.passes:
        return {}
    partners, shares, whole = batch.mixing
    rows = copied_to(whole.nonzero().squeeze(1), partners.device)
    if not len(rows):
        return {}
    targets = task.known_or(q, batch.labels)
    mixture = shares[:, None] * targets + (1 - shares[:, None]) * targets[partners]
    mixed_weights = shares * weights + (1 - shares) * weights[partners]
    logits = made.passes["mixed"].target_logits
    return {"mixture": task.soft_loss(logits[rows], mixture[rows], mixed_weights[rows])}
