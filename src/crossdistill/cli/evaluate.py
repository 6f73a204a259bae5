"""`crossdistill evaluate`: measure a finished run's model again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from crossdistill.cli.progress import console
from crossdistill.runs.folder import read_results
from crossdistill.runs.measure import results
from crossdistill.runs.run import load_trained
from crossdistill.types import NAMES


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
    built = load_trained(folder)
    recipe, dataset, method = built.recipe, built.dataset, built.method
    stored = read_results(folder)
    again = results(recipe, dataset, method, stored["seconds"], torch.device("cpu"))
    table = Table(title=f"{folder}: {len(dataset.rows(recipe.data.evaluate_on))} {recipe.data.evaluate_on} samples")
    for column in ("", "top-1", "WA", "UA", "R@1", "R@5"):
        table.add_column(column, justify="left" if not column else "right")
    views = [NAMES[view] for view in method.predicts if NAMES[view] in again]
    for view in views:
        table.add_row(view, *(f"{100 * again[view][key]:.1f} %" for key in ("top1", "wa", "ua", "r1", "r5")))
    console().print(table)
    same = all(again[view]["confusion"] == stored.get(view, {}).get("confusion") for view in views)
    console().print("The same predictions as when it was trained." if same else "Not the predictions of its training.")
    return 0
