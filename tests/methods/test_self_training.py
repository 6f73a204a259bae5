"""Self-training against slow float64 loops, and beside AMID-U, whose pipeline it has without the auxiliary modality."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossdistill.data import from_arrays
from crossdistill.encoders import MLP
from crossdistill.methods import AMIDU, SelfTraining
from crossdistill.methods.pseudo_labels import risen
from crossdistill.models import CrossModalModel
from crossdistill.recipes.library.bundled import own
from crossdistill.runs.build import build as build_run
from crossdistill.runs.train import train
from crossdistill.tasks import Classification
from crossdistill.training.incomplete import divide
from crossdistill.training.passes import forward, with_mixing
from crossdistill.types import Batch, InputError, Representations, TrainingSamples
from tests.methods.slow import cross_entropy
from tests.methods.test_amid_u import cross, softmax

LABELS = [0, 1, -1, 2, -1, 0, 1, -1]
TASK = Classification(("a", "b", "c"))


def build(dropout: float = 0.0, labels: list[int] = LABELS, **options: float) -> tuple[SelfTraining, Batch]:
    torch.manual_seed(0)
    encoders = {"a": MLP(3, 5).double()}
    model = CrossModalModel(encoders, ("a",), (), 5, 3, dropout).double()
    method = SelfTraining(model, **options)
    method.prepare(TrainingSamples(torch.arange(8), torch.tensor(labels), epochs=10))
    chance = torch.linspace(0.05, 0.95, 8).double()
    batch = Batch({"a": torch.randn(8, 3).double()}, torch.tensor(labels), torch.arange(8), {}, chance=chance)
    return method, with_mixing(method, batch)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("epoch", "soft"), [(0, 0.0), (1, 0.2), (5, 1.0), (9, 1.0)])
def test_the_objective_in_slow_loops(epoch: int, soft: float, dropout: float) -> None:
    """A model without any auxiliary modality; with dropout q is what the student says without it."""
    method, batch = build(dropout)
    made = forward(method, batch)
    quiet = method.model.eval().predict(batch.modalities).tolist()
    q = []
    for row in quiet:
        powers = [probability**2 for probability in softmax(row)]
        q.append([power / sum(powers) for power in powers])
    logits, mixed = made.target_logits.tolist(), made.passes["mixed"].target_logits.tolist()
    known = [row for row, label in enumerate(LABELS) if label >= 0]
    total = sum(-math.log(softmax(logits[row])[LABELS[row]]) for row in known) / len(known)
    total += soft * sum(cross(logits[row], q[row]) for row in range(8)) / 8
    targets = [[float(c == LABELS[row]) for c in range(3)] if LABELS[row] >= 0 else q[row] for row in range(8)]
    assert batch.mixing is not None
    for row in range(8):
        w = float(batch.mixing.weights[row])
        mixture = [w * a + (1 - w) * b for a, b in zip(targets[row], targets[row ^ 1], strict=True)]
        total += soft * cross(mixed[row], mixture) / 8
    assert float(method.turns(epoch)[0].objective(made, batch).total.detach()) == pytest.approx(total, rel=1e-6)


def test_its_options_and_defaults_are_those_of_amid_u() -> None:
    """But for the weight of unlabelled samples, whose value in AMID-U makes self-training worse (docs/readings.md)."""
    own, theirs = (
        {name: option.default for name, option in inspect.signature(kind).parameters.items()}
        for kind in (SelfTraining, AMIDU)
    )
    assert own.pop("unlabelled_weight") < theirs["unlabelled_weight"]
    assert own.items() <= theirs.items()


def test_where_the_teachers_say_what_the_student_says_it_is_amid_u_without_its_contrast() -> None:
    """The same terms of S, bit for bit: the control differs in nothing but the teachers."""
    torch.manual_seed(1)
    encoders = {"a": MLP(3, 5), "b": MLP(2, 5)}
    model = CrossModalModel(encoders, ("a",), ("b",), 5, 3, 0.0, True, True)
    amid_u = AMIDU(model, alpha_1=0.0, alpha_2=0.0, unlabelled_weight=2.0)
    alone = SelfTraining(model, unlabelled_weight=2.0)
    inputs = {"a": torch.randn(8, 3), "b": torch.randn(8, 2)}
    batch = Batch(inputs, torch.tensor(LABELS), torch.arange(8), {}, chance=torch.linspace(0.05, 0.95, 8).double())
    batch = with_mixing(amid_u, batch)
    own, theirs = forward(alone, batch), forward(amid_u, batch)
    said = own.passes["quiet"].target_logits
    passes = {**theirs.passes, "quiet": Representations({}, {"auxiliary": said, "full": said})}
    ours = alone.turns(1)[0].objective(own, batch).terms
    expected = amid_u.turns(1)[0].objective(replace(theirs, passes=passes), batch).terms
    assert set(ours) == {"classification_student", "soft_labels", "mixture"}
    assert all(torch.equal(value, expected[name]) for name, value in ours.items())


def test_q_gets_no_gradient() -> None:
    method, batch = build(concentration=0.0)
    made = forward(method, batch)
    leaf = torch.randn(8, 3).double().requires_grad_()
    made = replace(made, passes={"quiet": Representations({}, {"target": leaf})})
    method.turns(9)[0].objective(made, batch).total.backward()
    assert leaf.grad is None or not leaf.grad.any()


def test_with_all_labels_known_the_mixtures_are_plain_mixup() -> None:
    known = [0, 1, 2, 0, 1, 2, 0, 1]
    method, batch = build(labels=known)
    made = forward(method, batch)
    assert batch.mixing is not None
    expected = 0.0
    for row, (label, logits) in enumerate(zip(known, made.passes["mixed"].target_logits.tolist(), strict=True)):
        w = float(batch.mixing.weights[row])
        expected += w * cross(logits, [float(c == label) for c in range(3)]) / 8
        expected += (1 - w) * cross(logits, [float(c == known[row ^ 1]) for c in range(3)]) / 8
    terms = method.turns(9)[0].objective(made, batch).terms
    assert terms["mixture"].item() == pytest.approx(expected, rel=1e-6)
    assert terms["classification_student"].item() == pytest.approx(cross_entropy(made.target_logits, known))


def test_it_never_asks_for_anything_auxiliary() -> None:
    assert SelfTraining.views == SelfTraining.predicts == ("target",)
    method, _ = build()
    assert {view for asked in method.passes for view in asked.views} == {"target"}
    torch.manual_seed(0)
    both = CrossModalModel({"a": MLP(3, 5), "b": MLP(2, 5)}, ("a",), ("b",), 5, 3)
    alone = SelfTraining(both)
    batch = with_mixing(alone, Batch({"a": torch.randn(8, 3)}, torch.tensor(LABELS), torch.arange(8), {}))
    assert forward(alone, batch).target_logits.shape == (8, 3), "the auxiliary input need not be there"
    lacking = replace(batch, present={"b": torch.zeros(8, dtype=torch.bool)})
    assert divide(alone, forward(alone, lacking), lacking).complete_count == 8, "nor is a sample without it incomplete"


def test_sharpening_makes_surer_and_the_weight_rises_linearly() -> None:
    q = torch.randn(5, 4).softmax(1)
    assert torch.allclose(TASK.sharpened(q, 1.0), q)
    assert torch.allclose(TASK.sharpened(q, 2.0), q**2 / (q**2).sum(1, keepdim=True))
    sure = torch.tensor([[1.0, 0.0]])
    assert TASK.sharpened(sure, 3.0).tolist() == [[1.0, 0.0]], "an underflown probability stays finite"
    assert [risen(progress, 0.5) for progress in (0.0, 0.25, 0.5, 0.9)] == [0.0, 0.5, 1.0, 1.0]
    assert risen(0.0, 0.0) == 1.0


@pytest.mark.parametrize(
    "options",
    [{"soft_weight": -1.0}, {"sharpening": 0.0}, {"ramp": 1.0}, {"concentration": -1.0}, {"unlabelled_weight": -1.0}],
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))}: expected"):
        build(**options)


def test_recordings_that_lack_the_auxiliary_teach_it_as_all_others() -> None:
    """And teach `amid_u` nothing: it is the control for what could be had without that modality."""
    random = np.random.default_rng(0)
    labels = np.where(np.arange(40) < 12, np.arange(40) % 2, -1)
    target, extra = random.normal(size=(40, 3)), random.normal(size=(40, 2))
    has_eye = np.arange(40) < 20  # 20 of the 28 without a label lack it
    trained: dict[tuple[str, str], torch.Tensor] = {}
    for method in ("self_training", "amid_u"):
        recipe = replace(own(("wrist",), ("eye",)), method=method, epochs=2, batch_size=10)
        recipe = replace(recipe, data=replace(recipe.data, evaluate_on="none"))
        for case, present in (("all", {}), ("some", {"eye": has_eye})):
            data = from_arrays({"wrist": target, "eye": extra}, labels, present=present)
            trained[method, case] = train(build_run(recipe, data)).model.classifier.weight
    assert torch.equal(trained["self_training", "all"], trained["self_training", "some"])
    assert not torch.equal(trained["amid_u", "all"], trained["amid_u", "some"])
