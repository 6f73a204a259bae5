"""The contract that every method of METHODS keeps, and that the public suite tells a method that breaks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossdistill.methods import AMID, CCL, KD, METHODS, MI, Method
from crossdistill.models import CrossModalModel
from crossdistill.recipes.files import options_of
from crossdistill.runs.build import build
from crossdistill.runs.train import train
from crossdistill.testing import METHOD_PROPERTIES, check_method, small_problem
from crossdistill.testing.extremes import extremes
from crossdistill.types import Batch, InputError, Objective, Representations, TaskKind, Turn, View
from tests.runs.small import gestures, recipe


@pytest.mark.parametrize("method_property", METHOD_PROPERTIES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps(name: str, method_property: Callable[[type[Method], TaskKind], None]) -> None:
    method_property(METHODS[name], "classification")


ON_LABELS = [
    p
    for p in METHOD_PROPERTIES
    if p.__name__ in ("objective_falls", "extremes_stay_finite", "unlabelled_samples_stay_finite")
]
"""Those that hang on what labels are; `check_method` tries all for each task."""
OTHER_TASKS = [(name, task) for name, kind in METHODS.items() for task in kind.tasks if task != "classification"]


@pytest.mark.parametrize("method_property", ON_LABELS, ids=lambda function: function.__name__)
@pytest.mark.parametrize(("name", "task"), OTHER_TASKS)
def test_methods_keep_it_for_labels_and_numbers(
    name: str, task: TaskKind, method_property: Callable[[type[Method], TaskKind], None]
) -> None:
    method_property(METHODS[name], task)


def test_those_with_a_meaning_for_labels_and_numbers_are_known() -> None:
    """What the documents name; a new method says it by itself."""
    assert len(ON_LABELS) == 3
    assert {"baseline", "teacher", "auxiliary", "self_training", "kd", "fitnets", "amid", "amid_u"} <= dict(
        OTHER_TASKS
    ).keys()


@pytest.mark.parametrize("name", METHODS)
def test_no_option_is_infinite_or_no_number(name: str) -> None:
    """A temperature without end would leave a loss that says nothing, without a word."""
    model = small_problem(student=METHODS[name].student).model
    for option, default in options_of(METHODS[name]).items():
        for value in (math.inf, -math.inf, math.nan) if isinstance(default, float) else ():
            with pytest.raises(ValueError, match="expected"):
                METHODS[name](model, **{option: value})


def test_the_suite_has_every_property_once() -> None:
    assert len(METHOD_PROPERTIES) == len(set(METHOD_PROPERTIES)) == 14
    assert len(extremes()) == 11


class Draws(KD):
    """Random numbers in each step, as augmentation would."""

    tasks = ("classification",)

    def end_step(self, representations: Representations, batch: Batch) -> None:
        torch.rand(1)


def test_checking_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_method(Draws)
    assert torch.equal(torch.rand(2), expected)


class Altered(MI):
    """A good method whose objective the classes below spoil."""

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn(turn.name, turn.parameters, self.altered) for turn in super().turns(epoch)]

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return self._objective(representations, batch)


class ReadsAnUndeclaredView(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return Objective(self._objective(representations, batch).total + representations.auxiliary.mean(), {})


class PredictsAnUndeclaredView(MI):
    predicts: tuple[View, ...] = ("target", "auxiliary")


class ReadsInputs(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        windows = batch.modalities["windows"]
        assert isinstance(windows, Tensor)
        return Objective(self._objective(representations, batch).total * windows.abs().mean(), {})


class GivesAnEpochOtherParameters(MI):
    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = self.model.parameters_of("target") if epoch == 7 else self.model.parameters_of("target", "full")
        return [Turn("student and teacher", parameters, self._objective)]


class HoldsTheModel(MI):
    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)
        self.classifier = model.classifier


class WithCentre(Altered):
    """A running mean that the objective itself moves, in the state for all to see."""

    centre: Tensor

    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)
        self.register_buffer("centre", torch.zeros(model.width))

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        self.centre.add_(representations.full.detach().mean(dim=0))
        return self._objective(representations, batch)


class CountsCalls(Altered):
    """The same, out of sight."""

    calls = 0

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        self.calls += 1
        return Objective(self._objective(representations, batch).total * self.calls, {})


class StepsTheTeacher(Altered):
    """Backpropagates by itself, into all players."""

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student", self.model.parameters_of("target"), self.altered)]

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        objective = self._objective(representations, batch)
        torch.autograd.backward(objective.total, retain_graph=True)
        return objective


class MovesTheTeacher(MI):
    """A turn of the student whose end of step averages the teacher."""

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student", self.model.parameters_of("target"), self._objective)]

    @torch.no_grad()
    def end_step(self, representations: Representations, batch: Batch) -> None:
        for p in self.model.fusion.parameters():
            p.mul_(0.9)


class MovesNothing(AMID):
    """The discriminators' parameters with an objective that does not reach them."""

    def turns(self, epoch: int) -> Sequence[Turn]:
        first, *others = super().turns(epoch)
        return [first, *(Turn(turn.name, turn.parameters, self._idle, adversary=True) for turn in others)]

    def _idle(self, representations: Representations, batch: Batch) -> Objective:
        return Objective(0.0 * self.adversary.d1(representations.target.detach()).sum(), {})


