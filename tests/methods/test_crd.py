"""CRD's objective against slow loops over the banks; Z; what moves when, and whom gradients reach."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from crossdistill.methods import CRD
from crossdistill.types import Batch, Representations, TrainingSamples
from tests.losses import equations
from tests.methods.contrast import (
    FEW_SAMPLE_LABELS,
    FEW_SAMPLES,
    PLACES,
    SAMPLES,
    Expected,
    Step,
    continued,
    embedded,
    expected_contrast,
    step_of,
)
from tests.methods.slow import cross_entropy
from tests.methods.small import WIDTH, model


def crd(**options: object) -> CRD:
    made_of = model()
    torch.manual_seed(1)
    method = CRD(made_of, **{"embedding": 6, **options})  # type: ignore[arg-type]
    method.prepare(SAMPLES)
    return method


def total(method: CRD, step: Step) -> Tensor:
    (turn,) = method.turns(0)
    return turn.objective(step.made, step.batch).total


def term(method: CRD, step: Step, name: str = "contrast") -> Tensor:
    (turn,) = method.turns(0)
    return turn.objective(step.made, step.batch).terms[name]


def expected(method: CRD, step: Step, log_normalizers: Sequence[float] | None = None) -> Expected:
    return expected_contrast(method.contrast, (step.made.target, step.made.full), step, log_normalizers)


RELABELLED = (1, 1, 0, 3, 2)


@pytest.mark.parametrize("labels", [None, RELABELLED, (0,) * 5], ids=["own", "relabelled", "one class"])
@pytest.mark.parametrize("options", [{}, {"beta": 0.3, "temperature": 0.5, "negatives": 9}])
def test_the_objective_is_the_printed_equation(options: dict[str, object], labels: tuple[int, ...] | None) -> None:
    method, step = crd(**options), step_of(labels=labels)
    given = step.batch.labels.tolist()
    student, teacher = cross_entropy(step.made.target_logits, given), cross_entropy(step.made.full_logits, given)
    contrast = sum(expected(method, step).losses)
    assert term(method, step).item() == pytest.approx(contrast, rel=1e-5)
    assert total(method, step).item() == pytest.approx(student + teacher + method.beta * contrast, rel=1e-5)
    assert term(method, step, "classification_student").item() == pytest.approx(student, rel=1e-5)
    assert term(method, step, "classification_teacher").item() == pytest.approx(teacher, rel=1e-5)


@pytest.mark.parametrize("places", [PLACES, (0, 4, 6)], ids=["some labels", "no labels"])
def test_an_unlabelled_sample_is_a_class_of_its_own(places: tuple[int, ...]) -> None:
    """Places 0, 4, 6 and 8 have no label: the first of them would be class -1 if there were one."""
    method = crd()
    method.prepare(FEW_SAMPLES)
    step = step_of(places, labels=[FEW_SAMPLE_LABELS[place] for place in places])
    given = step.batch.labels.tolist()
    sides = (step.made.target, step.made.full)
    contrast = sum(expected_contrast(method.contrast, sides, step, sample_labels=FEW_SAMPLE_LABELS).losses)
    assert term(method, step).item() == pytest.approx(contrast, rel=1e-5)
    hard = cross_entropy(step.made.target_logits, given) + cross_entropy(step.made.full_logits, given)
    assert total(method, step).item() == pytest.approx(hard + method.beta * contrast, rel=1e-5)
    method.end_step(step.made, step.batch)
    assert all(value.isfinite().all() for value in method.state_dict().values())


def test_z_is_the_first_batch_s_and_stays() -> None:
    method, first, second, third = crd(), step_of(), step_of((1, 4, 6), seed=1), step_of((0, 6, 8, 2), seed=2)
    constants = expected(method, first).log_normalizers
    method.end_step(first.made, first.batch)
    for step in (second, third):
        assert term(method, step).item() == pytest.approx(sum(expected(method, step, constants).losses), rel=1e-5)
        assert expected(method, step).log_normalizers != pytest.approx(constants, abs=1e-2)
        method.end_step(step.made, step.batch)
    assert method.contrast.log_normalizers.tolist() == pytest.approx(constants, rel=1e-5)


def test_without_normalization_h_is_eq_19_as_printed() -> None:
    method = crd(normalization="none")
    for seed in range(2):
        step = step_of(seed=seed)
        assert term(method, step).item() == pytest.approx(sum(expected(method, step, (0.0, 0.0)).losses), rel=1e-5)
        method.end_step(step.made, step.batch)
    assert method.contrast.log_normalizers.tolist() == [0, 0]


def test_a_few_negatives_of_many() -> None:
    """N = 2: the same equation over the negatives that the sampler drew, other ones after each step."""
    method, step = crd(negatives=2), step_of()
    seen = set()
    for _ in range(4):
        drawn = method.contrast.sampler.draw(step.batch)
        assert drawn.allowed.sum(dim=1).tolist() == [2] * len(step.places)
        seen.add(str(drawn))
        method.end_step(step.made, step.batch)
    assert len(seen) == 4


def test_negatives_are_of_other_classes() -> None:
    """What the bank holds of the anchors' class, apart from the anchors themselves, is no matter."""
    method, step = crd(), step_of((0,))
    before = term(method, step)
    same_class = [2, 5, 9]
    for bank in (method.contrast.bank_first, method.contrast.bank_second):
        bank.vectors[same_class] = -bank.vectors[same_class]
    assert torch.equal(term(method, step), before)
    for bank in (method.contrast.bank_first, method.contrast.bank_second):
        bank.vectors[1] = -bank.vectors[1]
    assert not torch.equal(term(method, step), before)


