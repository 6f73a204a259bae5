"""Modality hallucination: a second branch that sees the target and imitates the auxiliary model (CVPR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from crossdistill.losses import hallucination_loss, labelled_cross_entropy
from crossdistill.losses.checks import Reduction, require_reduction
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, LogUniform, Objective, Representations, Turn


class Hallucination(Method):
    """The student has two branches on the target modalities: one that sees, one that learns to show what the auxiliary
    encoder would. It predicts by the mean of both branches' logits.

    Each branch, the auxiliary model and the two pairs that include the seeing branch learn the labels; the
    hallucinating branch imitates the auxiliary representation on labelled and unlabelled pairs.
    Use it where a student of twice the size does not matter; its branches' cost is in "parameters" and "seconds".
    Paper: Hoffman, Gupta, Darrell, "Learning with Side Information through Modality Hallucination"; CVPR 2016.

    Args:
        weight: γ of L_hallucinate, beside five cross-entropies of weight 1
        reduction: of L_hallucinate over features: "sum" is the published norm

    Raises:
        InputError: a negative weight.
        ValueError: an unknown reduction, or a model whose student is not hallucinating.

    Example:
        >>> from crossdistill.methods import Hallucination
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem(student="hallucinating")
        >>> [turn] = Hallucination(model).turns(epoch=0)
        >>> made = model(batch.modalities, Hallucination.views)
        >>> for term in turn.objective(made, batch).terms:
        ...     print(term)
        classification_student
        classification_seeing
        classification_hallucinating
        classification_auxiliary
        classification_pair
        hallucination
        >>> branches = made.passes["seeing"].target_logits + made.passes["hallucinating"].target_logits
        >>> bool((made.target_logits == branches / 2).all())
        True
    """

    views = ("target", "auxiliary")
    predicts = ("target", "auxiliary")
    student = "hallucinating"
    teacher = "pre_trained"
    taught_by = "auxiliary"
    learns_unlabelled = True
    search = {"weight": LogUniform(0.03, 10.0)}

    def __init__(self, model: CrossModalModel, weight: float = 1.0, reduction: Reduction = "sum") -> None:
        super().__init__(model)
        require_at_least_zero({"weight": weight})
        require_reduction(reduction)
        if model.student != "hallucinating":
            raise ValueError('expected a model with a second branch, made with student="hallucinating"')
        self.weight, self.reduction = weight, reduction

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = self.model.parameters_of("target", "auxiliary")
        return [Turn("student and auxiliary model", parameters, self._objective)]

    def _objective(self, made: Representations, batch: Batch) -> Objective:
        seeing, hallucinating = made.passes["seeing"], made.passes["hallucinating"]
        logits = {
            "student": made.target_logits,
            "seeing": seeing.target_logits,
            "hallucinating": hallucinating.target_logits,
            "auxiliary": made.auxiliary_logits,
            "pair": (seeing.target_logits + made.auxiliary_logits) / 2,
        }
        terms = {f"classification_{name}": labelled_cross_entropy(x, batch.labels) for name, x in logits.items()}
        classification = torch.stack(list(terms.values())).sum()
        terms["hallucination"] = hallucination_loss(  # detached: what is imitated must not come closer
            hallucinating.target, made.auxiliary.detach(), self.reduction
        )
        return Objective(classification + self.weight * terms["hallucination"], terms)
