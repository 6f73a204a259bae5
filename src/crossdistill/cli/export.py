"""`crossdistill export`: a trained student as a file that runs without this library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import Lines, console
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.given import Given, given
from crossdistill.data.label_cells import has_labels
from crossdistill.data.manifest import dataset_of
from crossdistill.data.table import read_table
from crossdistill.exports import ENDINGS, Exported, export
from crossdistill.student import load
from crossdistill.types import InputError


def parser(arguments: Sequence[str]) -> ArgumentParser:
    export = command_parser(
        "export",
        "Write a trained student as one file that runs without crossdistill, and check that it answers as "
        "the student does.",
    )
    export.add_argument("run", type=Path, help="a run's folder, or a saved student's")
    export.add_argument(
        "--format", choices=list(ENDINGS), help="by the ending of --out unless given; safetensors needs crossdistill"
    )
    export.add_argument(
        "--out", type=Path, help="file that ends in .onnx or .pt2, or a folder; RUN's name here unless given"
    )
    export.add_argument("--data", type=Path, help="a manifest of samples to check on; the run's own unless given")
    export.add_argument("--allow-outside", action="store_true", help="files outside the manifest's folder, too")
    export.add_argument("--int8", action="store_true", help="weights of 8 bits; what they cost is measured")
    export.add_argument("--force", action="store_true", help="int8 although it costs over a point, or nobody knows")
    return export


def execute(options: Namespace, command: str) -> int:
    """Export a student, and say what was written and how far it was checked."""
    name = options.run.resolve().name
    out = options.out or Path(f"{name}{ENDINGS[options.format or 'onnx'] or '-student'}")
    if options.data is not None and options.format == "safetensors":
        raise InputError("--data: a safetensors folder is the student itself, which needs no check")
    exported = export(
        options.run,
        out,
        options.format,
        dataset=_samples(options) if options.data is not None else None,
        int8=options.int8,
        force=options.force,
        listener=Lines(),
    )
    for line in said(exported):
        console().print(line, soft_wrap=True)
    return 0


def said(exported: Exported) -> list[str]:
    """What was written, what it takes and gives, how far its answers are from the student's, and what int8 costs."""
    path = exported.path
    files = [path] if path.is_file() else list(path.iterdir())
    lines = [f"{path}: format {exported.format}, {sum(file.stat().st_size for file in files) / 1e6:,.2f} MB"]
    if exported.format == "safetensors":
        return [*lines, f'crossdistill.load("{path}") predicts']
    lines += [f"takes {_shapes(exported.inputs)}", f"gives {_shapes(exported.outputs)}"]
    lines.append(f"largest difference to the student {exported.difference:.1e}, on {exported.described}")
    if (cost := exported.cost) is not None:
        before, after = cost.measure.shown(cost.before), cost.measure.shown(cost.after)
        lines.append(f"int8: {cost.measure.name} {after} of {cost.samples} samples, before {before}")
    elif exported.int8:
        lines.append("int8: what it costs was not measured")
    return lines


def _samples(options: Namespace) -> MultimodalDataset:
    """The samples of `--data`. What an export's answers are compared on needs neither label nor split; what int8 costs
    does."""
    student, table = load(options.run), read_table(options.data)
    if not has_labels(table) or "split" not in table.columns:
        return _unlabelled(given(options.data, student.inputs, options.allow_outside), options.data)
    readers = {name: spec.reading for name, spec in student.inputs.items()}
    return dataset_of(
        table,
        only=student.spec.target,
        required=student.spec.target,
        readers=readers,
        allow_outside=options.allow_outside,
        task=student.spec.task,
    )


def _unlabelled(source: Given, path: Path) -> MultimodalDataset:
    """The first samples of what somebody gives to be predicted, as if for training, which alone needs no label."""
    samples = next(source.chunks()).samples
    return replace(samples, name=str(path), splits=np.full(len(samples), "train"))


def _shapes(shapes: Any) -> str:
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())