def test_banks_move_in_end_step_towards_the_embeddings() -> None:
    method, step = crd(momentum=0.0), step_of()
    contrast = method.contrast
    method.end_step(step.made, step.batch)
    for bank, layer, side in (
        (contrast.bank_first, contrast.embed_first, step.made.target),
        (contrast.bank_second, contrast.embed_second, step.made.full),
    ):
        for place, vector in zip(step.places, embedded(layer, side), strict=True):
            cosine = equations.cosine(vector, bank.vectors[place].tolist())
            assert float(cosine) == pytest.approx(1, abs=1e-6)
    assert int(contrast.sampler.steps) == 1


def test_the_contrast_reaches_student_and_embeddings_but_not_the_teacher() -> None:
    method, step = crd(), step_of()
    made = step.made
    inputs = [made.target, made.full, *made.logits.values(), *method.parameters()]
    gradients = torch.autograd.grad(term(method, step), inputs, allow_unused=True)
    assert gradients[0].norm() > 0
    assert gradients[1:5] == (None, None, None, None)
    assert all(gradient.norm() > 0 for gradient in gradients[5:])
    assert len(gradients[5:]) == 4  # two linear layers


def test_the_turn_s_parameters_are_the_model_s_and_the_embeddings() -> None:
    method = crd()
    (turn,) = method.turns(7)
    expected_parameters = [*method.model.parameters_of("target", "full"), *method.parameters()]
    assert {id(p) for p in turn.parameters} == {id(p) for p in expected_parameters}
    assert CRD.teacher == "fixed"
    assert CRD.views == CRD.predicts == ("target", "full")


@pytest.mark.parametrize("negatives", [2, 16384])
def test_evaluating_moves_nothing_and_the_order_of_the_batch_is_no_matter(negatives: int) -> None:
    """The second is why ranks, whose batches come joined in rank order, agree with one process."""
    method, step = crd(negatives=negatives), step_of()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    first = total(method, step)
    assert torch.equal(total(method, step), first)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    order = torch.tensor([4, 2, 0, 1, 3])
    made = Representations(
        {view: tensor[order] for view, tensor in step.made.representations.items()},
        {view: tensor[order] for view, tensor in step.made.logits.items()},
    )
    turned = Step(made, Batch({}, step.batch.labels[order], step.batch.rows[order], {}), ())
    assert total(method, turned).item() == pytest.approx(first.item(), rel=1e-6)


