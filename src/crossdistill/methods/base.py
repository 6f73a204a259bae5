"""What every method offers to the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from crossdistill.models import CrossModalModel
from crossdistill.tasks import Task
from crossdistill.types import (
    Batch,
    InputError,
    Pass,
    Representations,
    SearchSpace,
    StudentKind,
    TaskKind,
    TrainingSamples,
    Turn,
    View,
)

ALL_TASKS: tuple[TaskKind, ...] = ("classification", "multilabel", "regression")

DISCRIMINATOR_ACCURACY = "discriminator_accuracy"
"""How the name of a measure ends that is the share of samples whose view a discriminator tells; a run warns when it is
1 for a whole epoch."""


class Method(nn.Module):
    """A training recipe for a `CrossModalModel`, kept outside it so that the model alone is what ships.

    Derive from it to add a method; `crossdistill.testing.check_method` tells whether it keeps the contract.

    Args:
        model: what it trains

    Attributes:
        views: the representations that its objectives read; the model computes no others
        predicts: the views whose logits it trains; accuracies are reported for these
        teacher: whether its paper distils from a teacher that learns alongside ("online"), was trained before
            ("fixed"), or was trained before and goes on learning alongside ("pre_trained")
        taught_by: which view a teacher that was trained before is: all modalities, or the auxiliary ones alone
        separate_teacher: whether its paper's teacher shares nothing with the student even while both learn; a fixed one
            never does
        search: the options worth tuning on validation samples, with their ranges around the paper's values
        learns_unlabelled: whether its objectives have a meaning for samples without a label (`Batch.labelled`); others
            get labelled samples alone
        learns_outputs: whether all that it reads of the teacher is its logits, so that any teacher's will do, even one
            that cannot be had but for its outputs (`ModelSettings.teacher` given)
        student: what makes S of its encoders' features (`StudentKind`); a fused student has no separate or fixed
            teacher
        teacher_shares_auxiliary: whether a separate teacher still has the auxiliary encoders of the auxiliary view
        tasks: the kinds of task that its objectives have a meaning for; it asks `task` for what depends on them
        passes: further forward passes of each batch that its objectives read
        mixing: of mixed passes, the concentration of the Beta distribution of weights
        first_epochs: of its first stages or its warm-up; what the method is named for comes after them
        teaching: the factor, from 0 to 1, on what S learns of its teachers; `prepare` sets it where it depends on how
            many samples lack a label

    >>> from torch.nn.functional import cross_entropy
    >>> from crossdistill.methods import Method
    >>> from crossdistill.testing import check_method
    >>> from crossdistill.types import Objective, Pass, Turn
    >>> class StudentAlone(Method):
    ...     views = predicts = ("target",)
    ...     def turns(self, epoch):
    ...         return [Turn("student", self.model.parameters_of("target"), self._objective)]
    ...     def _objective(self, representations, batch):
    ...         loss = cross_entropy(representations.target_logits, batch.labels)
    ...         return Objective(loss, {"classification": loss})
    >>> check_method(StudentAlone)
    """

    views: ClassVar[tuple[View, ...]]
    predicts: ClassVar[tuple[View, ...]]
    teacher: ClassVar[Literal["online", "fixed", "pre_trained"]] = "online"
    taught_by: ClassVar[View] = "full"
    separate_teacher: ClassVar[bool] = False
    search: ClassVar[SearchSpace] = {}
    learns_unlabelled: ClassVar[bool] = False
    learns_outputs: ClassVar[bool] = False
    student: ClassVar[StudentKind] = "projected"
    teacher_shares_auxiliary: ClassVar[bool] = False
    tasks: ClassVar[Sequence[TaskKind]] = ("classification",)
    passes: Sequence[Pass] = ()
    mixing: float = 1.0
    first_epochs: int = 0
    teaching: float = 1.0

    def __init__(self, model: CrossModalModel) -> None:
        super().__init__()
        self._model = [model]  # in a list: the model is not a part of the method's own state

    @property
    def model(self) -> CrossModalModel:
        return self._model[0]

    @property
    def task(self) -> Task:
        """What the model's logits mean."""
        return self.model.task

    def require_classes(self, option: str) -> None:
        """Refuse an option that means nothing where there are no classes.

        Args:
            option: its name

        Raises:
            InputError: there are none.
        """
        if not self.task.has_classes:
            raise InputError(f"{option}: has a meaning for classes alone, found {self.task.kind}")

    def prepare(self, samples: TrainingSamples) -> None:
        """Called once, before training and before any state is loaded: where memory banks get their size.

        Args:
            samples: which there are to train on
        """

    def turns(self, epoch: int) -> Sequence[Turn]:
        """The players' moves in each step of this epoch, in order. Turns of one name have the same parameters.

        Args:
            epoch: of the method's stage, counted from 0
        """
        raise NotImplementedError

    def held(self, epoch: int) -> Sequence[nn.Module]:
        """The model's parts that this epoch's turns only read, such as teachers that have learnt: they run in
        evaluation mode, without dropout, and have no gradients.

        Args:
            epoch: of the method's stage, counted from 0
        """
        return ()

    def end_step(self, representations: Representations, batch: Batch) -> None:
        """Called once after each step's turns: the only place, with `end_epoch`, where a method's state moves.

        Args:
            representations: what the step's objectives read
            batch: the step's samples, of all ranks
        """

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Called after each epoch's last step; returns what the method wants in the epoch's log.

        Args:
            epoch: of the method's stage, counted from 0
        """
        return {}


def judged_view(method: type[Method] | Method) -> View:
    """The view that a method is judged by: the student where it trains one, else the first that it predicts with.

    Args:
        method: its class, or an object of it

    >>> from crossdistill.methods import METHODS, judged_view
    >>> judged_view(METHODS["amid"]), judged_view(METHODS["teacher"])
    ('target', 'full')
    """
    return "target" if "target" in method.predicts else method.predicts[0]


class EpochMeans:
    """Weighted means over an epoch, summed in float64 on the device; reading them starts a new epoch.

    For what a method logs and its objective doesn't measure: add in `end_step`, return `read()` in `end_epoch`.

    >>> import torch
    >>> from crossdistill.methods import EpochMeans
    >>> means = EpochMeans()
    >>> means.add("cosine", torch.tensor(1.0), weight=3)
    >>> means.add("cosine", torch.tensor(0.0))
    >>> means.read(), means.read()
    ({'cosine': 0.75}, {})
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor | float] = {}

    def add(self, name: str, value: Tensor, weight: Tensor | float = 1.0) -> None:
        """One more value of this name.

        Args:
            name: what the value is called
            value: of any shape, of one name always the same
            weight: how much it counts in the mean
        """
        value = value.detach().double() * weight
        weight = weight.double() if isinstance(weight, Tensor) else float(weight)
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._weights[name] = self._weights.get(name, 0.0) + weight

    def add_all(self, values: Mapping[str, Tensor]) -> None:
        """One more value of each name, all of weight 1.

        Args:
            values: name -> value
        """
        for name, value in values.items():
            self.add(name, value)

    def read(self) -> dict[str, float]:
        """name -> mean, without the names whose weights add up to 0."""
        means = {name: float(self._sums[name] / weight) for name, weight in self._weights.items() if float(weight) > 0}
        self._sums, self._weights = {}, {}
        return means

    def share(self, mean_over_ranks: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]) -> None:
        """Replace the sums by the ranks' mean, where each rank has added its own and all have the same names.

        Args:
            mean_over_ranks: name -> tensor, to the same with their means over ranks
        """
        self._sums = mean_over_ranks(self._sums)

    def state(self) -> dict[str, tuple[Tensor, Tensor]]:
        """name -> sum and weight so far, for a checkpoint inside the epoch."""
        weights = {name: torch.as_tensor(weight, dtype=torch.float64) for name, weight in self._weights.items()}
        return {name: (self._sums[name].cpu(), weight.cpu()) for name, weight in weights.items()}

    def load(self, state: Mapping[str, tuple[Tensor, Tensor]], device: torch.device) -> None:
        """Go on from what `state` gave.

        Args:
            state: name -> sum and weight
            device: where the means are computed
        """
        self._sums = {name: total.to(device) for name, (total, _) in state.items()}
        self._weights = {name: weight.to(device) for name, (_, weight) in state.items()}
