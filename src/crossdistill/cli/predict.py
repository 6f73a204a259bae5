"""`crossdistill predict`: what a trained student says of files, folders, arrays and tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from jsonargparse import ArgumentParser, Namespace
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from crossdistill.cli.parsers import command_parser
from crossdistill.cli.predictions_file import Record, require_writable, written_predictions
from crossdistill.cli.progress import console
from crossdistill.cli.tally import Labels, Tally
from crossdistill.cli.words import printable_line
from crossdistill.data.cells import LABEL_PREFIX
from crossdistill.data.given import Given, given
from crossdistill.data.label_cells import LABEL
from crossdistill.data.labels import few_of
from crossdistill.data.table import FILES
from crossdistill.student import Predictions, Student, load
from crossdistill.training.devices import device_of
from crossdistill.training.settings import Accelerator
from crossdistill.types import InputError, TaskKind

UNREADABLE = 1
"""The exit code where some samples have no prediction; all others are written."""
NO_LABELS = ";"
"""The prediction of a sample that has none of the labels, as a manifest writes it."""
_SHOWN = 40
"""Rows of the table on the terminal."""
_NAMED = 3
"""Rows that a line names; of more it says how many there are."""
_WHOLE = ("input", "sample")
"""Columns of the table whose cells are names of files, or as short as these."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    predict = command_parser(
        "predict",
        "What a trained student says of new samples, a row each. Exit code 0; 1 where some samples cannot "
        "be read (their rows say why, all others are there); 2 where nothing was written.",
    )
    predict.add_argument("run", type=Path, help="a run's folder, or a saved student's")
    predict.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        help="media files, folders of files, .npy, .npz, a table with a column a feature, or a manifest",
    )
    predict.add_argument("--out", type=Path, help="file to write: .csv, .parquet or .jsonl; unless given, a table here")
    predict.add_argument("--top", type=int, default=0, help="the K likeliest classes instead of all probabilities")
    predict.add_argument("--batch-size", type=int, default=0, help="samples at once; as many as fit unless given")
    predict.add_argument("--device", choices=get_args(Accelerator), default="auto", help="auto takes a GPU if there")
    predict.add_argument("--workers", type=int, default=0, help="processes that read files")
    predict.add_argument("--allow-outside", action="store_true", help="files outside a manifest's folder, too")
    return predict


def execute(options: Namespace, command: str) -> int:
    """Predict, write or show a row a sample, and say how many could not be read."""
    if options.top < 0 or options.batch_size < 0 or options.workers < 0:
        raise InputError("--top, --batch-size, --workers: expected 0 or more")
    if options.out is not None:
        require_writable(options.out)
    student = load(options.run).to(device_of(options.device, "--device"))
    if options.top and student.spec.task != "classification":
        raise InputError(f"--top: ranks classes, and this student has none (task {student.spec.task}); leave it out")
    sources = [given(path, student.inputs, options.allow_outside) for path in options.inputs]
    _require_other(options.out, options.inputs)
    for source in sources:
        if source.guessed:
            console().print(printable_line(source.guessed), soft_wrap=True)
    labelled = list(dict.fromkeys(column for source in sources for column in source.labelled))
    of_several = len(sources) > 1 and any(source.has_ids for source in sources)
    columns = _columns(student, options.top, labelled, of_several)
    tally, shown = Tally(student), list[Record]()
    with nullcontext() if options.out is None else written_predictions(options.out, columns) as writer:
        for path, predictions, labels, splits in _predicted(student, sources, options):
            source_of = {"input": _text(str(path))} if of_several else {}
            records = [
                {**_record(student.spec.task, predictions, labels, row, list(columns), options.top), **source_of}
                for row in range(len(splits))
            ]
            tally.add(predictions, labels, splits)
            if writer is not None:
                writer.write(records)
            shown += records[: max(0, _SHOWN - len(shown))] if options.out is None else []
    if options.out is None:
        console().print(_shown(shown, labelled, student.spec.task == "classification", console().width))
        if tally.samples > len(shown):
            console().print(f"{tally.samples - len(shown):,} more; --out FILE keeps them all", soft_wrap=True)
    for path, source in zip(options.inputs, sources, strict=True):
        if source.empty:
            rows = f"{len(source.empty):,} empty row{'s' * (len(source.empty) > 1)}"
            line = f"{path}: {rows} left out ({few_of(source.empty, _NAMED)})"
            console().print(printable_line(line), soft_wrap=True)
    for said in tally.lines(options.out, len(shown)):
        if isinstance(said, str):
            console().print(said, soft_wrap=True)
        else:
            console().print(said.shown(console().width))
    return UNREADABLE if tally.unread else 0


