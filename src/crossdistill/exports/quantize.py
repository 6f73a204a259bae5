"""An ONNX file with weights of 8 bits, and what that costs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossdistill.exports.formats import Answer, onnx_answer, require_onnx, with_metadata
from crossdistill.exports.graph import quiet, reason_of
from crossdistill.exports.samples import Samples, labelled_batches
from crossdistill.runs.measure import headline_of
from crossdistill.student import Student
from crossdistill.tasks import Measured, headline
from crossdistill.types import InputError

MOST_LOST = 1.0
"""Points of its task's headline measure that int8 may cost without being forced."""


@dataclass(frozen=True)
class Cost:
    """What weights of 8 bits cost on `samples` labelled samples, by the task's headline measure.

    before: the student in float32; after: with weights of 8 bits; both shares, of which more is better
    """

    before: float
    after: float
    samples: int
    measure: Measured

    @property
    def lost(self) -> float:
        """Points that are lost, to nine decimals: a point is not more than a point. Below 0 where some are won."""
        return round(100 * (self.before - self.after), 9)


def quantized(content: bytes, about: Mapping[str, Any]) -> bytes:
    """The ONNX file with the weights of its linear layers and convolutions as int8, a scale for each output channel.

    Activations are quantised as they come, by their own range in each batch: scales that were set once, on training
    samples, cost a bundled student 6 points and another 58, these nothing.
    """
    require_onnx()
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    # ConvInteger has kernels for pictures and for sequences, not for the 3-D convolutions of videos
    flat = all(len(x.dims) < 5 for x in model.graph.initializer)
    kinds = ["MatMul", "Gemm", *(["Conv"] if flat else [])]
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        try:
            quantize_dynamic(model, path, kinds, per_channel=True, weight_type=QuantType.QInt8)
        except Exception as error:  # whatever ONNX Runtime raises
            raise InputError(f"--int8: ONNX Runtime cannot quantise this student: {reason_of(error)}") from error
        return with_metadata(onnx.load(path), about)


def cost_of(student: Student, samples: Samples, before: bytes, after: bytes) -> Cost | str:
    """What int8 costs on those of the samples that have a label, or why nothing can be measured on them."""
    if samples.why_random:
        return samples.why_random
    task = student.network.task
    said: tuple[list[Tensor], list[Tensor]] = ([], [])
    answers: tuple[Answer, Answer] = (onnx_answer(before), onnx_answer(after))
    labels = []
    for arrays, known in labelled_batches(student, samples, samples.rows):
        labels.append(known)
        for logits, answer in zip(said, answers, strict=True):
            made = answer(arrays)
            logits.append(torch.from_numpy(made["logits"] if "logits" in made else made["standardized"]))
    if not labels:
        return f"the {samples.described} have no labels that the student knows"
    scores = [headline_of(task, torch.cat(logits), torch.cat(labels)) for logits in said]
    count, measure = sum(map(len, labels)), headline(task.kind)
    if math.isnan(scores[0]):
        of = "a single sample" if count == 1 else f"{count} samples that are labelled alike"
        return f"{measure.name} of {of} is not defined"
    return Cost(scores[0], scores[1], count, measure)


def require_kept(cost: Cost | str, samples: Samples) -> None:
    """Raise InputError where int8 costs too much, or nothing says what it costs."""
    if isinstance(cost, str):
        raise InputError(
            f"--int8: what it costs cannot be measured ({cost}); name labelled data by --data, or take it so by --force"
        )
    if not cost.lost <= MOST_LOST:
        before, after = cost.measure.shown(cost.before), cost.measure.shown(cost.after)
        raise InputError(
            f"--int8: {cost.measure.name} {before} of {cost.samples} {samples.described} before, {after} after: "
            f"{cost.lost:.1f} points are lost; --force writes it all the same"
        )
