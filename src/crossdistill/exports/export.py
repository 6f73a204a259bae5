"""A trained student as one file that runs without this library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from crossdistill.atomic import written_whole
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.folders import make_folder, require_place
from crossdistill.data.inputs import InputSpec
from crossdistill.exports.formats import Answer, onnx_answer, onnx_bytes, require_onnx, torch_answer, torch_bytes
from crossdistill.exports.graph import StudentGraph, output_dtypes, output_sizes, traced
from crossdistill.exports.parity import LIMIT, largest_difference
from crossdistill.exports.quantize import Cost, cost_of, quantized, require_kept
from crossdistill.exports.samples import Samples, batches, samples_for
from crossdistill.listening import Listener
from crossdistill.models.flat import BATCH, flat_inputs
from crossdistill.plain import to_plain
from crossdistill.student import Student, load, without_tokenizers
from crossdistill.types import InputError, cause
from crossdistill.version import __version__

Format = Literal["onnx", "torch", "safetensors"]
ENDINGS: Mapping[Format, str] = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ""}
"""Format -> how the names of its files end; safetensors is a folder."""


@dataclass(frozen=True)
class Exported:
    """What was written, and what is known of it.

    path: the file or folder; inputs, outputs: name -> shape; difference: the largest one between the file's answers and
    the student's, on `samples` samples, which `described` says in words; 0 on none for safetensors, which is read back
    by `load`; int8: whether weights have 8 bits; cost: of int8, None where it was not measured
    """

    path: Path
    format: Format
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    difference: float = 0.0
    samples: int = 0
    described: str = ""
    int8: bool = False
    cost: Cost | None = None


def export(
    student: Student | Path | str,
    path: Path | str,
    format: Format | None = None,
    *,
    dataset: MultimodalDataset | None = None,
    int8: bool = False,
    force: bool = False,
    listener: Listener = Listener(),
) -> Exported:
    """Write a student as one file that predicts without crossdistill, and check that it does.

    The file takes a batch of any size and sequences of any length, as `Student.arrays` gives them, and answers logits
    (B, C), probabilities (B, C) and the representation (B, width); of regression values (B, K), in their own units and
    float64, and the same standardized in the place of the first two. Standardisation is inside. Its answers are
    compared with the student's on batches of several sizes and lengths; where they are more than 1e-4 apart (of the
    largest output, where that is above 1; values in deviations of the labels) nothing is written.

    Args:
        student: one in memory, or the folder of a run or of a saved one
        path: the file to write, of safetensors a folder
        format: "onnx", for ONNX Runtime and all else that reads ONNX; "torch", a .pt2 file that `torch.export.load`
            reads; "safetensors", what `Student.save` writes, which needs crossdistill; None: as the path's ending,
            .onnx or .pt2, says
        dataset: on whose samples the file is tried, where they are not a run's own that can be read again
        int8: weights of 8 bits (ONNX alone)
        force: write int8 although it costs more than a point, or what it costs cannot be measured
        listener: is told on what the file was tried, where that is worth knowing

    Raises:
        InputError: whatever cannot be exported, answers that differ, or int8 that costs more than a point of its
            task's headline measure.

    >>> import tempfile, numpy as np, torch, crossdistill
    >>> from dataclasses import replace
    >>> y = np.arange(60) % 2
    >>> data = crossdistill.from_arrays({"wrist": np.eye(2)[y]}, np.array(["push", "wave"])[y])
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=3, batch_size=8)
    >>> built = crossdistill.build(replace(recipe, data=replace(recipe.data, evaluate_on="none")), data)
    >>> _ = crossdistill.train(built)
    >>> student, file = crossdistill.student_of(built), tempfile.mkdtemp() + "/wrist.pt2"
    >>> exported = crossdistill.export(student, file, "torch", dataset=data)
    >>> exported.inputs, exported.difference < 1e-4
    ({'wrist': ('batch', 2)}, True)
    >>> program = torch.export.load(file).module()  # no crossdistill from here on
    >>> program({"wrist": torch.eye(2)})["logits"].argmax(1).tolist()
    [0, 1]
    """
    path = Path(path)
    format = _format_of(path, format)
    if int8 and format != "onnx":
        raise InputError(f"int8: only ONNX files have it, found format {format}")
    folder = None if isinstance(student, Student) else Path(student)
    loaded = student if isinstance(student, Student) else load(student)
    if format == "safetensors":
        return _described(loaded, loaded.save(path), format)
    if format == "onnx":
        require_onnx()
    _require_writable(path)
    samples = samples_for(loaded, folder, dataset)
    if samples.why_random:
        listener.say(f"Checked on random samples: {samples.why_random}")
    if loaded.spec.windows != 1 and any(_is_cut(given) for given in loaded.inputs.values()):
        listener.say("The file answers for one window; `predict` averages those of a long sample")
    content, exported = _checked(loaded, samples, path, format)
    if int8:
        before, content = content, quantized(content, _about(loaded, exported, int8=True))
        cost = cost_of(loaded, samples, before, content)
        if not force:
            require_kept(cost, samples)
        exported = replace(exported, int8=True, cost=cost if isinstance(cost, Cost) else None)
    _write(path, content)
    return exported


def _format_of(path: Path, asked: Format | None) -> Format:
    """The format that is asked for, or that the path's ending says. Raises InputError where the two differ, and for a
    file whose ending says none."""
    if asked is not None and asked not in get_args(Format):
        raise InputError(f"format: expected one of {', '.join(get_args(Format))}, found {asked!r}")
    suffix = path.suffix.lower()
    said: Format | None = next((kind for kind, ending in ENDINGS.items() if ending and suffix == ending), None)
    if asked is not None and said is not None and asked != said:
        raise InputError(f"{path}: ends as format {said} does, found format {asked}; change one of the two")
    if said is None and asked != "safetensors":  # what reads a file goes by its ending
        files = ", ".join(f"{ending} (format {kind})" for kind, ending in ENDINGS.items() if ending)
        raise InputError(
            f"{str(path)[:200]}: expected a name that ends in {files}, or format safetensors for a folder; found "
            f"{f'the ending {suffix[:40]}' if suffix else 'no ending'}"
        )
    return said or "safetensors"


def _checked(student: Student, samples: Samples, path: Path, format: Format) -> tuple[bytes, Exported]:
    """The file's bytes, whose answers are the student's. Raises InputError where they are not."""
    graph, (tried, count) = StudentGraph(student), batches(student, samples)
    program, inputs = traced(graph), flat_inputs(student.spec)
    content = _bytes(format, program, inputs, _about(student, _described(student, path, format)))
    answer: Answer = onnx_answer(content) if format == "onnx" else torch_answer(content)
    difference = largest_difference(graph, answer, tried)
    described = f"{count} {samples.described}"
    if not difference <= LIMIT:
        raise InputError(
            f"{path}: not written: its answers differ from the student's by {difference:.1e} on {described}, "
            f"expected at most {LIMIT:g}; please report this with the encoder's kind and settings"
        )
    return content, _described(student, path, format, difference, count, described)


def _bytes(format: Format, program: Any, inputs: Any, about: Mapping[str, Any]) -> bytes:
    if format == "torch":
        return torch_bytes(program, about)
    return onnx_bytes(program, inputs, list(about["outputs"]), about)


def _described(
    student: Student, path: Path, format: Format, difference: float = 0.0, samples: int = 0, described: str = ""
) -> Exported:
    spec = student.spec
    inputs = {given.name: given.shape for given in flat_inputs(spec)}
    outputs: dict[str, tuple[int | str, ...]] = {name: (BATCH, size) for name, size in output_sizes(spec).items()}
    return Exported(path, format, inputs, outputs, difference, samples, described)


def _about(student: Student, exported: Exported, int8: bool = False) -> dict[str, Any]:
    """What the file says of itself: what it takes and gives, and the run that it comes from."""
    spec = without_tokenizers(student.spec)
    dtypes = {given.name: given.dtype for given in flat_inputs(student.spec)}
    answered = output_dtypes(student.spec)
    return {
        "crossdistill": __version__,
        "task": spec.task,
        "classes": list(student.classes),
        "inputs": {name: {"shape": list(shape), "dtype": dtypes[name]} for name, shape in exported.inputs.items()},
        "outputs": {name: {"shape": list(shape), "dtype": answered[name]} for name, shape in exported.outputs.items()},
        "int8": int8,
        "about": to_plain(student.about),
        "model": to_plain(spec),
    }


def _is_cut(given: InputSpec) -> bool:
    """Whether a sample may be longer than what the student takes at once."""
    return given.kind == "video" or (given.kind == "audio" and not given.is_sequence)


def _require_writable(path: Path) -> None:
    """Raise InputError before minutes are spent on a file that cannot be."""
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # a name that no file can have
        raise InputError(f"{str(path)[:200]}: cannot be written: {cause(error)[:200]}") from error
    if is_folder:
        raise InputError(f"{path}: expected a file to write, found a folder")
    require_place(path.parent, "path")


def _write(path: Path, content: bytes) -> None:
    try:
        make_folder(path.parent, "path")
        with written_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
