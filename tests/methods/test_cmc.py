"""CMC's objective in both forms against slow loops; which views it reads, and whom gradients reach."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossdistill.methods import CMC
from crossdistill.types import Batch, Representations
from tests.losses import contrastive_equations
from tests.methods.contrast import PLACES, SAMPLE_LABELS, SAMPLES, Step, continued, embedded, expected_contrast, step_of
from tests.methods.slow import cross_entropy
from tests.methods.small import WIDTH, model

FORMS = pytest.mark.parametrize("form", ["memory", "batch"])


def cmc(**options: object) -> CMC:
    made_of = model()
    torch.manual_seed(1)
    method = CMC(made_of, **{"embedding": 6, **options})  # type: ignore[arg-type]
    method.prepare(SAMPLES)
    return method


def terms(method: CMC, step: Step) -> tuple[Tensor, Tensor, Tensor]:
    """The total, the cross-entropy and L(V1, V2)."""
    (turn,) = method.turns(0)
    objective = turn.objective(step.made, step.batch)
    assert set(objective.terms) == {"classification", "contrast"}
    return objective.total, objective.terms["classification"], objective.terms["contrast"]


def sides(step: Step) -> tuple[Tensor, Tensor]:
    return step.made.target, step.made.auxiliary


def two_views(method: CMC, step: Step) -> float:
    """Eq. 4: L(V1, V2) = L^{V1,V2} + L^{V2,V1}, with the samples of the batch."""
    one, other = (
        embedded(method.contrast.embed_first, sides(step)[0]),
        embedded(method.contrast.embed_second, sides(step)[1]),
    )
    loss = contrastive_equations.info_nce_loss
    return loss(one, other, method.temperature) + loss(other, one, method.temperature)


@FORMS
@pytest.mark.parametrize("options", [{}, {"weight": 0.3, "temperature": 0.5}])
@pytest.mark.parametrize("places", [PLACES, (4, 7), (2,)])
@pytest.mark.parametrize("known", [7, 1, 0], ids=["all labels", "one label", "no labels"])
def test_the_objective_is_the_printed_equation(
    places: tuple[int, ...], options: dict[str, object], form: str, known: int
) -> None:
    labels = [SAMPLE_LABELS[place] if which < known else -1 for which, place in enumerate(places)]
    method, step = cmc(form=form, **options), step_of(places, labels)
    total, classification, contrast = terms(method, step)
    supervised = cross_entropy(step.made.target_logits, step.batch.labels.tolist())
    if form == "memory":
        expected = sum(expected_contrast(method.contrast, sides(step), step).losses)
    else:
        expected = two_views(method, step)
    assert contrast.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert classification.item() == pytest.approx(supervised, rel=1e-5)
    assert total.item() == pytest.approx(supervised + method.weight * expected, rel=1e-5)


def test_memory_has_z_of_the_first_batch() -> None:
    method, first, second = cmc(), step_of(), step_of((1, 4, 6), seed=1)
    constants = expected_contrast(method.contrast, sides(first), first).log_normalizers
    method.end_step(first.made, first.batch)
    expected = expected_contrast(method.contrast, sides(second), second, constants).losses
    assert terms(method, second)[2].item() == pytest.approx(sum(expected), rel=1e-5)


def test_negatives_are_all_other_samples_whatever_their_class() -> None:
    method, step = cmc(), step_of((0,))
    drawn = method.contrast.sampler.draw(step.batch)
    assert drawn.positions[drawn.allowed[0]].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    relabelled = step_of((0,), labels=(3,))
    assert torch.equal(terms(method, step)[2], terms(method, relabelled)[2])


@FORMS
def test_a_sample_with_its_own_other_view_is_no_negative(form: str) -> None:
    """Both views alike and apart from all others: as little is left of the loss as can be."""
    method = cmc(form=form, temperature=0.05)
    step = step_of((0, 1, 2, 3, 4, 5))
    with torch.no_grad():
        for layer in (method.contrast.embed_first, method.contrast.embed_second):
            layer.weight.copy_(torch.eye(6, WIDTH))
            layer.bias.zero_()
    apart = torch.eye(6, WIDTH)
    made = Representations({"target": apart, "auxiliary": apart}, step.made.logits)
    for _ in range(20):
        method.end_step(made, step.batch)
    before, after = terms(method, step)[2], terms(method, step._replace(made=made))[2]
    assert after < 0.35 * before


@FORMS
def test_gradients_reach_both_views_and_both_embeddings(form: str) -> None:
    method, step = cmc(form=form), step_of()
    inputs = [*sides(step), *method.parameters()]
    gradients = torch.autograd.grad(terms(method, step)[2], inputs)
    assert len(gradients) == 6
    assert all(gradient.norm() > 0 for gradient in gradients)


@FORMS
def test_there_is_no_teacher(form: str) -> None:
    """Its representations and logits may be missing; and the auxiliary logits are nobody's."""
    method, step = cmc(form=form), step_of()
    made = Representations(
        {view: step.made.representations[view] for view in CMC.views}, {"target": step.made.target_logits}
    )
    assert torch.equal(terms(method, step._replace(made=made))[0], terms(method, step)[0])
    assert CMC.views == ("target", "auxiliary")
    assert CMC.predicts == ("target",)
    (turn,) = method.turns(3)
    expected_parameters = [*method.model.parameters_of("target", "auxiliary"), *method.parameters()]
    assert {id(p) for p in turn.parameters} == {id(p) for p in expected_parameters}


def test_the_batch_form_remembers_nothing() -> None:
    method, step = cmc(form="batch"), step_of()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.end_step(step.made, step.batch)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert len(method.contrast.bank_first.vectors) == 0
    unknown = Batch({}, step.batch.labels, step.batch.rows + 1000, {})
    assert torch.equal(terms(method, step._replace(batch=unknown))[0], terms(method, step)[0])


@pytest.mark.parametrize("negatives", [2, 16384])
def test_evaluating_moves_nothing_and_a_resumed_method_goes_on_bit_for_bit(negatives: int) -> None:
    method = cmc(negatives=negatives)
    first, second = step_of(), step_of((1, 4, 6), seed=1)
    method.end_step(first.made, first.batch)
    resumed = continued(method, lambda: cmc(negatives=negatives))
    for step in (first, second):
        total = terms(method, step)[0]
        assert torch.equal(terms(method, step)[0], total)
        torch.manual_seed(5)
        assert torch.equal(terms(resumed, step)[0], total)  # type: ignore[arg-type]
        method.end_step(step.made, step.batch)
        resumed.end_step(step.made, step.batch)  # type: ignore[operator]
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in resumed.state_dict().items())


def test_defaults() -> None:
    method = CMC(model())
    contrast = method.contrast
    assert (method.form, contrast.temperature, contrast.sampler.count) == ("memory", 0.07, 16384)
    assert contrast.bank_first.momentum == contrast.bank_second.momentum == 0.5
    assert contrast.embed_first.weight.shape == (128, WIDTH)
    assert not contrast.sampler.other_classes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "weight"),
        ({"form": "softmax"}, "form"),
        ({"temperature": -0.1}, "temperature"),
        ({"negatives": 0}, "negative"),
        ({"embedding": 0}, "embedding"),
        ({"momentum": -0.1}, "momentum"),
        ({"normalization": "mean"}, "normalization"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.*expected|expected .*{message}"):
        cmc(**options)
