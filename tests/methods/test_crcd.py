"""CRCD's objective held against slow loops; what it remembers; who learns from what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from crossdistill.methods import CRCD
from crossdistill.methods.crcd import Elements
from crossdistill.models import CrossModalModel, RelationNetwork
from crossdistill.types import Batch, Representations, TrainingSamples
from tests.losses import contrast_equations, equations
from tests.methods.small import CLASSES, LABELS, WIDTH, Encoder, batch, leaves, model, rows

Rows = list[list[float]]


def crcd(**options: object) -> CRCD:
    torch.manual_seed(1)
    return CRCD(model(), **{"relation_width": 5, "negatives": 12, "anchors": 3, **options})  # type: ignore[arg-type]


class Sample(NamedTuple):
    """A sample's teacher: feature and gradient, of length 1, and its class."""

    feature: list[float]
    gradient: list[float]
    label: int


def unit(row: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def of_view(representations: Tensor, logits: Tensor, labels: Sequence[int], weight: Tensor) -> list[Sample]:
    found = []
    for feature, row, label in zip(rows(representations), rows(logits), labels, strict=True):
        gradient = contrast_equations.classification_gradient_direction(row, label, rows(weight))
        found.append(Sample(unit(feature), gradient, label))
    return found


def teachers(method: CRCD, made: Representations, labels: Sequence[int]) -> list[Sample]:
    return of_view(made.full, made.full_logits, labels, method.model.classifier.weight)


def maps(network: RelationNetwork) -> list[tuple[Rows, list[float]]]:
    return [(rows(m.weight), m.bias.tolist()) for m in (network.anchor, network.sample, network.relation)]


def contrast(method: CRCD, element: str, students: list[Sample], candidates: list[Sample]) -> float:
    """One kind of relations: anchors and candidates of the teacher, samples of the student."""
    pair = getattr(method, f"{element}s")
    anchors = [getattr(sample, element) for sample in candidates[: method.anchors]][: len(students)]

    def relations(network: RelationNetwork, samples: list[Sample]) -> list[Rows]:
        linear = maps(network)
        return [[contrast_equations.relation(a, getattr(s, element), linear) for s in samples] for a in anchors]

    negatives = [[other.label != sample.label for other in candidates] for sample in students]
    return contrast_equations.relation_contrastive_loss(
        relations(pair.cross, students), relations(pair.teacher, candidates), negatives, method.temperature
    )


def cross_entropy(logits: Rows, labels: Sequence[int]) -> float:
    values = [-math.log(float(equations.softmax(row)[label])) for row, label in zip(logits, labels, strict=True)]
    return sum(values) / len(values)


def expected_total(method: CRCD, made: Representations, labels: Sequence[int], before: list[Sample]) -> float:
    """before: the teacher's samples of earlier steps, the latest first."""
    students = of_view(made.target, made.target_logits, labels, method.model.classifier.weight)
    candidates = [*teachers(method, made, labels), *before][: max(method.queue.size, len(labels))]
    hard = sum(cross_entropy(rows(logits), labels) for logits in (made.target_logits, made.full_logits))
    features = contrast(method, "feature", students, candidates)
    gradients = contrast(method, "gradient", students, candidates)
    return hard + method.feature_weight * features + method.gradient_weight * gradients


STEPS = [(0, 1, 2, 2), (3, 1, 0, 0, 1), (2, 2, 1)]


@pytest.mark.parametrize("labels", [LABELS, (0, 1, 2, 3), (2, 2, 2), (1, 1)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"feature_weight": 0.3, "gradient_weight": 2.0, "temperature": 0.5},
        {"negatives": 2},
        {"negatives": 500, "anchors": 100},
    ],
    ids=["defaults", "weights", "fewer negatives than samples", "all there are"],
)
def test_the_objective_is_the_equations(options: dict[str, object], labels: tuple[int, ...]) -> None:
    method, before = crcd(**options), []
    for seed, earlier in enumerate(STEPS):
        made = leaves(earlier, seed=10 + seed)
        before = teachers(method, made, earlier) + before
        method.end_step(made, batch(earlier))
    made = leaves(labels)
    total = method.turns(0)[0].objective(made, batch(labels)).total
    assert total.item() == pytest.approx(expected_total(method, made, labels, before), rel=1e-4)


def test_the_first_step_contrasts_with_the_batch_alone() -> None:
    method, made = crcd(), leaves()
    total = method.turns(0)[0].objective(made, batch()).total
    assert total.item() == pytest.approx(expected_total(method, made, LABELS, []), rel=1e-4)


def test_the_logged_terms_add_up() -> None:
    method, made = crcd(feature_weight=0.5, gradient_weight=3.0), leaves()
    objective = method.turns(0)[0].objective(made, batch())
    weights = {
        "classification_student": 1.0,
        "classification_teacher": 1.0,
        "feature_relations": 0.5,
        "gradient_relations": 3.0,
    }
    assert set(objective.terms) == set(weights)
    total = sum(weight * objective.terms[name].item() for name, weight in weights.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-6)


def reached(term: Tensor, made: Representations) -> set[str]:
    tensors = {**made.representations, **{f"{view}_logits": t for view, t in made.logits.items()}}
    gradients = torch.autograd.grad(term, list(tensors.values()), allow_unused=True, retain_graph=True)
    return {name for name, gradient in zip(tensors, gradients, strict=True) if gradient is not None}


