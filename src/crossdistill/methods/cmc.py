"""CMC: contrastive multiview coding (Tian, Krishnan, Isola; ECCV 2020), with a supervised student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor

from crossdistill.losses import info_nce_loss, labelled_cross_entropy
from crossdistill.losses.checks import require_one_of
from crossdistill.methods.base import Method
from crossdistill.methods.noise_contrast import NoiseContrast, Normalization
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, TrainingSamples, Turn

Form = Literal["memory", "batch"]


class CMC(Method):
    """Each sample's target and auxiliary representations are to find each other among those of other samples.

    L_cls + weight · L(V1, V2) with V1 = S and V2 = A, L(V1, V2) = L^{V1,V2} + L^{V2,V1} (Eq. 4). No teacher.
    Use it where the modalities say the same of a sample and no model of all of them is wanted.
    The contrast asks for no class, so that unlabelled pairs take part in it like all others.
    Paper: Tian, Krishnan, Isola; ECCV 2020.

    Args:
        weight: of L(V1, V2)
        form: "memory" contrasts with memory banks by noise-contrastive estimation, "batch" with the other samples of
            the batch by a softmax
        temperature: τ of Eq. 3
        negatives: for each sample, any other samples; all there are where they are fewer (memory)
        embedding: width of the linear embeddings that are contrasted
        momentum: of the memory banks (memory)
        normalization: "first_batch" for the constant Z of the first batch, "none" for Z = 1 (memory)

    Raises:
        ValueError: a negative weight, an unknown form, or another option that is unusable.

    Example:
        >>> from crossdistill.methods import CMC
        >>> from crossdistill.testing import small_problem
        >>> model, samples, batch = small_problem()
        >>> method = CMC(model)
        >>> method.prepare(samples)
        >>> [turn] = method.turns(epoch=0)
        >>> objective = turn.objective(model(batch.modalities, method.views), batch)
        >>> sorted(objective.terms)
        ['classification', 'contrast']
    """

    views = ("target", "auxiliary")
    predicts = ("target",)
    learns_unlabelled = True
    search = {"weight": LogUniform(0.05, 5.0), "temperature": Choice((0.05, 0.07, 0.1, 0.2))}

    def __init__(
        self,
        model: CrossModalModel,
        weight: float = 1.0,
        form: Form = "memory",
        temperature: float = 0.07,
        negatives: int = 16384,
        embedding: int = 128,
        momentum: float = 0.5,
        normalization: Normalization = "first_batch",
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"weight": weight})
        require_one_of("form", form, get_args(Form))
        self.weight, self.form, self.temperature = weight, form, temperature
        self.contrast = NoiseContrast(
            model.width,
            embedding=embedding,
            negatives=negatives,
            other_classes=False,
            temperature=temperature,
            momentum=momentum,
            normalization=normalization,
        )

    def prepare(self, samples: TrainingSamples) -> None:
        if self.form == "memory":
            self.contrast.prepare(samples)

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "auxiliary"), *self.contrast.parameters()]
        return [Turn("student and auxiliary", parameters, self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        classification = labelled_cross_entropy(representations.target_logits, batch.labels)
        contrast = self._contrast(representations, batch)
        terms = {"classification": classification, "contrast": contrast}
        return Objective(classification + self.weight * contrast, terms)

    def _contrast(self, representations: Representations, batch: Batch) -> Tensor:
        """The contrast L(V1, V2) of Eq. 4."""
        if self.form == "memory":
            loss: Tensor = self.contrast(representations.target, representations.auxiliary, batch)
            return loss
        target = self.contrast.embed_first(representations.target)
        auxiliary = self.contrast.embed_second(representations.auxiliary)
        there, back = ((target, auxiliary), (auxiliary, target))
        share = batch.share()
        return info_nce_loss(*there, self.temperature, share) + info_nce_loss(*back, self.temperature, share)

    def end_step(self, representations: Representations, batch: Batch) -> None:
        if self.form == "memory":
            self.contrast.end_step(representations.target, representations.auxiliary, batch)
