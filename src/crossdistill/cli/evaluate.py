"""`crossdistill evaluate`: measure a finished run's model again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.columns import Columns
from crossdistill.cli.number_scores import numbers_table
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import Lines, console
from crossdistill.data.constant_numbers import not_defined
from crossdistill.reports.formats import capitalised
from crossdistill.reports.wording import not_measured
from crossdistill.runs.evaluate import evaluate
from crossdistill.runs.results import NumberScores, RunResults, constant_in, read_results, unmeasured_views
from crossdistill.tasks import measures_of


def parser(arguments: Sequence[str]) -> ArgumentParser:
    evaluate = command_parser(
        "evaluate",
        "Measure a finished run's model again, from its files.",
    )
    evaluate.add_argument("run", type=Path, help="run folder")
    evaluate.add_argument("--data.source", default="", help="where the run's data are now, if they have moved")
    return evaluate


def execute(options: Namespace, command: str) -> int:
    """Measure a finished run's saved model again, and say whether it still gives what results.json holds."""
    folder = options.run
    again = evaluate(folder, source=options.data.source, listener=Lines())
    if not again.scores:
        reason = "its data.evaluate_on is none" if again.split == "none" else f"no {again.split} sample can be measured"
        console().print(f"{folder}: nothing to measure: {reason}", soft_wrap=True)
        return 0
    console().print(_scores_table(again, folder).shown(console().width))
    known = {view: scores for view, scores in again.scores.items() if isinstance(scores, NumberScores)}
    if (numbers := numbers_table(again.classes, known)) is not None:
        console().print(numbers.shown(console().width))
    constant = constant_in(again.scores, again.classes)
    if text := not_defined(constant, again.classes, f"{again.split} samples"):
        console().print(capitalised(f"{text}."), soft_wrap=True)
    if views := unmeasured_views(again.method, again.scores):
        sentence = not_measured(views, again.split, (*again.target, *again.auxiliary), again.absent)
        console().print(capitalised(f"{sentence}."), soft_wrap=True)
    same = _same_predictions(again, read_results(folder))
    console().print("The same predictions as when it was trained." if same else "Not the predictions of its training.")
    return 0


def _scores_table(results: RunResults, folder: Path) -> Columns:
    """A row for each view, its measures, and on how many samples where some view was not measured on all."""
    measures, held = measures_of(results.task, len(results.classes)), results.samples[results.split]
    counts = {view: scores.measured for view, scores in results.scores.items()}
    on_all = set(counts.values()) == {held}
    names = ("", *(measure.name for measure in measures), *([] if on_all else ["samples"]))
    table = Columns(names, ("",), f"{folder}: {held:,} {results.split} samples")
    for view, scores in results.scores.items():
        cells = [measure.shown(getattr(scores, measure.key)) for measure in measures]
        table.add(view, *cells, *([] if on_all else [f"{counts[view]:,} of {held:,}"]))
    return table


def _same_predictions(one: RunResults, other: RunResults) -> bool:
    """Whether in each view each class was taken for which as often or, of other tasks, each label's or number's measure
    is the same; one that is not defined is as another that is not."""
    first, second = _predictions_of(one), _predictions_of(other)
    return first.keys() == second.keys() and all(
        np.array_equal(array, second[key], equal_nan=array.dtype.kind == "f") for key, array in first.items()
    )


def _predictions_of(results: RunResults) -> dict[tuple[str, str], npt.NDArray[Any]]:
    """View and measure -> how often each class was taken for which, or the measures of each label or number."""
    return {
        (view, name): array
        for view, scores in results.scores.items()
        for name, (array, _) in scores.of_names().items()
        if name != "per_class" and not name.startswith("per_number_")  # which results of before do not have
    }