def test_the_teacher_learns_nothing_from_relations() -> None:
    method, made = crcd(), leaves()
    terms = method.turns(0)[0].objective(made, batch()).terms
    assert reached(terms["feature_relations"], made) == {"target"}
    assert reached(terms["gradient_relations"], made) == {"target_logits"}
    assert reached(terms["classification_teacher"], made) == {"full_logits"}


def test_all_four_networks_learn() -> None:
    method, made = crcd(), leaves()
    turn = method.turns(0)[0]
    turn.objective(made, batch()).total.backward()  # type: ignore[no-untyped-call]
    own = {id(p) for p in turn.parameters}
    for pair in (method.features, method.gradients):
        for network in (pair.teacher, pair.cross):
            assert all(id(p) in own for p in network.parameters())
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_separate_teacher_s_gradients_are_at_its_own_classifier() -> None:
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    shared = CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES, separate_teacher=True)
    with torch.no_grad():
        shared.teacher_classifier.weight.normal_()  # type: ignore[union-attr,operator]
    method, made = CRCD(shared, negatives=len(LABELS)), leaves()
    method.end_step(made, batch())
    expected = of_view(made.full, made.full_logits, LABELS, shared.teacher_classifier.weight)  # type: ignore[arg-type]
    torch.testing.assert_close(remembered(method).gradients, torch.tensor([sample.gradient for sample in expected]))


def remembered(method: CRCD) -> Elements:
    """All that is remembered, the latest first, and empty places."""
    names = Elements._fields
    return Elements(*(torch.cat(method.queue.latest(name, method.queue.size)) for name in names))


def elements(count: int, start: float) -> Elements:
    numbers = start + torch.arange(count, dtype=torch.float32)[:, None].expand(count, WIDTH)
    return Elements(numbers, -numbers)


def test_an_empty_place_is_nobody_s_negative() -> None:
    method = crcd(negatives=6)
    method.queue.push({**elements(1, 5.0)._asdict(), "labels": torch.tensor([2])})
    candidates, negatives = method._candidates(elements(3, 0.0), torch.tensor([0, 2, 0]))
    assert candidates.features[:4, 0].tolist() == [0.0, 1.0, 2.0, 5.0]
    assert len(candidates.features) == len(candidates.gradients) == 6
    assert negatives.tolist() == [
        [False, True, False, True, False, False],
        [True, False, True, False, False, False],
        [False, True, False, True, False, False],
    ]


def test_a_batch_larger_than_the_queue_is_its_own_candidates() -> None:
    candidates, negatives = crcd(negatives=2)._candidates(elements(4, 0.0), torch.tensor([0, 1, 1, 0]))
    assert len(candidates.features) == 4
    assert negatives.shape == (4, 4)


@pytest.mark.parametrize(("samples", "size"), [(7, 7), (12, 12), (400, 12)])
def test_no_more_samples_are_remembered_than_there_are(samples: int, size: int) -> None:
    method = crcd(negatives=12)
    method.prepare(TrainingSamples(torch.arange(samples), torch.zeros(samples, dtype=torch.int64)))
    assert method.queue.size == len(remembered(method).features) == size


def test_what_is_remembered_is_a_part_of_the_state_and_no_parameter() -> None:
    method, other = crcd(), crcd()
    method.end_step(leaves(), batch())
    other.load_state_dict(method.state_dict())
    assert all(map(torch.equal, remembered(other), remembered(method)))
    assert other.queue.filled == len(LABELS)
    names = {name for name, _ in method.named_parameters()}
    assert not any(name.startswith("queue") for name in names)


def test_elements_have_length_1_so_that_scale_is_no_matter() -> None:
    method, made = crcd(), leaves()
    longer = Representations({view: 1e3 * tensor for view, tensor in made.representations.items()}, made.logits)
    first, second = (method.turns(0)[0].objective(r, batch()).terms["feature_relations"] for r in (made, longer))
    assert second.item() == pytest.approx(first.item(), rel=1e-5)
    method.end_step(longer, batch())
    torch.testing.assert_close(remembered(method).features[: len(LABELS)], normalize(made.full.detach()))


def test_a_student_that_relates_as_the_teacher_does_has_less_to_learn() -> None:
    """The teacher's networks copied: relations of the teacher's own elements have cosine 1 with the teacher's."""
    method, made = crcd(), leaves()
    method.features.cross.load_state_dict(method.features.teacher.state_dict())
    same = Representations({**made.representations, "target": made.full.detach()}, made.logits)
    terms = [method.turns(0)[0].objective(r, batch()).terms["feature_relations"].item() for r in (same, made)]
    negatives_alone = terms[0]
    assert 0 <= negatives_alone < terms[1]


@pytest.mark.parametrize(
    "options",
    [
        {"feature_weight": -1.0},
        {"gradient_weight": -1e-9},
        {"gradient_weight": float("nan")},
        {"temperature": 0.0},
        {"negatives": 0},
        {"anchors": 0},
        {"relation_width": 0},
    ],
    ids=str,
)
def test_unusable_options_are_refused_before_training(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        crcd(**options)


def test_the_published_settings_are_the_defaults() -> None:
    method = CRCD(model())
    assert (method.temperature, method.negatives, method.features.cross.relation.out_features) == (0.05, 500, 128)
    assert (method.feature_weight, method.gradient_weight, CRCD.teacher) == (1.0, 1.0, "fixed")


def test_rows_of_a_batch_are_not_read() -> None:
    """The queue needs no number of a sample."""
    method, made = crcd(), leaves()
    given = batch()
    renumbered = Batch({}, given.labels, given.rows + 1000, {})
    totals = [method.turns(0)[0].objective(made, b).total for b in (given, renumbered)]
    assert torch.equal(totals[0], totals[1])