@pytest.mark.parametrize("negatives", [2, 16384])
@pytest.mark.parametrize("stopped_after", [0, 1, 3])
def test_a_resumed_method_goes_on_bit_for_bit(stopped_after: int, negatives: int) -> None:
    method = crd(negatives=negatives)
    steps = [step_of((seed, 9 - seed, 4 + seed // 2), seed=seed) for seed in range(6)]
    for step in steps[:stopped_after]:
        method.end_step(step.made, step.batch)
    torch.manual_seed(77)
    resumed = continued(method, lambda: crd(negatives=negatives))
    for step in steps[stopped_after:]:
        torch.manual_seed(step.places[0])  # ranks' and epochs' random states are no matter
        assert torch.equal(total(resumed, step), total(method, step))  # type: ignore[arg-type]
        method.end_step(step.made, step.batch)
        resumed.end_step(step.made, step.batch)  # type: ignore[operator]
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in resumed.state_dict().items())


@pytest.mark.parametrize("negatives", [3, 16384])
def test_a_data_set_of_one_class_leaves_classification(negatives: int) -> None:
    method = crd(negatives=negatives)
    method.prepare(TrainingSamples(SAMPLES.rows, torch.zeros_like(SAMPLES.labels)))
    step = step_of(labels=(0,) * 5)
    for _ in range(2):
        assert term(method, step).item() == 0
        gradient = torch.autograd.grad(total(method, step), step.made.target, allow_unused=True)[0]
        assert gradient is None or (gradient == 0).all()
        method.end_step(step.made, step.batch)
    assert method.contrast.log_normalizers.isfinite().all()


@pytest.mark.parametrize("temperature", [0.01, 0.07])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e4, 1e30])
def test_representations_of_any_size_give_finite_states(scale: float, temperature: float) -> None:
    method = crd(temperature=temperature)
    for seed in range(3):
        step = step_of(seed=seed)
        made = Representations(
            {view: (scale * tensor).detach().requires_grad_() for view, tensor in step.made.representations.items()},
            step.made.logits,
        )
        step = step._replace(made=made)
        loss = total(method, step)
        gradients = torch.autograd.grad(loss, [made.target, *method.parameters()])
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)
        method.end_step(step.made, step.batch)
    assert all(value.isfinite().all() for value in method.state_dict().values())


def test_descent_tells_samples_apart() -> None:
    """After some steps each student is nearest to its own teacher in the embedding, among those of other classes."""
    method, step = crd(), step_of()
    target = step.made.target.detach().clone().requires_grad_()
    made = Representations({**step.made.representations, "target": target}, step.made.logits)
    optimizer = torch.optim.Adam([target, *method.parameters()], lr=0.02)
    for _ in range(150):
        loss = term(method, step._replace(made=made))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        method.end_step(made, step.batch)
    students, teachers = (
        embedded(method.contrast.embed_first, target),
        embedded(method.contrast.embed_second, made.full),
    )
    labels = step.batch.labels.tolist()
    for i, student in enumerate(students):
        own = equations.cosine(student, teachers[i])
        others = [equations.cosine(student, teachers[j]) for j in range(len(labels)) if labels[j] != labels[i]]
        assert own > max(others) + 0.3


def test_defaults_are_the_paper_s() -> None:
    method = CRD(model())
    assert method.beta == 0.8
    contrast = method.contrast
    assert (contrast.temperature, contrast.sampler.count, contrast.bank_first.momentum) == (0.07, 16384, 0.5)
    assert contrast.embed_first.weight.shape == contrast.embed_second.weight.shape == (128, WIDTH)
    assert contrast.sampler.other_classes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -0.1}, "beta"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"negatives": 0}, "negative"),
        ({"embedding": 0}, "embedding"),
        ({"momentum": 1.0}, "momentum"),
        ({"normalization": "every_batch"}, "normalization"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.*expected|expected .*{message}"):
        crd(**options)
