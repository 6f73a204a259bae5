"""A student as one function of named tensors, and its trace by `torch.export` with batch and lengths left open."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.flat import BATCH, TIME, FlatInput, flat_inputs, unflattened
from crossdistill.models.spec import ModelSpec
from crossdistill.student import Student
from crossdistill.tasks import task_of
from crossdistill.types import InputError, Modality, Padded, Representations, one_line

REPRESENTATION = "representation"
_EXAMPLES = 5
"""Of the batch that is traced; no size of it is kept."""


class StudentGraph(nn.Module):
    """Named tensors, as of `flat_inputs` -> `outputs_of` them by name, computed in float32 on the CPU.

    A copy: the student that it was made of stays where and as it is.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.spec = student.spec
        self.network = copy.deepcopy(student.network).cpu().float().eval()
        self.network.requires_grad_(False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        modalities = unflattened(self.spec, inputs)
        long_enough = {name: _padded(x, self.least_steps(name)) for name, x in modalities.items()}
        made = self.network(long_enough, ("target",))
        return outputs_of(self.network, made)

    def least_steps(self, name: str) -> int:
        """To how many steps a modality's sequences are padded at least; see `Encoder`."""
        encoder = self.network.encoders[name]
        return int(getattr(getattr(encoder, "encoder", encoder), "least_steps", 2))

    def most_steps(self, name: str) -> int | None:
        """How many steps a modality's encoder can take, None for any number."""
        most = getattr(self.network.encoders[name], "most_steps", None)
        return None if most is None else int(most)


def outputs_of(network: CrossModalModel, made: Representations) -> dict[str, Tensor]:
    """What a file answers: `Task.outputs` of S's logits, and S."""
    return {**network.task.outputs(made.target_logits), REPRESENTATION: made.target}


def output_sizes(spec: ModelSpec) -> dict[str, int]:
    """Name -> how many columns, of what a file answers."""
    return {name: answer.shape[1] for name, answer in _answer(spec).items()}


def output_dtypes(spec: ModelSpec) -> dict[str, str]:
    """Name -> dtype of what a file answers: numbers in their own units are float64, all else float32."""
    return {name: str(answer.dtype).removeprefix("torch.") for name, answer in _answer(spec).items()}


def _answer(spec: ModelSpec) -> dict[str, Tensor]:
    """What a file answers for one sample, as `outputs_of`."""
    task = task_of(spec.task, spec.classes, spec.label_mean, spec.label_deviation)
    return {**task.outputs(torch.zeros(1, len(spec.classes))), REPRESENTATION: torch.zeros(1, spec.width)}


def _padded(x: Modality, least: int) -> Modality:
    """Sequences of at least so many steps. Padding changes no output, and a tracer that knows that no layer is left
    with a single step need not tell that case apart."""
    if not isinstance(x, Padded):
        return x
    steps = x.values.shape[1]
    missing = torch.sym_max(steps, least) - steps  # type: ignore[no-untyped-call]
    return Padded(nn.functional.pad(x.values, (0, 0, 0, missing)), x.lengths)


def traced(graph: StudentGraph) -> ExportedProgram:
    """The graph's program, for batches of any size and sequences of any length.

    Raises InputError where the student's encoders cannot be traced so.
    """
    inputs = flat_inputs(graph.spec)
    batch = Dim(BATCH)
    times = {
        name: Dim(f"{TIME}_{place}", min=1, max=graph.most_steps(name)) for place, name in enumerate(graph.spec.target)
    }
    example = {given.name: _example(graph, given) for given in inputs}
    sizes = {given.name: _open_sizes(given, batch, times[given.modality]) for given in inputs}
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(
                graph,
                (example,),
                dynamic_shapes={"inputs": sizes},
                prefer_deferred_runtime_asserts_over_guards=True,  # a guard that cannot be proven fixes a size
            )
    except Exception as error:  # whatever an encoder, or PyTorch, raises
        kinds = ", ".join(f"{name} by {graph.spec.encoders[name].kind}" for name in graph.spec.target)
        raise InputError(f"cannot be exported ({kinds}): {reason_of(error)}") from error


def _example(graph: StudentGraph, given: FlatInput) -> Tensor:
    is_sound = graph.spec.inputs[given.modality].kind == "audio"
    steps = graph.least_steps(given.modality) + (4000 if is_sound else 11)  # one frame would be a constant
    if (most := graph.most_steps(given.modality)) is not None:
        steps = min(steps, most)
    if given.name != given.modality:
        return torch.tensor([max(1, steps - row) for row in range(_EXAMPLES)])
    shape = [{BATCH: _EXAMPLES, TIME: steps}[size] if isinstance(size, str) else size for size in given.shape]
    if given.dtype == "int64":
        return torch.ones(shape, dtype=torch.int64)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _open_sizes(given: FlatInput, batch: Any, time: Any) -> dict[int, Any]:
    """Axis -> its name, of those whose size is open."""
    return {axis: batch if size == BATCH else time for axis, size in enumerate(given.shape) if isinstance(size, str)}


@contextmanager
def quiet() -> Iterator[None]:
    """Without what tracers and converters write about themselves."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def reason_of(error: Exception) -> str:
    """An exception's first lines in one."""
    return f"{type(error).__name__}: {one_line(error)[:240]}"