def _require_other(out: Path | None, inputs: Sequence[Path]) -> None:
    """Raise InputError where the predictions would take the place of what they are made of."""
    if out is None or not out.exists():
        return
    for path in inputs:
        if any(out.samefile(read) for read in (path, *(path / name for name in FILES)) if read.exists()):
            raise InputError(f"--out {out}: is an input; predictions would take its place")


def _predicted(
    student: Student, sources: Sequence[Given], options: Namespace
) -> Iterator[tuple[Path, Predictions, Labels, Sequence[str]]]:
    """The input, the predictions of some of its samples, and each one's labels, by their columns, and split, "" where
    there is none."""
    for path, source in zip(options.inputs, sources, strict=True):
        for chunk in source.chunks():
            predictions = student.predictions(chunk.samples, options.batch_size, options.workers)
            yield path, predictions, chunk.labels, chunk.splits or [""] * len(chunk.samples)


def _columns(student: Student, top: int, labelled: Sequence[str], of_several: bool) -> dict[str, type]:
    """Column -> what its cells are; labelled: the columns of labels, as the inputs call them; of_several: whether ids
    alone do not say which input a sample is of."""
    last: dict[str, type] = {**dict.fromkeys(labelled, str), "error": str}
    columns: dict[str, type] = {"id": str, **({"input": str} if of_several else {})}
    if student.spec.task == "regression":
        columns |= dict.fromkeys(_number_columns(student.classes), float)
        return columns | last
    columns |= {"prediction": str} | ({"probability": float} if student.spec.task == "classification" else {})
    for rank in range(2, min(top, len(student.classes)) + 1):
        columns |= {f"prediction_{rank}": str, f"probability_{rank}": float}
    if not top:
        columns |= {f"p_{name}": float for name in student.classes}
    return columns | last


def _number_columns(names: Sequence[str]) -> list[str]:
    """`prediction` of a single number, `prediction_NAME` of several."""
    return ["prediction"] if len(names) == 1 else [f"prediction_{name}" for name in names]


def _record(
    task: TaskKind, predictions: Predictions, labels: Labels, row: int, columns: Sequence[str], top: int
) -> Record:
    record: dict[str, Any] = dict.fromkeys(columns)
    record["id"], record["error"] = _text(predictions.ids[row]), _text(predictions.problems[row]) or None
    record |= {name: cells[row] or None for name, cells in labels.items() if name in record and cells}
    if predictions.problems[row]:
        return record
    if task == "regression":
        return record | dict(zip(_number_columns(predictions.classes), predictions.values[row].tolist(), strict=True))
    shares = predictions.probabilities[row]
    if task == "multilabel":
        has = [name for name, share in zip(predictions.classes, shares, strict=True) if share > 0.5]
        return record | {"prediction": ";".join(has) or NO_LABELS} | _shares(predictions.classes, shares)
    order = np.argsort(-shares, kind="stable")
    for rank, place in enumerate(order[: max(1, top)], start=1):
        suffix = f"_{rank}" if rank > 1 else ""
        record[f"prediction{suffix}"] = predictions.classes[place]
        record[f"probability{suffix}"] = float(str(shares[place]))  # float32's own digits
    if not top:
        record |= _shares(predictions.classes, shares)
    return record


def _shares(names: Sequence[str], shares: npt.NDArray[np.float32]) -> dict[str, float]:
    return {f"p_{name}": float(str(share)) for name, share in zip(names, shares, strict=True)}  # float32's own digits


def _text(text: str) -> str:
    """What UTF-8 can hold of a file's name."""
    return text.encode("utf-8", "backslashreplace").decode()


