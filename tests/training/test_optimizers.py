"""Optimisers without PyTorch's compiler are PyTorch's optimisers otherwise.

That a run imports no compiler is in cli/test_commands.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn, optim

from crossdistill.training import optimizers

KINDS: dict[str, tuple[type[optim.Optimizer], type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optimizers.SGD, optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "foreach": True}),
    "adam": (optimizers.Adam, optim.Adam, {"lr": 0.1, "betas": (0.5, 0.999), "fused": True}),
    "adamw": (optimizers.AdamW, optim.AdamW, {"lr": 0.1, "weight_decay": 0.1, "fused": True}),
}


def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def train(module: nn.Module, optimizer: optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in module.parameters())
        module(torch.randn(5, 4, generator=torch.Generator().manual_seed(step))).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", KINDS)
def test_steps_and_states_are_those_of_pytorch(name: str) -> None:
    ours, theirs, settings = KINDS[name]
    modules, made = (model(), model()), []
    for module, kind in zip(modules, (ours, theirs), strict=True):
        made.append(kind(module.parameters(), **settings))
        train(module, made[-1], 5)
    for mine, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
        assert mine.is_leaf  # a step is no part of a graph
    states = [optimizer.state_dict() for optimizer in made]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)

    # each goes on from the other's state
    for optimizer, state in zip(made, reversed(states), strict=True):
        optimizer.load_state_dict(state)
    for module, optimizer in zip(modules, made, strict=True):
        train(module, optimizer, 2)
    for mine, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


@pytest.mark.parametrize("name", KINDS)
def test_hooks_and_the_profiler_see_a_step_once(name: str) -> None:
    ours, theirs, settings = KINDS[name]
    theirs(model().parameters(), **settings)  # from now on the class has the profiler's wrapper
    for kind in (ours, optimizers.without_compiler(theirs), optimizers.without_compiler(ours)):
        module, seen = model(), list[str]()
        optimizer = kind(module.parameters(), **settings)
        optimizer.register_step_pre_hook(lambda *_, seen=seen: seen.append("before"))
        optimizer.register_step_post_hook(lambda *_, seen=seen: seen.append("after"))
        with torch.profiler.profile() as profile:
            train(module, optimizer, 1)
        assert seen == ["before", "after"]
        events = [event.name for event in profile.events() if event.name.startswith("Optimizer.")]
        assert sorted(events) == [f"Optimizer.{what}#{theirs.__name__}.{what}" for what in ("step", "zero_grad")]


def test_a_compiled_model_is_trained_by_them() -> None:
    module = model()
    compiled = torch.compile(module, backend="eager")
    before = module.weight.detach().clone()
    train(compiled, optimizers.AdamW(module.parameters(), fused=True), 2)
    assert not torch.equal(before, module.weight)


def test_a_method_that_nothing_wraps_stays_as_it_is() -> None:
    class Plain(optim.SGD):
        """As a version of PyTorch might be that wraps nothing, or in another way."""

        def zero_grad(self, set_to_none: bool = True) -> None:
            super().zero_grad(set_to_none)

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.sub_(group["lr"] * parameter.grad)

    made = optimizers.without_compiler(Plain)
    assert made.zero_grad is Plain.zero_grad
    module, other = model(), model()
    train(module, made(module.parameters(), lr=0.1), 3)
    train(other, optim.SGD(other.parameters(), lr=0.1), 3)
    torch.testing.assert_close(module.state_dict(), other.state_dict())
