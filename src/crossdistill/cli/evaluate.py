"""`crossdistill evaluate`: measure a finished run's model again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.columns import Columns
from crossdistill.cli.progress import console
from crossdistill.data.constant_numbers import not_defined
from crossdistill.reports.formats import capitalised
from crossdistill.runs.evaluate import evaluate
from crossdistill.runs.results import RunResults, constant_in, read_results
from crossdistill.tasks import MEASURES


def parser(arguments: Sequence[str]) -> ArgumentParser:
    evaluate = ArgumentParser(
        prog="crossdistill evaluate",
        exit_on_error=False,
        allow_abbrev=False,
        description="Measure a finished run's model again, from its files.",
    )
    evaluate.add_argument("run", type=Path, help="run folder")
    return evaluate


def execute(options: Namespace, command: str) -> int:
    """Measure a finished run's saved model again, and say whether it still gives what results.json holds."""
    folder = options.run
    again = evaluate(folder)
    if not again.scores:
        reason = "its data.evaluate_on is none" if again.split == "none" else f"no {again.split} sample can be measured"
        console().print(f"{folder}: nothing to measure: {reason}", soft_wrap=True)
        return 0
    table = _scores_table(again, f"{folder}: {again.samples[again.split]} {again.split} samples")
    console().print(table.shown(console().width))
    constant = constant_in(again.scores, again.classes)
    if text := not_defined(constant, again.classes, f"{again.split} samples"):
        console().print(capitalised(f"{text}."), soft_wrap=True)
    same = _predictions_of(again) == _predictions_of(read_results(folder))
    console().print("The same predictions as when it was trained." if same else "Not the predictions of its training.")
    return 0


def _scores_table(results: RunResults, title: str) -> Columns:
    """A row for each view, its measures."""
    measures = MEASURES[results.task]
    table = Columns(("", *(measure.name for measure in measures)), ("",), title)
    for view, scores in results.scores.items():
        table.add(view, *(measure.shown(getattr(scores, measure.key)) for measure in measures))
    return table


def _predictions_of(results: RunResults) -> dict[str, Any]:
    """View -> how often each class was taken for which, or of other tasks the measures of each label or number."""
    return {
        view: {name: array.tolist() for name, (array, _) in scores.of_names().items() if name != "per_class"}
        for view, scores in results.scores.items()
    }