def _shown(records: Sequence[Record], labelled: Sequence[str], has_classes: bool, room: int) -> RenderableType:
    """A table where names and words fit whole into so many columns of the terminal, lines elsewhere; an error stands
    where the prediction would."""
    of_several = any("input" in record for record in records)
    names = (*(["input"] if of_several else []), "sample", "prediction", *(["%"] if has_classes else []))
    names = (*names, *(["label"] if labelled else []))
    rows = [_cells(record, names, labelled) for record in records]
    shortest = {
        name: max(map(cell_len, [name, *(word for row in rows for word in _kept(name, row[name]))])) for name in names
    }
    if sum(shortest.values()) + 3 * len(names) + 1 > room:
        return Group(*(line for row in rows for line in _lines(row, room)))
    table = Table()
    for name in names:
        is_whole = name in (*_WHOLE, "%")
        table.add_column(
            name,
            justify="right" if name == "%" else "left",
            no_wrap=is_whole,
            min_width=shortest[name],
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row.values())
    return table


def _cells(record: Record, names: Sequence[str], labelled: Sequence[str]) -> dict[str, str]:
    """Column -> a record's cell."""
    error = record["error"]
    made = {
        "input": str(record.get("input", "")),
        "sample": record["id"],
        "prediction": f"– {error}" if error else _prediction(record),
        "%": "" if error else "\n".join(f"{100 * share:.1f}" for share in _ranked(record, "probability")),
        "label": _labels(record, labelled),
    }
    return {name: made[name] for name in names}


def _kept(name: str, cell: str) -> list[str]:
    """What of a cell is not to be broken: a file's name, the lines of several, and words that are no error's."""
    if name in _WHOLE or "\n" in cell:
        return cell.split("\n")
    return [] if cell.startswith("– ") else cell.split()


def _lines(row: Mapping[str, str], room: int) -> Iterator[RenderableType]:
    """A sample's name, broken between folders where it has to be, and below it what is said of it."""
    names = [row[name] for name in _WHOLE if name in row]
    together = ", ".join(names)
    for name in [together] if cell_len(together) <= room else names:
        yield from _folded(name, room)
    first, *rest = [row["prediction"]]
    if row.get("%"):
        ranked = zip(row["prediction"].split("\n"), row["%"].split("\n"), strict=True)
        first, *rest = (f"{name}, {share} %" for name, share in ranked)
    label = f"; label {row['label']}" if row.get("label") else ""
    yield from (Padding(line, (0, 0, 0, 2), expand=False) for line in (f"{first}{label}", *rest))


def _folded(path: str, room: int) -> list[str]:
    """The path in lines of at most so many letters if its parts have no more."""
    lines = [""]
    for part in re.findall(r"[^/]*/|[^/]+", path):
        if lines[-1] and cell_len(lines[-1]) + cell_len(part) > room:
            lines.append("")
        lines[-1] += part
    return lines


def _labels(record: Record, labelled: Sequence[str]) -> str:
    """Its labels in one cell, those of several columns after their names."""
    filled = {name: str(record[name]) for name in labelled if record[name]}
    called = {name: "" if name == LABEL else f"{name.removeprefix(LABEL_PREFIX)} " for name in filled}
    return ", ".join(f"{called[name]}{cell}" for name, cell in filled.items())


def _ranked(record: Record, what: str) -> list[Any]:
    """`prediction` or `probability` of a class and of those that --top asks for beside it; none where there is none."""
    asked = itertools.takewhile(record.__contains__, (f"{what}_{rank}" for rank in itertools.count(2)))
    return [record[name] for name in (what, *asked) if name in record]


def _prediction(record: Record) -> str:
    """What was predicted, in one cell: of --top a line for each class; of several numbers one after the other."""
    if "prediction" in record:
        classes = _ranked(record, "prediction") if "probability" in record else [record["prediction"]]
        return "\n".join(printable_line(_text_of(name)) for name in classes)
    return ", ".join(_text_of(value) for name, value in record.items() if name.startswith("prediction_"))


def _text_of(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
