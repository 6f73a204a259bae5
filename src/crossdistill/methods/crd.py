"""CRD: contrastive representation distillation (Tian, Krishnan, Isola; ICLR 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.losses import labelled_cross_entropy
from crossdistill.methods.base import Method
from crossdistill.methods.noise_contrast import NoiseContrast, Normalization
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, TrainingSamples, Turn


class CRD(Method):
    """The student's representation of a sample is to tell the teacher's of the same sample from those of others.

    L_cls + β L_CRD, where L_CRD is -L_critic (Eq. 18) with h of Eq. 19, of student anchors against a memory bank of
    the teacher plus of teacher anchors against one of the student.
    Use it where the training set is much larger than a batch: a memory bank gives each sample thousands of negatives.
    An unlabelled pair is a class of its own: all other samples are its negatives, and it is a negative of theirs.
    Paper: Tian, Krishnan, Isola; ICLR 2020.

    Args:
        beta: weight of L_CRD
        temperature: τ of Eq. 19
        negatives: N for each sample, drawn from other classes; all there are where they are fewer
        embedding: width of the linear embeddings g^S and g^T
        momentum: of the memory banks
        normalization: "first_batch" divides h's exponential by a constant Z of the first batch, as the paper's code
            does; "none" is Eq. 19 as printed

    Raises:
        ValueError: a negative β, or an unusable τ, N, embedding, momentum or normalization.

    Example:
        >>> from crossdistill.methods import CRD
        >>> from crossdistill.testing import small_problem
        >>> model, samples, batch = small_problem()
        >>> method = CRD(model)
        >>> method.prepare(samples)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_student', 'classification_teacher', 'contrast']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    search = {"beta": LogUniform(0.1, 5.0), "temperature": Choice((0.05, 0.07, 0.1, 0.2))}

    def __init__(
        self,
        model: CrossModalModel,
        beta: float = 0.8,
        temperature: float = 0.07,
        negatives: int = 16384,
        embedding: int = 128,
        momentum: float = 0.5,
        normalization: Normalization = "first_batch",
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"beta": beta})
        self.beta = beta
        self.contrast = NoiseContrast(
            model.width,
            embedding=embedding,
            negatives=negatives,
            other_classes=True,
            temperature=temperature,
            momentum=momentum,
            normalization=normalization,
        )

    def prepare(self, samples: TrainingSamples) -> None:
        self.contrast.prepare(samples)

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "full"), *self.contrast.parameters()]
        return [Turn("student and teacher", parameters, self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student = labelled_cross_entropy(representations.target_logits, batch.labels)
        teacher = labelled_cross_entropy(representations.full_logits, batch.labels)  # a constant when it is fixed
        contrast = self.contrast(representations.target, representations.full.detach(), batch)
        terms = {"classification_student": student, "classification_teacher": teacher, "contrast": contrast}
        return Objective(student + teacher + self.beta * contrast, terms)

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.contrast.end_step(representations.target, representations.full, batch)
