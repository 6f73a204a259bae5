"""Eq. 17 and Eq. 13 put together, held against the slow loops; who moves whom; the switches of Tables 4 and 5."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from crossdistill.losses import class_partners
from crossdistill.methods import AMID, MI
from crossdistill.types import Batch, Representations
from tests.losses import equations
from tests.methods.small import CLASSES, LABELS, batch, leaves, model, rows

AFTER = 10  # warm-up takes fewer epochs in these tests


def amid(**options: object) -> AMID:
    torch.manual_seed(1)
    return AMID(model(), **{"warmup_epochs": 2, "discriminator_width": 16, **options})  # type: ignore[arg-type]


def cross_entropy(logits: Tensor, labels: Sequence[int]) -> float:
    """Eq. 15: the mean of -log of the true class's probability."""
    values = [-math.log(float(equations.softmax(row)[label])) for row, label in zip(rows(logits), labels, strict=True)]
    return sum(values) / len(values)


def warmup(made: Representations, labels: Sequence[int]) -> float:
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return student + teacher + equations.jensen_shannon_divergence(rows(made.target_logits), rows(made.full_logits))


def logits_of(discriminator: torch.nn.Module, representations: Tensor) -> list[float]:
    found: list[float] = discriminator(representations.detach()).double().tolist()
    return found


def eq_12(method: AMID, made: Representations, labels: Sequence[int], d: float | None) -> float:
    _, partners = equations.class_partners(labels)
    d1, d2 = logits_of(method.adversary.d1, made.target), logits_of(method.adversary.d2, made.target[partners])
    return equations.student_adversarial_loss(d1, d2, method.adversary.weights, d or max(len(partners), 1))


def eq_13(method: AMID, made: Representations, labels: Sequence[int], d: float | None) -> float:
    anchors, partners = equations.class_partners(labels)
    return equations.discriminator_loss(
        logits_of(method.adversary.d1, made.full),
        logits_of(method.adversary.d1, made.target),
        logits_of(method.adversary.d2, made.full[anchors]),
        logits_of(method.adversary.d2, made.target[partners]),
        method.adversary.weights,
        d or max(len(partners), 1),
    )


def eq_17(method: AMID, made: Representations, labels: Sequence[int]) -> float:
    """L = L_cls + L_JSD + α1 L_MIs + α2 L_MIa + α3 L_adv."""
    full, target, auxiliary = rows(made.full), rows(made.target), rows(made.auxiliary)
    student, other = (
        equations.mutual_information_loss(full, side, labels, method.temperature, method.reduction)
        for side in (target, auxiliary)
    )
    adversarial = eq_12(method, made, labels, method.adversary.settings.expected_partners)
    parts = (method.alpha_1 * student, method.alpha_2 * other, method.alpha_3 * adversarial)
    return warmup(made, labels) + sum(parts)


@pytest.mark.parametrize(
    "labels", [LABELS, (0, 1, 2, 3), (2, 2, 2, 2), (1, 1)], ids=["mixed", "distinct", "one class", "pair"]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha_1": 0.7, "alpha_2": 2.3, "alpha_3": 0.4, "temperature": 0.1},
        {"reduction": "mean", "expected_partners": 4.17},
        {"second_discriminator": False},
        {"dynamic_weights": False},
        {"alpha_1": 0.0, "alpha_2": 0.0, "alpha_3": 3.0},
    ],
    ids=["video's", "weights", "mean, d", "without D2", "without dynamic weights", "adversarial alone"],
)
def test_both_objectives_are_the_printed_equations(options: dict[str, object], labels: tuple[int, ...]) -> None:
    method, made, given = amid(**options), leaves(labels), batch(labels)
    method.adversary.adaptive_weights.update(0.9, -0.5)  # λ apart from (½, ½)
    student, discriminators = method.turns(AFTER)
    assert student.objective(made, given).total.item() == pytest.approx(eq_17(method, made, labels), rel=1e-4)
    expected = eq_13(method, made, labels, method.adversary.settings.expected_partners)
    assert discriminators.objective(made, given).total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("second_discriminator", "worked_out", "seen"), [(True, 1, 3), (False, 0, 0)])
