"""Modality dropout: one network that learns to do without the auxiliary modalities (Neverova et al.; TPAMI 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import sqrt
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from crossdistill.losses.checks import require_one_of
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_probability
from crossdistill.types import Batch, Choice, Objective, Representations, Turn

Dropping = Literal["random", "simultaneous"]


class ModalityDropout(Method):
    """One network on all modalities that in training meets a random half of the samples without the auxiliary ones;
    the student is that network with a learnt token in their place.

    The simplest way to use auxiliary modalities in training alone: nothing is distilled, the weights are shared.
    Unlabelled pairs are left out.
    Paper: Neverova, Wolf, Taylor, Nebout, "ModDrop", TPAMI 2016; the learnt token and "simultaneous" as in Gu, Saito,
    Ma; MICCAI 2025.

    Args:
        rate: share of a batch's samples that the auxiliary modalities are dropped for
        dropping: random drops them for that share of the samples, drawn anew in each epoch; simultaneous learns from
            every sample with and without them, weighted by rate and 1 - rate: the mean of "random" over its chance

    Raises:
        InputError: a rate outside [0, 1).
        ValueError: a model whose student is not fused, or an unknown way of dropping.

    Example:
        >>> from crossdistill.methods import ModalityDropout
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem(student="fused")
        >>> method = ModalityDropout(model, rate=0.25)
        >>> [turn] = method.turns(epoch=0)
        >>> method.dropped(batch.rows[:8], epoch=0).tolist()
        [True, True, False, False, False, False, False, False]
        >>> list(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    student = "fused"
    tasks = ALL_TASKS
    search = {"rate": Choice((0.25, 0.5, 0.75)), "dropping": Choice(("random", "simultaneous"))}

    def __init__(self, model: CrossModalModel, rate: float = 0.5, dropping: Dropping = "random") -> None:
        super().__init__(model)
        require_probability({"rate": rate})
        require_one_of("dropping", dropping, get_args(Dropping))
        if not model.fused:
            raise ValueError(
                'modality dropout needs a model whose student is the teacher\'s own network: student="fused"'
            )
        self.rate, self.dropping = rate, dropping

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("network", self.model.parameters_of("target", "full"), partial(self._objective, epoch))]

    def dropped(self, rows: Int[Tensor, " batch"], epoch: int) -> Bool[Tensor, " batch"]:
        """(B,) True for the samples that go without: the first share of a batch, whose order is random already.

        Where the share is no whole number of samples, one more goes without as often as the remainder says, by the
        samples and the epoch: exactly the share over the epochs, and the same on one process as on several.

        Args:
            rows: (B,) the samples' row numbers in the data set
            epoch: the first of which is 0
        """
        # multiples of irrational numbers fall evenly between whole ones (Weyl 1916)
        chance = (rows.sum().double() * sqrt(2) + epoch * (sqrt(5) - 1) / 2) % 1
        return torch.arange(len(rows), device=rows.device) < torch.floor(self.rate * len(rows) + chance)

    def _objective(self, epoch: int, made: Representations, batch: Batch) -> Objective:
        if self.dropping == "simultaneous":
            without = self.task.loss(made.target_logits, batch.labels)
            whole = self.task.loss(made.full_logits, batch.labels)
            terms = {f"{self.task.term}_without": without, f"{self.task.term}_whole": whole}
            return Objective(self.rate * without + (1 - self.rate) * whole, terms)
        dropped = self.dropped(batch.rows, epoch)
        logits = torch.where(dropped[:, None], made.target_logits, made.full_logits)
        loss = self.task.loss(logits, batch.labels)
        return Objective(loss, {self.task.term: loss})
