"""CCL's two players, held against slow loops of its equations."""

from __future__ import annotations

import pytest
import torch

from crossdistill.methods import CCL
from crossdistill.testing import small_problem
from crossdistill.types import Batch, Representations
from tests.losses import contrast_equations, equations
from tests.methods.slow import cross_entropy
from tests.methods.small import CLASSES, FEW_LABELS, LABELS, NO_LABELS, WIDTH, batch, leaves, model, rows


def ccl(**options: object) -> CCL:
    torch.manual_seed(1)
    return CCL(model(), **options)  # type: ignore[arg-type]


def composed(method: CCL, made: Representations) -> tuple[list[list[float]], list[list[float]]]:
    """The composition of each sample in slow loops, and its logits."""
    residual, classifier = method.composition.residual, method.composition.classifier
    weight, bias = rows(residual.weight), residual.bias.tolist()
    embeddings = [
        contrast_equations.composition(a, s, weight, bias)
        for a, s in zip(rows(made.auxiliary), rows(made.target), strict=True)
    ]
    w, b = rows(classifier.weight), classifier.bias.tolist()
    logits = [
        [sum(x * y for x, y in zip(row, e, strict=True)) + c for row, c in zip(w, b, strict=True)] for e in embeddings
    ]
    return embeddings, logits


@pytest.mark.parametrize("labels", [LABELS, (0, 1, 2, 3), (2, 2, 2), (1, 1), FEW_LABELS, NO_LABELS], ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"contrast_weight": 0.3, "divergence_weight": 2.5, "temperature": 0.1}, {"divergence": "jsd"}],
    ids=["paper", "weights", "jsd"],
)
def test_both_objectives_are_the_equations(options: dict[str, object], labels: tuple[int, ...]) -> None:
    method, made, given = ccl(**options), leaves(labels), batch(labels)
    composition, student = method.turns(0)
    embeddings, logits = composed(method, made)
    target, auxiliary, target_logits = rows(made.target), rows(made.auxiliary), rows(made.target_logits)

    classes = [label if label >= 0 else f"of sample {row}" for row, label in enumerate(labels)]

    def contrast(first: list[list[float]], second: list[list[float]]) -> float:
        return contrast_equations.class_contrastive_loss(first, second, classes, method.temperature)

    slow = {"jsd": equations.jensen_shannon_divergence, "symmetric_kl": contrast_equations.symmetric_kl_divergence}
    divergence = method.divergence_weight * slow[method.divergence](target_logits, logits)
    shared = method.contrast_weight * contrast(target, embeddings) + divergence
    expected = cross_entropy(made.target_logits, labels) + shared + method.contrast_weight * contrast(target, auxiliary)
    assert student.objective(made, given).total.item() == pytest.approx(expected, rel=1e-4)
    expected = (
        cross_entropy(torch.tensor(logits), labels) + shared + method.contrast_weight * contrast(embeddings, auxiliary)
    )
    assert composition.objective(made, given).total.item() == pytest.approx(expected, rel=1e-4)


def reached(method: CCL, made: Representations, given: Batch, place: int) -> tuple[set[str], bool]:
    """The views whose representation or logits a player's objective has a gradient for; whether the composition has."""
    total = method.turns(0)[place].objective(made, given).total
    tensors = {**made.representations, **{f"{view}_logits": t for view, t in made.logits.items()}}
    gradients = torch.autograd.grad(total, list(tensors.values()), allow_unused=True, retain_graph=True)
    weights = torch.autograd.grad(total, list(method.composition.parameters()), allow_unused=True)
    found = {name for name, gradient in zip(tensors, gradients, strict=True) if gradient is not None}
    return found, all(weight is not None for weight in weights)


def test_the_student_learns_through_the_composition_and_the_composition_never_through_the_student() -> None:
    method, made, given = ccl(), leaves(), batch()
    assert reached(method, made, given, place=1)[0] == {"target", "target_logits"}
    assert reached(method, made, given, place=0) == ({"auxiliary"}, True)


def test_the_players_share_nothing_and_move_everything() -> None:
    method = ccl()
    composition, student = method.turns(0)
    assert [composition.name, student.name] == ["composition", "student"]  # the published code's order
    own = [{id(p) for p in turn.parameters} for turn in (composition, student)]
    assert not own[0] & own[1]
    expected = [*method.composition.parameters(), *method.model.parameters_of("target", "auxiliary")]
    assert own[0] | own[1] == {id(p) for p in expected}


def test_the_composition_starts_from_the_auxiliary_embedding() -> None:
    method, made = ccl(), leaves()
    with torch.no_grad():
        for p in method.composition.residual.parameters():
            p.zero_()
    embedding, logits = method.composition(made.auxiliary, made.target)
    assert torch.equal(embedding, made.auxiliary)
    assert embedding.shape == (len(LABELS), WIDTH)
    assert logits.shape == (len(LABELS), CLASSES)


def test_the_logged_terms_add_up_to_the_student_s_objective() -> None:
    method, made, given = ccl(contrast_weight=0.5, divergence_weight=3.0), leaves(), batch()
    objective = method.turns(0)[1].objective(made, given)
    weights = {
        "classification_student": 1.0,
        "contrast_student_composed": 0.5,
        "contrast_student_auxiliary": 0.5,
        "symmetric_kl": 3.0,
    }
    assert set(objective.terms) == set(weights)
    total = sum(weight * objective.terms[name].item() for name, weight in weights.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-6)


def test_the_student_alone_is_the_baseline() -> None:
    method, made, given = ccl(contrast_weight=0.0, divergence_weight=0.0), leaves(), batch()
    expected = cross_entropy(made.target_logits, LABELS)
    assert method.turns(0)[1].objective(made, given).total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"contrast_weight": -1.0},
        {"divergence_weight": -0.1},
        {"contrast_weight": float("nan")},
        {"temperature": 0.0},
        {"divergence": "kl"},
    ],
    ids=str,
)
def test_unusable_options_are_refused_before_training(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ccl(**options)


def test_the_paper_s_settings_for_sound_are_the_defaults() -> None:
    method = CCL(model())
    assert (method.contrast_weight, method.divergence_weight, method.temperature) == (1.0, 1.0, 0.5)
    assert method.divergence == "symmetric_kl"


def test_with_summed_gradients_the_composition_follows_both_losses() -> None:
    """The published step: both losses are computed, both are differentiated, and then both optimisers move."""
    torch.manual_seed(0)
    network, _, samples = small_problem()
    method, summed = CCL(network, 0.7, 1.3), CCL(network, 0.7, 1.3, summed_gradients=True)
    summed.composition.load_state_dict(method.composition.state_dict())
    made = network(samples.modalities, method.views)
    gradients = []
    for each, names in ((method, ("composition", "student")), (summed, ("composition",))):
        totals = [turn.objective(made, samples).total for turn in each.turns(0) if turn.name in names]
        parameters = list(each.composition.parameters())
        gradients.append(torch.autograd.grad(torch.stack(totals).sum(), parameters, retain_graph=True))
    for both, once in zip(*gradients, strict=True):
        torch.testing.assert_close(both, once)