def test_a_step_works_pairs_out_once_and_d2_sees_them_where_it_takes_part(
    second_discriminator: bool, worked_out: int, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S in the student's turn, M and S in its own."""
    calls = list[Tensor]()

    def counted(labels: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(labels)
        return class_partners(labels)

    monkeypatch.setattr("crossdistill.methods.adversary.class_partners", counted)
    method = amid(second_discriminator=second_discriminator)
    runs = list[int]()
    method.adversary.d2.register_forward_hook(lambda module, given, made: runs.append(len(made)))
    for step in range(1, 3):
        given = batch()
        for turn in method.turns(AFTER):
            turn.objective(leaves(), given)
        assert (len(calls), len(runs)) == (step * worked_out, step * seen)


def test_in_inference_mode_the_objectives_are_the_same() -> None:
    expected = [turn.objective(leaves(), batch()).total for turn in amid().turns(AFTER)]
    with torch.inference_mode():
        found = [turn.objective(leaves(), batch()).total for turn in amid().turns(AFTER)]
    assert [total.item() for total in found] == pytest.approx([total.item() for total in expected])


def test_the_logged_terms_are_the_unweighted_losses() -> None:
    method, made = amid(), leaves()
    terms = method.turns(AFTER)[0].objective(made, batch()).terms
    expected = {
        "classification_student": cross_entropy(made.target_logits, LABELS),
        "classification_teacher": cross_entropy(made.full_logits, LABELS),
        "jsd": equations.jensen_shannon_divergence(rows(made.target_logits), rows(made.full_logits)),
        "mi_student": equations.mutual_information_loss(rows(made.full), rows(made.target), LABELS, 0.5),
        "mi_auxiliary": equations.mutual_information_loss(rows(made.full), rows(made.auxiliary), LABELS, 0.5),
        "adversarial": eq_12(method, made, LABELS, None),
    }
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_mi_is_eq_17_without_auxiliary_and_adversary() -> None:
    method, made = MI(model(), alpha_1=2.5, temperature=0.2, warmup_epochs=2), leaves()
    expected = equations.mutual_information_loss(rows(made.full), rows(made.target), LABELS, 0.2)
    total = method.turns(AFTER)[0].objective(made, batch()).total
    assert total.item() == pytest.approx(warmup(made, LABELS) + 2.5 * expected, rel=1e-4)


@pytest.mark.parametrize("kind", [AMID, MI])
@pytest.mark.parametrize(("warmup_epochs", "epoch", "warm"), [(2, 0, True), (2, 1, True), (2, 2, False), (0, 0, False)])
def test_the_first_epochs_have_classification_and_jsd_alone(
    kind: type[AMID | MI], warmup_epochs: int, epoch: int, warm: bool
) -> None:
    method, made = kind(model(), warmup_epochs=warmup_epochs), leaves()
    turns = method.turns(epoch)
    objective = turns[0].objective(made, batch())
    assert (set(objective.terms) == {"classification_student", "classification_teacher", "jsd"}) == warm
    assert (objective.total.item() == pytest.approx(warmup(made, LABELS), rel=1e-4)) == warm
    assert len(turns) == (1 if warm or kind is MI else 2)


@pytest.mark.parametrize("second_discriminator", [True, False])
def test_l_adv_moves_the_target_representation_only(second_discriminator: bool) -> None:
    method, made = amid(second_discriminator=second_discriminator), leaves()
    adversarial = method.turns(AFTER)[0].objective(made, batch()).terms["adversarial"]
    inputs = [*made.representations.values(), *made.logits.values()]
    gradients = torch.autograd.grad(adversarial, inputs, allow_unused=True)
    reached = {view for view, gradient in zip(made.representations, gradients[:3], strict=True) if gradient is not None}
    assert reached == {"target"}
    assert all(gradient is None for gradient in gradients[3:])


def test_the_distillation_turn_reaches_all_three_views() -> None:
    made = leaves()
    amid().turns(AFTER)[0].objective(made, batch()).total.backward()  # type: ignore[no-untyped-call]
    assert all(tensor.grad.abs().sum() > 0 for tensor in made.representations.values())  # type: ignore[union-attr]


def test_the_discriminators_turn_reaches_neither_student_nor_teacher() -> None:
    method, made = amid(), leaves()
    method.turns(AFTER)[1].objective(made, batch()).total.backward()  # type: ignore[no-untyped-call]
    assert all(tensor.grad is None for tensor in (*made.representations.values(), *made.logits.values()))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_better_fooled_discriminators_mean_a_smaller_l_adv() -> None:
    """And a larger L_D: the two players pull D's outputs of S in opposite directions."""
    method, made = amid(), leaves()
    student, discriminators = method.turns(AFTER)
    gradient = torch.autograd.grad(student.objective(made, batch()).terms["adversarial"], made.target)[0]
    fooled = Representations({**made.representations, "target": (made.target - 0.1 * gradient).detach()}, made.logits)
    terms = [student.objective(r, batch()).terms["adversarial"] for r in (made, fooled)]
    losses = [discriminators.objective(r, batch()).total for r in (made, fooled)]
    assert terms[1] < terms[0]
    assert losses[1] > losses[0]


def test_without_d2_its_weight_is_0_and_it_gets_no_gradient() -> None:
    method, made = amid(second_discriminator=False), leaves()
    method.adversary.adaptive_weights.update(0.9, -0.9)
    assert method.adversary.weights == (1.0, 0.0)
    turn = method.turns(AFTER)[1]
    assert {id(p) for p in turn.parameters} == {id(p) for p in method.adversary.d1.parameters()}
    torch.autograd.backward(turn.objective(made, batch()).total, inputs=list(turn.parameters))
    assert all(p.grad is None for p in method.adversary.d2.parameters())
    assert all(p.grad is not None for p in method.adversary.d1.parameters())


def test_without_the_adversary_there_is_one_turn_and_no_adversarial_term() -> None:
    method, made = amid(alpha_3=0.0), leaves()
    (turn,) = method.turns(AFTER)
    objective = turn.objective(made, batch())
    assert "adversarial" not in objective.terms
    parts = {name: value.item() for name, value in objective.terms.items()}
    expected = warmup(made, LABELS) + 4.0 * parts["mi_student"] + 1.6 * parts["mi_auxiliary"]
    assert objective.total.item() == pytest.approx(expected, rel=1e-4)


STEPS = [(0, 0, 1, 2), (1, 1, 1, 1, 1, 2), (0, 1, 2, 3), (3, 3)]  # 2, 20, 0 and 2 ordered pairs


def epoch_of(method: AMID, steps: Sequence[Sequence[int]]) -> list[tuple[Representations, Batch]]:
    made = [(leaves(labels, seed), batch(labels, seed)) for seed, labels in enumerate(steps)]
    for representations, given in made:
        method.end_step(representations, given)
    return made


@pytest.mark.parametrize("options", [{}, {"dynamic_weights": False}, {"second_discriminator": False}])
def test_the_logged_cosines_are_means_over_all_pairs_of_all_steps(options: dict[str, object]) -> None:
    method = amid(**options)
    steps = epoch_of(method, STEPS)
    log = method.end_epoch(AFTER)
    pairs, same = [], []
    for made, given in steps:
        full, target, labels = rows(made.full), rows(made.target), given.labels.tolist()
        for v in range(len(labels)):
            pairs.append(float(equations.cosine(full[v], target[v])))
            others = [j for j in range(len(labels)) if labels[j] == labels[v] and j != v]
            same += [float(equations.cosine(full[v], target[j])) for j in others]
    assert (len(pairs), len(same)) == (16, 24)
    assert log["cosine_pair"] == pytest.approx(sum(pairs) / 16, abs=1e-5)
    assert log["cosine_same_class"] == pytest.approx(sum(same) / 24, abs=1e-5)
    bounds = [
        equations.mutual_information_bound(rows(made.full), rows(made.target), given.labels.tolist(), 0.5)
        for made, given in steps
    ]
    for epoch in (0, AFTER):  # in warm-up and after it
        measured = [method.turns(epoch)[0].objective(made, given).measures["mi_bound"].item() for made, given in steps]
        assert measured == pytest.approx(bounds, abs=1e-4)


def test_lambda_of_the_log_is_the_epoch_s_own_and_the_next_epoch_has_a_new_one() -> None:
    method = amid()
    epoch_of(method, STEPS)
    first = method.end_epoch(0)
    assert (first["lambda_1"], first["lambda_2"]) == (0.5, 0.5)
    averages = [0.9 * 0.5 + 0.1 * (1 - first[key]) for key in ("cosine_pair", "cosine_same_class")]
    expected = math.exp(averages[0]) / (math.exp(averages[0]) + math.exp(averages[1]))
    assert method.adversary.weights[0] == pytest.approx(expected, rel=1e-6)
    epoch_of(method, STEPS[:1])
    assert method.end_epoch(1)["lambda_1"] == pytest.approx(expected, rel=1e-6)


def test_each_epoch_s_means_start_anew() -> None:
    method, other = amid(), amid()
    epoch_of(method, STEPS)
    method.end_epoch(0)
    for used in (method, other):
        epoch_of(used, STEPS[1:2])
    keys = ("cosine_pair", "cosine_same_class")
    first, second = method.end_epoch(1), other.end_epoch(0)
    assert [first[key] for key in keys] == [second[key] for key in keys]


def test_an_epoch_without_any_pair_of_a_class_leaves_lambda_where_it_is() -> None:
    method = amid()
    method.adversary.adaptive_weights.update(0.2, 0.7)
    before = method.adversary.weights
    epoch_of(method, [(0, 1, 2, 3), (3, 1)])
    log = method.end_epoch(AFTER)
    assert "cosine_same_class" not in log
    assert "cosine_pair" in log
    assert method.adversary.weights == before


def test_fixed_weights_stay_whatever_the_alignment() -> None:
    method = amid(dynamic_weights=False)
    for epoch in range(3):
        epoch_of(method, STEPS)
        log = method.end_epoch(epoch)
        assert (log["lambda_1"], log["lambda_2"]) == (0.5, 0.5)
        assert {"cosine_pair", "cosine_same_class"} <= set(log)
    assert method.adversary.weights == (0.5, 0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha_1": -1.0},
        {"alpha_2": -0.1},
        {"alpha_3": -1e-9},
        {"beta": 0.0},
        {"beta": 1.0},
        {"temperature": 0.0},
        {"temperature": -0.5},
        {"expected_partners": 0.0},
        {"expected_partners": -2.0},
        {"alpha_1": float("nan")},
        {"warmup_epochs": -1},
        {"discriminator_width": 0},
    ],
    ids=str,
)
def test_unusable_options_are_refused_before_training(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        amid(**options)


@pytest.mark.parametrize("options", [{"alpha_1": -1.0}, {"temperature": 0.0}, {"warmup_epochs": -1}], ids=str)
def test_unusable_options_of_mi_are_refused_before_training(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        MI(model(), **options)  # type: ignore[arg-type]


def test_the_paper_s_video_settings_are_the_defaults() -> None:
    """Section 4.2: α = 4, 1.6, 1; τ = 0.5; β = 0.9; D1 of 5 layers and D2 of 3."""
    method = AMID(model())
    assert (method.alpha_1, method.alpha_2, method.alpha_3) == (4.0, 1.6, 1.0)
    assert (method.temperature, method.adversary.adaptive_weights.beta, method.reduction) == (0.5, 0.9, "sum")
    depths = [
        sum(isinstance(m, torch.nn.Linear) for m in d.modules()) for d in (method.adversary.d1, method.adversary.d2)
    ]
    assert depths == [5, 3]
    assert method.model.classes == CLASSES
