"""Selection, proxies, and who learns from whom."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kendalltau
from torch import Tensor

from crossdistill.methods import C2KD
from crossdistill.methods.c2kd import Proxies, in_both_directions
from crossdistill.types import Representations
from tests.methods.slow import cross_entropy, divergence, kl
from tests.methods.small import CLASSES, LABELS, batch, leaves, model, moved_by, rows


def c2kd(**options: object) -> C2KD:
    torch.manual_seed(1)
    return C2KD(model(), **options)  # type: ignore[arg-type]


def selected(proxies: Proxies, threshold: float) -> list[bool]:
    """By scipy: samples whose Kendall rank correlation exceeds the threshold."""
    pairs = zip(rows(proxies.student), rows(proxies.teacher), strict=True)
    return [bool(kendalltau(student, teacher).statistic > threshold) for student, teacher in pairs]


def crossmodal(student: Tensor, teacher: Tensor, chosen: list[bool], target_class: str) -> float:
    """Of each selected sample the divergence over the other classes; their sum over B."""
    total = 0.0
    for s, t, label, use in zip(rows(student), rows(teacher), LABELS, chosen, strict=True):
        if use and target_class == "removed":
            total += kl(*([row[j] for j in range(CLASSES) if j != label] for row in (t, s)))
        elif use:
            total += kl(*([row[j] * (j != label) for j in range(CLASSES)] for row in (t, s)))
    return total / len(LABELS)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 0.4, "unimodal_weight": 0.3, "crossmodal_weight": 2.0},
        {"threshold": -0.5, "target_class": "zeroed"},
        {"threshold": 1.0},
        {"unimodal_weight": 0.0},
    ],
    ids=str,
)
def test_the_objective_is_the_sum_of_its_printed_terms(options: dict[str, object]) -> None:
    method, made = c2kd(**options), leaves()
    proxies = method.proxies(made)
    student, teacher = made.target_logits, made.auxiliary_logits
    expected = {
        "classification_student": cross_entropy(student, LABELS),
        "classification_auxiliary": cross_entropy(teacher, LABELS),
        "unimodal": divergence(student, proxies.student)
        + divergence(proxies.student, student)
        + divergence(teacher, proxies.teacher)
        + divergence(proxies.teacher, teacher),
    }
    chosen = selected(proxies, method.threshold)
    expected["crossmodal"] = crossmodal(proxies.student, proxies.teacher, chosen, method.target_class)
    expected["crossmodal"] += crossmodal(proxies.teacher, proxies.student, chosen, method.target_class)
    objective = method.turns(0)[0].objective(made, batch())
    terms = {name: value.item() for name, value in objective.terms.items()}
    assert terms == pytest.approx(expected, rel=1e-4, abs=1e-7)
    weights = {"unimodal": method.unimodal_weight, "crossmodal": method.crossmodal_weight}
    total = sum(weights.get(name, 1.0) * value for name, value in expected.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("threshold", [-1.0, -0.4, 0.0, 0.3, 1.0])
def test_samples_are_selected_by_kendall_s_tau(threshold: float) -> None:
    method = c2kd(threshold=threshold)
    proxies = method.proxies(leaves(LABELS * 9))
    expected = selected(proxies, threshold)
    assert method.selected(proxies).tolist() == expected
    assert len(set(expected)) == (1 if threshold == 1.0 else 2), "both kinds of samples are there to tell apart"


def test_each_learner_takes_what_it_learns_as_given() -> None:
    """Gradients of a divergence reach its learner: each proxy's that to the other proxy, once, not twice."""
    method, made = c2kd(threshold=-1.0), leaves()
    proxies = Proxies(*(proxy.detach().requires_grad_() for proxy in method.proxies(made)))
    crossmodal_term = method._crossmodal(proxies, batch().labels, method.selected(proxies))
    for learner, other in (proxies, proxies[::-1]):
        (found,) = torch.autograd.grad(crossmodal_term, learner, retain_graph=True)
        chosen = method.selected(proxies)
        expected = torch.zeros_like(found)
        for i, label in enumerate(LABELS):
            others = [j for j in range(CLASSES) if j != label]
            if chosen[i]:
                expected[i, others] = (learner[i, others].softmax(0) - other[i, others].softmax(0)) / len(LABELS)
        torch.testing.assert_close(found, expected.detach())


def test_a_model_and_its_proxy_learn_from_each_other_as_given() -> None:
    first, second = (leaves(seed=seed).target_logits for seed in (1, 2))
    found = torch.autograd.grad(in_both_directions(first, second), (first, second))
    for gradient, learner, other in ((found[0], first, second), (found[1], second, first)):
        expected = (learner.softmax(1) - other.softmax(1)) / len(LABELS)
        torch.testing.assert_close(gradient, expected.detach())


def test_everything_but_the_fusion_moves() -> None:
    method = c2kd()
    (turn,) = method.turns(0)
    assert moved_by(method, turn) == {
        "encoders.video",
        "encoders.audio",
        "classifier",
        "auxiliary_classifier",
        "student_proxy",
        "teacher_proxy",
    }
    frozen = c2kd()
    frozen.model.freeze_auxiliary_encoders()
    assert moved_by(frozen, frozen.turns(0)[0]) == {
        "encoders.video",
        "classifier",
        "auxiliary_classifier",
        "student_proxy",
        "teacher_proxy",
    }


def test_through_the_proxies_the_modalities_reach_each_other_s_encoders() -> None:
    """The student's representation is moved by what the auxiliary proxy says of the sample, and the reverse."""
    method, made = c2kd(threshold=-1.0), leaves()
    term = method.turns(0)[0].objective(made, batch()).terms["crossmodal"]
    gradients = torch.autograd.grad(term, [made.target, made.auxiliary, made.full], allow_unused=True)
    assert gradients[0].abs().sum() > 0
    assert gradients[1].abs().sum() > 0
    assert gradients[2] is None


def test_the_log_says_how_many_samples_were_selected() -> None:
    method = c2kd()
    for seed in range(3):
        made = leaves(seed=seed)
        chosen = selected(method.proxies(made), 0.0)
        measures = method.turns(0)[0].objective(made, batch()).measures
        assert {name: float(share) for name, share in measures.items()} == {"selected": sum(chosen) / len(chosen)}


def test_constant_predictions_are_selected_for_nothing_but_break_nothing() -> None:
    method = c2kd()
    made = Representations(
        {view: torch.zeros_like(t).requires_grad_() for view, t in leaves().representations.items()},
        {view: torch.zeros_like(t).requires_grad_() for view, t in leaves().logits.items()},
    )
    with torch.no_grad():
        method.teacher_proxy[-1].bias.zero_()
    objective = method.turns(0)[0].objective(made, batch())
    assert objective.terms["crossmodal"] == 0
    objective.total.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize(
    "options", [{"threshold": 1.5}, {"threshold": float("nan")}, {"unimodal_weight": -1.0}, {"crossmodal_weight": -1.0}]
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        c2kd(**options)