class FusedProjection(nn.Module):
    """A projection that sends the target's features through the teacher's last layer."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.last = fusion.layers[-1]  # type: ignore[index, union-attr]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        projected: Tensor = self.last(features[0])
        return projected


class PredictsByTheTeacher(MI):
    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)
        model.target_projection = FusedProjection(model.fusion)  # type: ignore[assignment]


class PredictsFromEverything(MI):
    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)
        model.predict = lambda modalities: model(modalities, ("full",)).full_logits  # type: ignore[method-assign]


class PredictsFromWhatIsThere(MI):
    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)

        def predict(modalities: Any) -> Tensor:
            logits: Tensor = model(modalities, ("target",)).target_logits
            return logits + modalities["vectors"].sum() if "vectors" in modalities else logits

        model.predict = predict  # type: ignore[method-assign]


class DividesByTheSpread(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        spread = representations.full.std(dim=0).mean()
        return Objective(self._objective(representations, batch).total / spread, {})


class LogsNothingOverNothing(MI):
    pairs = 0.0

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.pairs = float((batch.labels == 2).sum()) or float("nan")

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return {"pairs": self.pairs}


class RemembersElsewhere(Altered):
    """A weight that steps move and that the state does not hold."""

    weight = 1.0

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return Objective(self.weight * self._objective(representations, batch).total, {})

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.weight *= 1.5


class GrowsItsState(MI):
    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.register_buffer("last", representations.target.detach())


class LooksIntoAnEncoder(Altered):
    """Its loss has what an encoder made last, behind the representations' back."""

    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model)
        self.seen: list[Tensor] = []
        model.encoders["windows"].register_forward_hook(self.look)

    def look(self, encoder: nn.Module, given: Any, made: Tensor) -> None:
        self.seen = [made]

    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return Objective(self._objective(representations, batch).total + self.seen[0].square().mean(), {})


