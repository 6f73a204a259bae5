"""Samples that lack an auxiliary modality still train the student: what of a batch counts, and for how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from crossdistill.methods import Method
from crossdistill.training.passes import select_batch
from crossdistill.training.turns import objective_of
from crossdistill.types import Batch, Objective, Representations, Turn


@dataclass(frozen=True)
class DividedBatch:
    """A global batch by what its samples have.

    complete, batch: the n_c samples that have every modality that the method's views read
    rest_logits, rest_labels: S's logits (n_r, C) and labels (n_r,) of the samples that have the target modalities alone
    Samples that lack a target modality are in neither: nothing is learnt from them; nor from those that lack an
    auxiliary modality and a label.
    """

    method: Method
    complete: Representations
    batch: Batch
    rest_logits: Tensor
    rest_labels: Tensor

    @property
    def complete_count(self) -> int:
        """n_c: how many samples have everything that the method reads."""
        return len(self.batch.labels)

    @property
    def rest_count(self) -> int:
        """n_r: how many samples train the student alone."""
        return len(self.rest_labels)

    def can_learn(self, turn: Turn) -> bool:
        """Whether there is anything that the turn could learn from."""
        return self.complete_count > 0 or self._classifies_rest(turn)

    def objective(self, turn: Turn) -> Objective:
        """n_c/B times the method's objective on the complete samples, plus n_r/B times what labels teach S on the rest.

        B = n_c + n_r. Without a rest it is the method's objective itself. The second term is the student's, so it is in
        the turns that move the whole student, and only where labels train S's logits.
        """
        if self.rest_count == 0:
            return objective_of(self.method, turn, self.complete, self.batch)
        terms: dict[str, Tensor] = {}
        measures: Mapping[str, Tensor] = {}
        parts: list[Tensor] = []
        if self.complete_count > 0:
            objective = objective_of(self.method, turn, self.complete, self.batch)
            parts.append(self.complete_count / (self.complete_count + self.rest_count) * objective.total)
            terms |= objective.terms
            measures = objective.measures
        if self._classifies_rest(turn):
            task = self.method.task
            loss = task.loss(self.rest_logits, self.rest_labels)
            parts.append(self.rest_count / (self.complete_count + self.rest_count) * loss)
            terms[self._term_of_rest] = loss
        return Objective(torch.stack(parts).sum(), terms, measures)

    def weights(self, terms: Iterable[str]) -> dict[str, Tensor]:
        """Of the terms that labels of the complete samples give, in the epoch's means: 0 where none of these has a
        label, and the term is 0 for that alone."""
        has_labels, term = self.batch.labelled.any().double(), self.method.task.term
        of_labels = [name for name in terms if name == term or name.startswith(f"{term}_")]
        return {name: has_labels for name in of_labels if name != self._term_of_rest}

    @property
    def _term_of_rest(self) -> str:
        return f"{self.method.task.term}_incomplete"

    def _classifies_rest(self, turn: Turn) -> bool:
        if self.rest_count == 0 or turn.adversary or not turn.labels_student or "target" not in self.method.predicts:
            return False
        moved = {id(p) for p in turn.parameters}
        return all(id(p) in moved for p in self.method.model.parameters_of("target"))


def divide(method: Method, representations: Representations, batch: Batch) -> DividedBatch:
    """Divide the gathered batch into complete samples and the rest."""
    model, device = method.model, batch.labels.device
    complete = batch.has(model.modalities_of(*method.views))
    if bool(complete.all()):
        return DividedBatch(method, representations, batch, torch.empty(0, device=device), batch.labels[:0])
    logits = representations.logits.get("target", torch.empty(len(batch.labels), 0, device=device))
    rest = (~complete & batch.has(model.target) & batch.labelled.cpu()).nonzero().squeeze(1).to(device)
    complete_rows = complete.nonzero().squeeze(1).to(device)
    return DividedBatch(
        method,
        representations.map(lambda tensor: tensor[complete_rows]),
        select_batch(batch, complete_rows),
        logits[rest],
        batch.labels[rest],
    )
