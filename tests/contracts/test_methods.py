"""The contract that every method of METHODS keeps. A new method is taken up by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from crossdistill.methods import METHODS, Method
from crossdistill.training.distributed import gather
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.settings import Optimization
from crossdistill.types import Batch, Representations
from tests.contracts.small import CLASSES, WIDTH, build, last_epoch, real_batch

pytestmark = pytest.mark.parametrize("name", METHODS)


def representations_of(method: Method, batch: Batch) -> Representations:
    made: Representations = method.model(batch.modalities, method.views)
    return made


def snapshot(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in parameters.items()}


def all_parameters(method: Method) -> dict[str, Tensor]:
    model = {f"model.{name}": p for name, p in method.model.named_parameters()}
    return model | {f"method.{name}": p for name, p in method.named_parameters()}


def test_the_objective_falls(name: str) -> None:
    method, batch = build(name), real_batch()
    epoch = last_epoch(method)
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizers = build_optimizers(method, epoch + 1, Optimization(learning_rate=3e-3))
    turn = method.turns(epoch)[0]
    totals = []
    for _ in range(30):
        totals.append(float(turn.objective(representations_of(method, batch), batch).total.detach()))
        step(fabric, method, [turn], optimizers, batch, float("inf"))
    assert totals[-1] < 0.9 * totals[0]


@pytest.mark.parametrize("epoch", [0, 1000])
def test_each_turn_changes_its_own_parameters_and_no_others(name: str, epoch: int) -> None:
    method, batch = build(name), real_batch()
    optimizers = build_optimizers(method, 1001, Optimization())
    fabric = Fabric(accelerator="cpu", devices=1)
    for turn in method.turns(epoch):
        before = snapshot(all_parameters(method))
        step(fabric, method, [turn], optimizers, batch, float("inf"))
        own = {id(p) for p in turn.parameters}
        after = all_parameters(method)
        changed = {key for key, p in after.items() if not torch.equal(p, before[key])}
        assert changed, f"{turn.name} changed nothing"
        assert all(id(after[key]) in own for key in changed)


def test_no_turn_leaves_a_gradient_on_another_player(name: str) -> None:
    method, batch = build(name), real_batch()
    for turn in method.turns(last_epoch(method)):
        objective = turn.objective(representations_of(method, batch), batch)
        torch.autograd.backward(objective.total, inputs=list(turn.parameters))
        own = {id(p) for p in turn.parameters}
        touched = [key for key, p in all_parameters(method).items() if p.grad is not None and id(p) not in own]
        assert not touched
        for p in turn.parameters:
            p.grad = None


def test_predict_does_not_depend_on_anything_auxiliary(name: str) -> None:
    method, batch = build(name), real_batch()
    model = method.model.eval()
    expected = model.predict({"gyroscope": batch.modalities["gyroscope"]})
    garbage = torch.full_like(batch.modalities["accelerometer"], float("nan"))  # type: ignore[arg-type]
    assert torch.equal(model.predict({**batch.modalities, "accelerometer": garbage}), expected)
    with torch.no_grad():
        for part in (model.encoders["accelerometer"], model.fusion, model.auxiliary_projection):
            for p in part.parameters():
                p.fill_(float("nan"))
    assert torch.equal(model.predict({"gyroscope": batch.modalities["gyroscope"]}), expected)


def test_evaluating_the_objectives_changes_no_state(name: str) -> None:
    method, batch = build(name), real_batch()
    made = representations_of(method, batch)
    before = snapshot(method.state_dict() | method.model.state_dict())
    for epoch in (0, last_epoch(method)):
        for turn in method.turns(epoch):
            first = turn.objective(made, batch).total
            assert torch.equal(first, turn.objective(made, batch).total)
    after = method.state_dict() | method.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_the_method_holds_no_model_of_its_own(name: str) -> None:
    """What ships is the model; a method's state is banks, centres and players that stay behind."""
    method = build(name)
    assert not {id(p) for p in method.parameters()} & {id(p) for p in method.model.parameters()}


def test_objectives_do_not_read_inputs(name: str) -> None:
    """After the gather there are none."""
    method, batch = build(name), real_batch()
    made, gathered = gather(Fabric(accelerator="cpu", devices=1), representations_of(method, batch), batch)
    for turn in method.turns(last_epoch(method)):
        assert torch.isfinite(turn.objective(made, gathered).total)


EXTREMES = {
    "one class only": lambda r, b: (r, replace(b, labels=torch.zeros_like(b.labels))),
    "all classes distinct": lambda r, b: (first(r, CLASSES), relabelled(b, torch.arange(CLASSES))),
    "batch of two": lambda r, b: (first(r, 2), relabelled(b, torch.tensor([0, 0]))),
    "batch of two classes": lambda r, b: (first(r, 2), relabelled(b, torch.tensor([0, 1]))),
    "identical rows": lambda r, b: (map_all(r, lambda t: t[:1].expand_as(t)), b),
    "zero vectors": lambda r, b: (map_all(r, torch.zeros_like), b),
    "huge logits": lambda r, b: (Representations(r.representations, scaled(r.logits, 1e4)), b),
    "huge representations": lambda r, b: (Representations(scaled(r.representations, 1e4), r.logits), b),
}


def relabelled(batch: Batch, labels: Tensor) -> Batch:
    """The batch's first samples, with other labels."""
    return Batch({}, labels, batch.rows[: len(labels)], {})


def map_all(made: Representations, function: object) -> Representations:
    return Representations(
        {view: function(t) for view, t in made.representations.items()},  # type: ignore[operator]
        {view: function(t) for view, t in made.logits.items()},  # type: ignore[operator]
    )


def first(made: Representations, count: int) -> Representations:
    return map_all(made, lambda t: t[:count])


def scaled(tensors: object, largest: float) -> dict[str, Tensor]:
    return {view: largest * t / t.abs().max() for view, t in tensors.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes_give_finite_losses_and_gradients(name: str, extreme: str) -> None:
    method, batch = build(name), real_batch()
    made, changed = EXTREMES[extreme](representations_of(method, batch), batch)
    leaves = map_all(made, lambda t: t.detach().clone().requires_grad_())
    for turn in method.turns(last_epoch(method)):
        total = turn.objective(leaves, changed).total
        assert torch.isfinite(total)
        inputs = [*leaves.representations.values(), *leaves.logits.values(), *method.parameters()]
        total.backward(inputs=inputs)
        assert all(torch.isfinite(leaf.grad).all() for leaf in inputs if leaf.grad is not None)
    method.end_step(leaves, changed)
    assert all(value == value for value in method.end_epoch(0).values()), "NaN in the epoch's log"


def test_declared_views_are_enough(name: str) -> None:
    """The model computes no view that is not declared, and reading another one fails loudly."""
    method, batch = build(name), real_batch()
    made = representations_of(method, batch)
    assert set(made.representations) == set(method.views)
    assert set(method.predicts) <= set(method.views)
    assert made.representations[method.views[0]].shape == (len(batch.labels), WIDTH)
