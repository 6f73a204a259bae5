"""A comparison: configurations with the same seeds and folds, each run in a folder of its own, and a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crossdistill.listening import Listener, reported
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.data import load_dataset
from crossdistill.runs.folder import RECIPE, RESULTS, is_finished, require_usable
from crossdistill.runs.jobs import Executor, Failure, RunJob, write_tracebacks
from crossdistill.runs.lock import locked
from crossdistill.runs.results import tidy
from crossdistill.studies.comparable import require_comparable
from crossdistill.studies.kept import require_same_data
from crossdistill.studies.passed_on import SaidOnce
from crossdistill.studies.plan import RUNS, plan, require_runnable
from crossdistill.studies.table import Row, row_of, write_table
from crossdistill.studies.workers import LocalExecutor, require_guarded
from crossdistill.types import InputError

TABLE = "results.parquet"


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    table: a row for each finished run, as in results.parquet; None where nothing finished
    folders: of the finished runs, in order
    failures: folder -> why its run did not finish
    others: folders of finished runs beside them that were not asked for
    """

    table: pd.DataFrame | None
    folders: tuple[Path, ...]
    failures: Mapping[Path, Failure]
    others: tuple[Path, ...]


def compare(
    configurations: Sequence[Recipe],
    out: Path | str,
    *,
    seeds: int = 5,
    folds: Sequence[int] = (),
    jobs: int = 1,
    listener: Listener = Listener(),
    executor: Executor | None = None,
) -> Compared:
    """Run each configuration with each seed in a folder of `out`, where that has not been done yet.

    For the question which method is better, and whether that is sure. A run that fails does not stop the others. Writes
    `out`/results.parquet after each run, and crashes.txt with the tracebacks where any crashed.

    Args:
        configurations: recipes, told apart by their labels
        out: folder of the comparison
        seeds: runs of each configuration, all with the same seeds, from the first recipe's on
        folds: to be tested in turn, none for the recipes' own split
        jobs: runs at once, each in a process of its own, so a script needs `if __name__ == "__main__":` around what it
            does
        listener: hears of each run as a step, and of each run's epochs
        executor: what does the runs in the place of these processes, on a cluster (`SlurmExecutor`, `RayExecutor`)

    Raises:
        InputError: before any run, where the configurations cannot be compared, such as those measured on different
            samples, their data are not there, `out` holds runs of other recipes, or of other data where some are still
            to be run, or another process compares there; of a script without that line.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> from pathlib import Path
    >>> from crossdistill.data import write_manifest
    >>> y = np.arange(60) % 2
    >>> data = crossdistill.from_arrays({"wrist": np.eye(2)[y]}, y, splits=np.arange(60) >= 40)
    >>> folder = Path(tempfile.mkdtemp())
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=2, batch_size=8)
    >>> recipe = replace(recipe, data=replace(recipe.data, source=str(write_manifest(folder / "data", data))))
    >>> compared = crossdistill.compare([recipe], folder / "runs", seeds=2)
    >>> compared.table[["label", "seed", "student_top1"]]
          label  seed  student_top1
    0  baseline     0           1.0
    1  baseline     1           1.0
    """
    require_guarded()
    out = Path(out)
    executor = executor or LocalExecutor(jobs)
    if not configurations:
        raise InputError("expected at least one configuration to compare, found none")
    require_runnable(configurations)
    recipes = {out / name: recipe for name, recipe in plan(configurations, seeds, folds).items()}
    unfinished = {folder: recipe for folder, recipe in recipes.items() if not finished(recipe, folder)}
    if unfinished:  # data that are not there are one line, not one for each run
        _require_folds(configurations[0], folds)
        require_comparable(recipes.values())
        require_same_data({folder: recipe for folder, recipe in recipes.items() if folder not in unfinished})
    with locked(out, "comparison", listener.say):
        return _run_and_write(recipes, unfinished, out, executor, SaidOnce(listener))


def _run_and_write(
    recipes: Mapping[Path, Recipe],
    unfinished: Mapping[Path, Recipe],
    out: Path,
    executor: Executor,
    listener: Listener,
) -> Compared:
    rows = {folder: row_of(folder, recipe) for folder, recipe in recipes.items() if folder not in unfinished}
    for folder in rows:
        tidy(folder)
    table = _write(rows, recipes, out)
    failures: dict[Path, Failure] = {}
    runs = [RunJob(folder, recipe) for folder, recipe in unfinished.items()]
    with reported(listener, RUNS, len(recipes)), closing(executor.run_all(runs, listener)) as outcomes:
        _say_kept(listener, len(recipes), len(rows))
        for folder, failure in outcomes:
            if failure is not None:
                failures[folder] = failure
                continue
            rows[folder] = row_of(folder, recipes[folder])
            table = _write(rows, recipes, out)
            listener.step(RUNS)
    write_tracebacks(failures, out)
    others = {path.parent for path in out.glob(f"*/{RESULTS}")} - set(recipes)
    return Compared(table, tuple(folder for folder in recipes if folder in rows), failures, tuple(sorted(others)))


def finished(recipe: Recipe, folder: Path) -> bool:
    """Whether the folder holds the recipe's finished run. Raises InputError when it holds another recipe's."""
    if not (folder / RECIPE).is_file():
        return False
    require_usable(recipe, folder, resume=True)
    return is_finished(folder)


def known_folds(recipe: Recipe) -> list[int]:
    """The folds of the recipe's data."""
    return sorted({int(fold) for fold in load_dataset(recipe.data).folds if fold >= 0})


def _require_folds(recipe: Recipe, folds: Sequence[int]) -> None:
    """Raise InputError where the recipe's data are not there or lack a fold."""
    known = known_folds(recipe)
    if unknown := sorted(set(folds) - set(known)):
        has = ", ".join(map(str, known)) or "no folds"
        raise InputError(f"--folds: expected some of the data's folds, found {unknown[0]}; the data has {has}")


def _say_kept(listener: Listener, count: int, kept: int) -> None:
    if kept:
        listener.say(f"{count} runs, {kept} of them finished already")
    for _ in range(kept):
        listener.step(RUNS)


def _write(rows: Mapping[Path, Row], order: Iterable[Path], out: Path) -> pd.DataFrame | None:
    """Write the table of the runs that have finished, in order, and return it; None where there is none."""
    in_order = [rows[folder] for folder in order if folder in rows]
    return write_table(in_order, out / TABLE) if in_order else None
