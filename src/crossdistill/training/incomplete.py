"""Samples that lack an auxiliary modality still train the student: what of a batch counts, and for how much."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossdistill.methods import Method
from crossdistill.types import Batch, Objective, Representations, Turn


@dataclass(frozen=True)
class Samples:
    """A global batch by what its samples have.

    complete, batch: the n_c samples that have every modality that the method's views read
    others, labels: S's logits (n_r, C) and labels (n_r,) of the samples that have the target modalities alone
    Samples that lack a target modality are in neither: nothing is learnt from them.
    """

    method: Method
    complete: Representations
    batch: Batch
    others: Tensor
    labels: Tensor

    @property
    def n_c(self) -> int:
        return len(self.batch.labels)

    @property
    def n_r(self) -> int:
        return len(self.labels)

    def moves(self, turn: Turn) -> bool:
        """Whether there is anything that the turn could learn from."""
        return self.n_c > 0 or self._classifies_others(turn)

    def objective(self, turn: Turn) -> Objective:
        """n_c/B times the method's objective on the complete samples, plus n_r/B times S's cross-entropy on the others.

        B = n_c + n_r. Without others it is the method's objective itself. The second term is the student's, so it is in
        the turns that move the whole student, and only where the method trains S's logits.
        """
        if self.n_r == 0:
            return turn.objective(self.complete, self.batch)
        terms: dict[str, Tensor] = {}
        parts: list[Tensor] = []
        if self.n_c > 0:
            made = turn.objective(self.complete, self.batch)
            parts.append(self.n_c / (self.n_c + self.n_r) * made.total)
            terms |= made.terms
        if self._classifies_others(turn):
            classification = cross_entropy(self.others, self.labels)
            parts.append(self.n_r / (self.n_c + self.n_r) * classification)
            terms["classification_incomplete"] = classification
        return Objective(torch.stack(parts).sum(), terms)

    def _classifies_others(self, turn: Turn) -> bool:
        if self.n_r == 0 or turn.adversary or "target" not in self.method.predicts:
            return False
        moved = {id(p) for p in turn.parameters}
        return all(id(p) in moved for p in self.method.model.parameters_of("target"))


def divide(method: Method, representations: Representations, batch: Batch) -> Samples:
    """The gathered batch, divided."""
    model, device = method.model, batch.labels.device
    complete = batch.has(model.modalities_of(*method.views))
    rest = (~complete & batch.has(model.target)).nonzero().squeeze(1).to(device)
    logits = representations.logits.get("target", torch.empty(len(batch.labels), 0, device=device))
    if not bool(complete.all()):
        chosen = complete.nonzero().squeeze(1).to(device)
        representations, batch_of_complete = _select(representations, chosen), _select_batch(batch, chosen)
        return Samples(method, representations, batch_of_complete, logits[rest], batch.labels[rest])
    return Samples(method, representations, batch, logits[rest], batch.labels[rest])


def _select(made: Representations, rows: Tensor) -> Representations:
    return Representations(
        {view: tensor[rows] for view, tensor in made.representations.items()},
        {view: tensor[rows] for view, tensor in made.logits.items()},
    )


def _select_batch(batch: Batch, rows: Tensor) -> Batch:
    present = {name: mask[rows.cpu()] for name, mask in batch.present.items()}
    return Batch({}, batch.labels[rows], batch.rows[rows], present)
