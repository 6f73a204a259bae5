"""Representations as leaves, so that gradients can be read off, and a model that stands behind a method."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crossdistill.methods import Method
from crossdistill.models import CrossModalModel
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizer, step
from crossdistill.training.settings import Optimization
from crossdistill.types import Batch, Representations, Turn, View

WIDTH, CLASSES = 8, 4
VIEWS: tuple[View, ...] = ("target", "auxiliary", "full")
LABELS = (0, 1, 0, 2, 1, 0, 3)  # three of a class, two of a class, two alone: w = 5
FEW_LABELS = (0, -1, 0, 2, -1, -1, 3)
NO_LABELS = (-1,) * 7


class Encoder(nn.Linear):
    width = WIDTH


def model(separate_teacher: bool = False) -> CrossModalModel:
    torch.manual_seed(0)
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    return CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES, separate_teacher=separate_teacher)


def with_fixed_teacher() -> CrossModalModel:
    """As a run leaves the model before it comes to a method with a fixed teacher and frozen auxiliary encoders."""
    made = model(separate_teacher=True)
    made.freeze_auxiliary_encoders()
    made.freeze_teacher()
    return made


def moved_by(method: Method, turn: Turn, given: Batch | None = None) -> set[str]:
    """The parts of model and method that one step of the turn changes: "encoders.video", "classifier", "router" ..."""
    state = {**dict(method.model.named_parameters()), **dict(method.named_parameters())}
    before = {name: value.detach().clone() for name, value in state.items()}
    optimizer = build_optimizer(turn, Optimization("sgd", learning_rate=0.1, momentum=0.0, weight_decay=0.0))
    engine = OneProcess()
    step(engine, method, [turn], {turn.name: optimizer}, given or batch(), float("inf"))
    changed = [name for name, value in state.items() if not torch.equal(value, before[name])]
    return {".".join(name.split(".")[: 2 if "encoders" in name else 1]) for name in changed}


def batch(labels: Sequence[int] = LABELS, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    size = len(labels)
    inputs = {
        "video": torch.randn(size, 3, generator=generator),
        "audio": torch.randn(size, 5, generator=generator),
    }
    return Batch(inputs, torch.tensor(labels), torch.arange(size), {})


def leaves(labels: Sequence[int] = LABELS, seed: int = 0) -> Representations:
    """Of every view, a representation and logits that do not depend on one another."""
    generator = torch.Generator().manual_seed(seed)

    def leaf(width: int) -> Tensor:
        return torch.randn(len(labels), width, generator=generator).requires_grad_()

    return Representations({view: leaf(WIDTH) for view in VIEWS}, {view: leaf(CLASSES) for view in VIEWS})


def rows(tensor: Tensor) -> list[list[float]]:
    found: list[list[float]] = tensor.detach().double().tolist()
    return found