class Climbs(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        objective = self._objective(representations, batch)
        return Objective(100 + objective.total - objective.total.detach(), {})


class GivesALoss(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return super().altered(representations, batch).total  # type: ignore[return-value]


class GivesNothing(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return None  # type: ignore[return-value]


class GivesALossForEachSample(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        return Objective(representations.target.square().mean(1), {})


class GivesNumbersAsTerms(Altered):
    def altered(self, representations: Representations, batch: Batch) -> Objective:
        total = super().altered(representations, batch).total
        return Objective(total, {"bound": float(total.detach())})  # type: ignore[dict-item]


class HasNoTurns(MI):
    def turns(self, epoch: int) -> Sequence[Turn]:
        return []


class RestsInAnEpoch(MI):
    def turns(self, epoch: int) -> Sequence[Turn]:
        return [] if epoch == 2 else super().turns(epoch)


class HasObjectivesAsTurns(MI):
    def turns(self, epoch: int) -> Sequence[Turn]:
        return [self._objective]  # type: ignore[list-item]


class ForgetsItsTurns(Method):
    views = predicts = ("target",)


MISTAKEN: dict[type[Method], str] = {
    ReadsAnUndeclaredView: "turn 'student and teacher' reads the undeclared view 'auxiliary'",
    GivesALoss: r"turn .*: expected its objective to give an Objective, found a tensor of shape \(\)",
    GivesNothing: "turn 'student and teacher': expected its objective to give an Objective, found None",
    GivesALossForEachSample: r"turn .*: expected an Objective whose total is a tensor of one number, found .*\(",
    GivesNumbersAsTerms: "turn .*: expected an Objective whose terms are tensors by name, found {'bound': ",
    HasNoTurns: r"turns\(0\): expected a list of at least one Turn, found \[\]",
    RestsInAnEpoch: r"turns\(2\): expected a list of at least one Turn, found \[\]",
    HasObjectivesAsTurns: r"turns\(0\): expected a list of at least one Turn, found \[<bound method",
    ForgetsItsTurns: r"turns\(0\): expected a list of at least one Turn, found None",
}


@pytest.mark.parametrize("cls", MISTAKEN, ids=lambda cls: cls.__name__)
def test_what_an_author_got_wrong_is_one_line_of_a_run_too(cls: type[Method], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "mistaken", cls)
    with pytest.raises(InputError, match=f"^{cls.__name__}: {MISTAKEN[cls]}") as caught:
        train(build(recipe(method="mistaken", auxiliary_epochs=1), gestures()))
    assert "\n" not in str(caught.value)
    with pytest.raises(AssertionError, match=f"^{cls.__name__}: {MISTAKEN[cls]}"):
        check_method(cls)


BROKEN: dict[type[Method], str] = {
    PredictsAnUndeclaredView: "predicts has views that are not in its views",
    ReadsInputs: "turn 'student and teacher' reads the inputs of 'windows'",
    GivesAnEpochOtherParameters: "turn 'student and teacher' has other parameters in another epoch",
    HoldsTheModel: "the method holds parameters of the model as its own",
    WithCentre: "evaluating turn 'student and teacher' changed the state method.centre",
    CountsCalls: "turn 'student and teacher' has another loss when it is evaluated again",
    StepsTheTeacher: "turn 'student' left a gradient on .*model.fusion.layers.0.weight",
    MovesTheTeacher: "turn 'student' changed another player's model.fusion.layers.0.bias",
    MovesNothing: "turn 'discriminators' changed nothing in epoch 20",
    PredictsByTheTeacher: "predict depends on parameters of the teacher, the auxiliary model or the method",
    PredictsFromEverything: "predict reads the auxiliary input 'vectors'",
    PredictsFromWhatIsThere: "predict depends on an auxiliary input",
    DividesByTheSpread: "identical rows: turn 'student and teacher' has the loss inf",
    LogsNothingOverNothing: "one class only: NaN in the epoch's log, pairs",
    RemembersElsewhere: "turn 'student and teacher' has another loss after a state_dict round trip",
    GrowsItsState: "its state_dict does not load into a new object",
    LooksIntoAnEncoder: "epoch 0, chunks of 5: another model.encoders.windows.* after a step than of the whole batch",
    Climbs: "the objective of turn 'student and teacher' went from 100 to 100",
}


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_method_is_told_what_it_breaks(cls: type[Method]) -> None:
    with pytest.raises(AssertionError, match=f"^{cls.__name__}: {BROKEN[cls]}"):
        check_method(cls)


def test_two_players_keep_the_contract_where_their_turns_say_so() -> None:
    """The same method whose turns name one another's parameters does not."""

    class OnePlayer(CCL):
        def turns(self, epoch: int) -> Sequence[Turn]:
            composition, student = super().turns(epoch)
            return [Turn(composition.name, student.parameters, composition.objective), student]

    check_method(CCL)
    with pytest.raises(AssertionError, match=r"^OnePlayer: "):
        check_method(OnePlayer)
