"""One model trained by labels alone: the student, the teacher, or the auxiliary model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.types import Batch, Objective, Representations, Turn, View


class Baseline(Method):
    """The student alone, from the target modalities; it never sees an auxiliary input ("Baseline", Table 1).

    What distillation has to beat. Unlabelled pairs are left out: it learns labels and nothing else.

    >>> from crossdistill.methods import Baseline
    >>> from crossdistill.testing import small_problem
    >>> model, _, batch = small_problem()
    >>> method = Baseline(model)
    >>> [turn] = method.turns(epoch=0)
    >>> sorted(turn.objective(model({"windows": batch.modalities["windows"]}, method.views), batch).terms)
    ['classification']
    """

    views = ("target",)
    predicts = ("target",)
    tasks = ALL_TASKS

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student", self.model.parameters_of("target"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        loss = self.task.loss(representations.target_logits, batch.labels)
        return Objective(loss, {self.task.term: loss})


class Teacher(Method):
    """The full-modality model alone ("teacher alone", Table 4): the ceiling that "gap recovered" needs.

    Also how a fixed teacher is trained before a method that distils from it. Unlabelled pairs are left out.

    >>> from crossdistill.methods import Teacher
    >>> from crossdistill.testing import small_problem
    >>> model, _, batch = small_problem()
    >>> method = Teacher(model)
    >>> [turn] = method.turns(epoch=0)
    >>> turn.name, sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
    ('teacher', ['classification'])
    """

    views = ("full",)
    predicts = ("full",)
    tasks = ALL_TASKS

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("teacher", self.model.parameters_of("full"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        loss = self.task.loss(representations.full_logits, batch.labels)
        return Objective(loss, {self.task.term: loss})


class Auxiliary(Method):
    """The auxiliary model alone, with a classifier of its own; also how auxiliary encoders are pre-trained.

    Compare it with the student to see how much more the auxiliary modalities know. Unlabelled pairs are left out.

    >>> from crossdistill.methods import Auxiliary
    >>> from crossdistill.testing import small_problem
    >>> model, _, batch = small_problem()
    >>> method = Auxiliary(model)
    >>> [turn] = method.turns(epoch=0)
    >>> turn.name, sorted(turn.objective(model({"vectors": batch.modalities["vectors"]}, method.views), batch).terms)
    ('auxiliary', ['classification'])
    """

    views = ("auxiliary",)
    predicts = ("auxiliary",)
    tasks = ALL_TASKS

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("auxiliary", self.model.parameters_of("auxiliary"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        loss = self.task.loss(representations.auxiliary_logits, batch.labels)
        return Objective(loss, {self.task.term: loss})


def teacher_alone(model: CrossModalModel, view: View) -> tuple[Method, Callable[[], None]]:
    """The method that trains a teacher of this view before one that distils from it, and the call that fixes it."""
    if view == "full":
        return Teacher(model), model.freeze_teacher
    return Auxiliary(model), model.freeze_auxiliary_model
