"""The bytes of an exported file, and what it answers when it is loaded again as a user will load it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.export import ExportedProgram

from crossdistill.exports.graph import quiet, reason_of
from crossdistill.extras import needed_for
from crossdistill.models.flat import BATCH, TIME, FlatInput
from crossdistill.types import InputError

Arrays = Mapping[str, npt.NDArray[Any]]
Answer = Callable[[Arrays], Arrays]
"""Named inputs -> what the file answers by name."""

METADATA = "crossdistill"
"""The key of an ONNX file's metadata that holds what it is as JSON; crossdistill.json in a .pt2 file."""
PT2_METADATA = f"{METADATA}.json"

_LARGEST = 2**31 - 1
"""Bytes that one file in ONNX's format can have."""


def onnx_bytes(
    program: ExportedProgram, inputs: tuple[FlatInput, ...], outputs: Sequence[str], about: Mapping[str, Any]
) -> bytes:
    """An ONNX file of the program. Raises InputError where a package is missing, an operation has no ONNX counterpart,
    or the model is larger than such a file can be."""
    require_onnx()
    names = [given.name for given in inputs]
    try:
        with torch.no_grad(), quiet():
            converted = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=names, output_names=list(outputs)
            )
        assert converted is not None
        model = converted.model_proto
    except Exception as error:  # whatever the converter raises
        raise InputError(f"cannot be converted to ONNX: {reason_of(error)}") from error
    _forget_sources(model)
    _name_sizes(model.graph.input, {given.name: given.shape for given in inputs})
    _name_sizes(model.graph.output, dict.fromkeys(outputs, (BATCH,)))
    return with_metadata(model, about)


def _forget_sources(model: Any) -> None:
    """Without the converter's notes on which line of which file on this machine made a node."""
    graphs = [model.graph, *model.functions]
    while graphs:
        for node in graphs.pop().node:
            del node.metadata_props[:]
            node.doc_string = ""
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def with_metadata(model: Any, about: Mapping[str, Any]) -> bytes:
    """The bytes of an ONNX model that says what it is."""
    from onnx.helper import set_model_props

    model.producer_name = METADATA
    set_model_props(model, {METADATA: json.dumps(about, ensure_ascii=False)})
    if (size := model.ByteSize()) > _LARGEST:
        raise InputError(f"an ONNX file holds at most 2 GiB, this student has {size / 2**30:.1f}; take --format torch")
    return bytes(model.SerializeToString())


def onnx_answer(content: bytes) -> Answer:
    """What ONNX Runtime makes of named arrays, on the CPU."""
    runtime = require_onnx()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"ONNX Runtime cannot load what was exported: {reason_of(error)}") from error

    names = [output.name for output in session.get_outputs()]

    def answer(arrays: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))

    return answer


def torch_bytes(program: ExportedProgram, about: Mapping[str, Any]) -> bytes:
    """A .pt2 file of the program, which `torch.export.load` reads."""
    file = io.BytesIO()
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # which line of which file on this machine made it
    with quiet():
        torch.export.save(program, file, extra_files={PT2_METADATA: json.dumps(about, ensure_ascii=False)})
    return file.getvalue()


def torch_answer(content: bytes) -> Answer:
    """What the program in a .pt2 file makes of named arrays."""
    with quiet():
        module = torch.export.load(io.BytesIO(content)).module()

    def answer(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            made = module({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})
        return {name: tensor.numpy() for name, tensor in made.items()}

    return answer


def require_onnx() -> ModuleType:
    """ONNX Runtime, which is there with all that writes ONNX. Raises InputError where a package is missing."""
    with needed_for("ONNX"):
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    runtime: ModuleType = onnxruntime
    return runtime


def _name_sizes(values: Any, shapes: Mapping[str, tuple[int | str, ...]]) -> None:
    """Call the open sizes by names that mean something, beside those that their converter made up."""
    for value in values:
        for size, called in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=False):
            if isinstance(called, str):
                size.dim_param = called if called != TIME else f"{value.name}_{TIME}"
