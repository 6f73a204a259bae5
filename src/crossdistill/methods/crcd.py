"""CRCD: complementary relation contrastive distillation (Zhu, Tang, Chen, Yu, Liu, Rong, Yang, Wang; CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crossdistill.losses import relation_contrastive_loss
from crossdistill.losses.cosine import unit_rows
from crossdistill.losses.relation_contrast import gradient_direction
from crossdistill.methods.base import Method
from crossdistill.methods.latest_rows import LatestRows
from crossdistill.models import CrossModalModel, RelationNetwork
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import (
    UNLABELLED,
    Batch,
    Choice,
    LogUniform,
    Objective,
    Representations,
    TrainingSamples,
    Turn,
    is_labelled,
)


class Elements(NamedTuple):
    """What the relations of n samples are made of: features, (n, D), and gradients, (n, D)."""

    features: Float[Tensor, "samples width"]
    gradients: Float[Tensor, "samples width"]


class RelationPair(nn.Module):
    """Two relation networks: of teacher's samples with teacher's anchors, and of student's samples with them."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.teacher = RelationNetwork(in_width, width)
        self.cross = RelationNetwork(in_width, width)


class CRCD(Method):
    """The student's representation of a sample is to relate to the teacher's of other samples, the anchors, as the
    teacher's own representation of the sample does.

    Relations are between features and, complementary, between gradients of the cross-entropy. Anchors are samples of
    the batch; negatives are the teacher's relations of an anchor with the latest samples of other classes.
    Use it in RKD's place where relations are to be learnt, by networks, and not distances and angles.
    Unlabelled pairs are left out: a gradient of the cross-entropy, half of its relations, is nothing without a label.
    Paper: Zhu et al.; CVPR 2021.

    Args:
        feature_weight: of the contrast of relations between features
        gradient_weight: of the contrast of relations between gradients
        temperature: τ of the critic
        negatives: K, the latest training samples, among which those of other classes are a sample's negatives
        anchors: of each batch, related to all its samples
        relation_width: of the relations

    Raises:
        ValueError: a negative weight, or another option that is not positive.

    Example:
        >>> from crossdistill.methods import CRCD
        >>> from crossdistill.testing import small_problem
        >>> model, samples, batch = small_problem()
        >>> method = CRCD(model)
        >>> method.prepare(samples)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_student', 'classification_teacher', 'feature_relations', 'gradient_relations']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    search = {
        "feature_weight": LogUniform(0.01, 2.0),
        "gradient_weight": LogUniform(0.01, 2.0),
        "temperature": Choice((0.05, 0.1, 0.2)),
    }

    def __init__(
        self,
        model: CrossModalModel,
        feature_weight: float = 1.0,
        gradient_weight: float = 1.0,
        temperature: float = 0.05,
        negatives: int = 500,
        anchors: int = 16,
        relation_width: int = 128,
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"feature_weight": feature_weight, "gradient_weight": gradient_weight})
        sizes = {"negatives": negatives, "anchors": anchors, "relation_width": relation_width}
        require_above_zero({"temperature": temperature, **sizes})
        self.feature_weight, self.gradient_weight = feature_weight, gradient_weight
        self.temperature, self.negatives, self.anchors = temperature, negatives, anchors
        self.features = RelationPair(model.width, relation_width)
        self.gradients = RelationPair(model.width, relation_width)
        self.queue = self._queue(negatives)

    def prepare(self, samples: TrainingSamples) -> None:
        """Make the queue, no longer than there are samples.

        Args:
            samples: which there are to train on
        """
        self.queue = self._queue(min(self.negatives, len(samples.rows)))

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "full"), *self.parameters()]
        return [Turn("student and teacher", parameters, self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student, teacher = self._student(representations, batch), self._teacher(representations, batch)
        candidates, negatives = self._candidates(teacher, batch.labels)
        features = self._contrast(self.features, student.features, candidates.features, negatives)
        gradients = self._contrast(self.gradients, student.gradients, candidates.gradients, negatives)
        hard = cross_entropy(representations.target_logits, batch.labels)
        online = cross_entropy(representations.full_logits, batch.labels)  # a constant when the teacher is fixed
        total = hard + online + self.feature_weight * features + self.gradient_weight * gradients
        terms = {
            "classification_student": hard,
            "classification_teacher": online,
            "feature_relations": features,
            "gradient_relations": gradients,
        }
        return Objective(total, terms)

    def _contrast(self, pair: RelationPair, student: Tensor, candidates: Tensor, negatives: Tensor) -> Tensor:
        """The loss of one kind of elements. Batches are shuffled: their first samples are random anchors."""
        anchors = candidates[: min(self.anchors, len(student))]
        cross, teacher = pair.cross(anchors, student), pair.teacher(anchors, candidates)
        return relation_contrastive_loss(cross, teacher, negatives, self.temperature)

    def _student(self, representations: Representations, batch: Batch) -> Elements:
        weight = self.model.classifier.weight
        gradients = gradient_direction(representations.target_logits, batch.labels, weight)
        return Elements(unit_rows(representations.target), gradients)

    def _teacher(self, representations: Representations, batch: Batch) -> Elements:
        """The teacher's features and gradients, from which it learns nothing."""
        classifier = cast(nn.Linear, self.model.classifier_of("full"))
        gradients = gradient_direction(representations.full_logits.detach(), batch.labels, classifier.weight.detach())
        return Elements(unit_rows(representations.full.detach()), gradients)

    def _queue(self, size: int) -> LatestRows:
        """The teacher's elements of the latest training samples and their labels; nobody's label is `UNLABELLED`."""
        nothing = torch.zeros(self.model.width)
        return LatestRows(size, {"features": nothing, "gradients": nothing, "labels": torch.tensor(UNLABELLED)})

    def _candidates(
        self, teacher: Elements, labels: Int[Tensor, " batch"]
    ) -> tuple[Elements, Bool[Tensor, "batch candidates"]]:
        """A batch's elements followed by the remembered ones, and for each sample of the batch which of all these are
        of another class.

        As many as the queue holds, or the batch itself where that is larger.
        """
        batch = {**teacher._asdict(), "labels": labels}
        remembered = max(self.queue.size - len(labels), 0)
        joined = {name: torch.cat([rows, *self.queue.latest(name, remembered)]) for name, rows in batch.items()}
        candidates = joined.pop("labels")
        return Elements(**joined), (candidates != labels[:, None]) & is_labelled(candidates)

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.queue.push({**self._teacher(representations, batch)._asdict(), "labels": batch.labels})
