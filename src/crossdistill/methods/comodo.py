"""COMODO: cross-modal distillation over a queue of the teacher's embeddings (Chen et al., 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crossdistill.losses import labelled_cross_entropy
from crossdistill.losses.queue_similarity import similarity_divergence
from crossdistill.methods.base import Method
from crossdistill.methods.latest_rows import LatestRows
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Share, TrainingSamples, Turn


class COMODO(Method):
    """The student learns which of the latest training samples are like a sample, as a fixed auxiliary teacher sees it.

    A queue holds the teacher's embeddings; both say by a softmax of cosines how alike each of them is to the sample,
    the student through a head that stays behind. No label is needed for it, so unlabelled pairs teach as much as
    labelled ones; labels come in by cross-entropy.
    Take it where pairs are many and the auxiliary encoder knows more than the classes, such as one with published
    weights. Paper: Chen, Wongso, Li, Khaokaew, Xue, Salim, "COMODO"; 2025, after SEED (Fang et al.; ICLR 2021).

    Args:
        weight: of the divergence over the queue, beside the cross-entropy
        queue: how many samples are remembered, at most as many as there are
        student_temperature: of the student's similarities
        teacher_temperature: of the teacher's
        hidden: width of the head's hidden layer

    Raises:
        InputError: a negative weight, or an unusable temperature, queue or hidden width.

    Example:
        >>> import torch
        >>> from crossdistill.methods import COMODO
        >>> from crossdistill.testing import small_problem
        >>> model, samples, batch = small_problem()
        >>> method = COMODO(model, queue=40)
        >>> method.prepare(samples)
        >>> made = model(batch.modalities, method.views)
        >>> [turn] = method.turns(epoch=0)
        >>> list(turn.objective(made, batch).terms)
        ['classification_student', 'classification_auxiliary', 'queue']
        >>> method.end_step(made, batch)
        >>> method.end_step(made, batch)
        >>> method.queue.filled  # of two batches of 32, the latest 40
        40
    """

    views = ("target", "auxiliary")
    predicts = ("target", "auxiliary")
    teacher = "fixed"
    taught_by = "auxiliary"
    learns_unlabelled = True
    search = {
        "weight": LogUniform(0.1, 10.0),
        "student_temperature": Choice((0.05, 0.1, 0.2)),
        "teacher_temperature": Choice((0.05, 0.1, 0.2)),
    }

    def __init__(
        self,
        model: CrossModalModel,
        weight: float = 1.0,
        queue: int = 16384,
        student_temperature: float = 0.05,
        teacher_temperature: float = 0.1,
        hidden: int = 2048,
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"weight": weight})
        require_above_zero({"student_temperature": student_temperature, "teacher_temperature": teacher_temperature})
        require_above_zero({"queue": queue, "hidden": hidden})
        self.weight, self.size = weight, queue
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.head = nn.Sequential(  # departure: layer for batch normalisation, whose statistics a loss would move
            nn.Linear(model.width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, model.width)
        )
        self.queue = self._queue(queue)

    def prepare(self, samples: TrainingSamples) -> None:
        """Make the queue, no longer than there are samples.

        Args:
            samples: which there are to train on
        """
        self.queue = self._queue(min(self.size, len(samples.rows)))

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "auxiliary"), *self.head.parameters()]
        return [Turn("student and teacher", parameters, self._objective)]

    def _objective(self, made: Representations, batch: Batch) -> Objective:
        hard = labelled_cross_entropy(made.target_logits, batch.labels)
        teacher = labelled_cross_entropy(made.auxiliary_logits, batch.labels)  # a constant when the teacher is fixed
        similarity = self._similarity(made, batch.share())
        terms = {"classification_student": hard, "classification_auxiliary": teacher, "queue": similarity}
        return Objective(hard + teacher + self.weight * similarity, terms)

    def _similarity(self, made: Representations, share: Share) -> Tensor:
        embeddings = made.auxiliary.detach()
        remembered = [part.to(embeddings) for part in self.queue.latest("embeddings", self.queue.filled)]
        return share.weight * similarity_divergence(
            self.head(share.take(made.target)),
            share.take(embeddings),
            [embeddings, *remembered],
            self.student_temperature,
            self.teacher_temperature,
        )

    def _queue(self, size: int) -> LatestRows:
        return LatestRows(size, {"embeddings": torch.zeros(self.model.width)})

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.queue.push({"embeddings": representations.auxiliary})
