"""An ONNX file with weights of 8 bits, and what that costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossdistill.exports.formats import Answer, onnx_answer, require_onnx, with_metadata
from crossdistill.exports.graph import quiet, reason_of
from crossdistill.exports.samples import Samples, labelled_batches
from crossdistill.student import Student
from crossdistill.types import InputError

MOST_LOST = 1.0
"""Points of accuracy that int8 may cost without being forced."""


@dataclass(frozen=True)
class Accuracy:
    """right of `samples` labelled samples: before, the student in float32; after, with weights of 8 bits."""

    before: int
    after: int
    samples: int

    @property
    def lost(self) -> float:
        """Points of accuracy that are lost; below 0 where some are won."""
        return 100 * (self.before - self.after) / self.samples


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


def accuracy_of(student: Student, samples: Samples, before: bytes, after: bytes) -> Accuracy | None:
    """What int8 costs on those of the samples that have a label; None where none has one."""
    if samples.why_random:
        return None
    answers: tuple[Answer, Answer] = (onnx_answer(before), onnx_answer(after))
    right, count = [0, 0], 0
    for arrays, labels in labelled_batches(student, samples, samples.rows):
        count += len(labels)
        for place, answer in enumerate(answers):
            right[place] += int((answer(arrays)["logits"].argmax(1) == labels.numpy()).sum())
    return Accuracy(right[0], right[1], count) if count else None


def require_kept(accuracy: Accuracy | None, samples: Samples) -> None:
    """Raise InputError where int8 costs too much, or nothing says what it costs."""
    if accuracy is None:
        reason = samples.why_random or f"the {samples.described} have no labels of its classes"
        raise InputError(
            f"--int8: its accuracy cannot be measured ({reason}); name data by --data, or take it unmeasured by --force"
        )
    if accuracy.lost > MOST_LOST:
        before, after = (100 * right / accuracy.samples for right in (accuracy.before, accuracy.after))
        raise InputError(
            f"--int8: {before:.1f} % of {accuracy.samples} {samples.described} before, {after:.1f} % after: "
            f"{accuracy.lost:.1f} points are lost; --force writes it all the same"
        )
