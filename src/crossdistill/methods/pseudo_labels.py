"""What methods share that learn soft labels q of pairs without a label: sharpening, a rising weight, mixtures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from crossdistill.models import CrossModalModel
from crossdistill.tasks import Task
from crossdistill.types import Batch, Pass, Representations, View


def passes_for(model: CrossModalModel, views: tuple[View, ...], concentration: float) -> Sequence[Pass]:
    """The further forward passes: what the views say without dropout and without gradient, from which q is made; and,
    unless the concentration is 0 or the inputs cannot be mixed, S of pairs of target inputs mixed."""
    quiet = (Pass("quiet", views, quiet=True),)
    return (*quiet, Pass("mixed", ("target",), mixed=True)) if concentration > 0 and model.can_mix else quiet


def risen(progress: float, ramp: float) -> float:
    """How much of its weight q has: from 0 at the start linearly to 1 after the share `ramp` of the epochs."""
    return min(1.0, progress / ramp) if ramp else 1.0


def mixture_terms(task: Task, made: Representations, batch: Batch, q: Tensor) -> dict[str, Tensor]:
    """The loss of S on mixed inputs with targets that are mixed alike, from the label where it is known, else
    from q; nothing where nothing was mixed."""
    if batch.mixing is None or "mixed" not in made.passes or not bool(batch.mixing.whole.any()):
        return {}
    partners, weights, whole = batch.mixing
    targets = task.known_or(q, batch.labels)
    mixture = weights[:, None] * targets + (1 - weights[:, None]) * targets[partners]
    return {"mixture": task.soft_loss(made.passes["mixed"].target_logits[whole], mixture[whole])}
