"""One model trained by cross-entropy alone: the student, the teacher, or the auxiliary model."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn.functional import cross_entropy

from crossdistill.methods.base import Method
from crossdistill.types import Batch, Objective, Representations, Turn


class Baseline(Method):
    """The student alone, from the target modalities; it never sees an auxiliary input ("Baseline", Table 1)."""

    views = ("target",)
    predicts = ("target",)

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student", self.model.parameters_of("target"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        classification = cross_entropy(representations.target_logits, batch.labels)
        return Objective(classification, {"classification": classification})


class Teacher(Method):
    """The full-modality model alone ("teacher alone", Table 4): the ceiling that "gap recovered" needs."""

    views = ("full",)
    predicts = ("full",)

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("teacher", self.model.parameters_of("full"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        classification = cross_entropy(representations.full_logits, batch.labels)
        return Objective(classification, {"classification": classification})


class Auxiliary(Method):
    """The auxiliary model alone, with a classifier of its own; also how auxiliary encoders are pre-trained."""

    views = ("auxiliary",)
    predicts = ("auxiliary",)

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("auxiliary", self.model.parameters_of("auxiliary"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        classification = cross_entropy(representations.auxiliary_logits, batch.labels)
        return Objective(classification, {"classification": classification})
