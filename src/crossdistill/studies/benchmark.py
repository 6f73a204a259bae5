"""The evidence study: the same comparison on every data set and label budget, in one folder and one table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from crossdistill.atomic import written_whole
from crossdistill.extras import needed_for
from crossdistill.listening import Listener, reported
from crossdistill.methods import METHODS
from crossdistill.models.storage import REST, STUDENT
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.benchmark import ALWAYS, SETS, Setting, deciding_controls
from crossdistill.runs.data import load_dataset
from crossdistill.runs.folder import RESULTS, read_recipe, require_usable
from crossdistill.runs.jobs import Executor, Failure
from crossdistill.runs.lock import locked
from crossdistill.studies.compare import TABLE, Compared, compare, known_folds
from crossdistill.studies.kept import of_other_data
from crossdistill.studies.passed_on import Within
from crossdistill.studies.plan import configurations, plan
from crossdistill.studies.record import Record, kept_record, read_record, write_record
from crossdistill.studies.table import row_of, write_table
from crossdistill.studies.tune import tune
from crossdistill.studies.workers import require_guarded
from crossdistill.types import InputError, cause

SETTINGS = "settings"
"""The task of which each setting is a step."""
TUNING_SEEDS = 3
"""Validation splits over which a trial is averaged."""


@dataclass(frozen=True)
class Asked:
    """What is compared in every setting.

    methods: `baseline` and `teacher` are always among them; ablations: also those of AMID and AMID-U, where these are;
    controls: also AMID-U and AMID with auxiliary inputs that cannot help; seeds: runs of each configuration; where
    whole groups are labelled the first `seeds` folds, each tested by as many seeds as are left; trials: of tuning on
    validation samples, for each method of each setting, before, all on the data's own split; 0 for the recipes as they
    stand; weights: keep the trained models, some 10 MB a run
    """

    methods: tuple[str, ...]
    ablations: bool = False
    controls: bool = False
    seeds: int = 10
    trials: int = 0
    weights: bool = False


@dataclass(frozen=True)
class Benchmarked:
    """What came of it. table: a row for each finished run of the folder, None where there is none; skipped: data set ->
    why; failures: run's or setting's folder -> why."""

    table: pd.DataFrame | None
    skipped: Mapping[str, str]
    failures: Mapping[Path, Failure]


def benchmark(
    settings: Sequence[Setting],
    asked: Asked,
    out: Path,
    command: str = "",
    listener: Listener = Listener(),
    executor: Executor | None = None,
) -> Benchmarked:
    """Compare in each setting, in `out`/SET/BUDGET, what has not been done yet.

    Writes `out`/results.parquet, the rows of all settings that the folder holds, and `out`/benchmark.json after each
    setting. A setting that cannot be run does not stop the others; data that are not prepared are left out and said.
    command: what asked for it, to be kept; executor: as of `compare` and `tune`. Raises InputError where none of
    the settings has its data, or another process is at it in `out`.
    """
    require_guarded()
    _require_possible(asked)
    ready, skipped = _with_data(settings)
    for reason in skipped.values():
        listener.say(f"Left out: {reason}")
    if not ready:
        raise InputError(f"no data set of the study is there: {'; '.join(skipped.values()) or 'none was asked for'}")
    failures: dict[Path, Failure] = {}
    table = None
    _require_alike(ready, asked.trials, out)
    with locked(out, "benchmark", listener.say), reported(listener, SETTINGS, len(ready)):
        for number, setting in enumerate(ready, 1):
            name = f"{number}/{len(ready)} {setting.recipe.name}, {setting.words}"
            folder = out / setting.folder
            try:
                compared = _compare(setting, asked, folder, Within(listener, name), executor)
                failures |= compared.failures
                listener.say(f"{name}: {_told(compared)}")
            except InputError as error:
                failures[folder] = Failure(str(error), mistake=True)
                listener.say(f"{name}: {error}")
            table = gather(settings, out)
            _keep_record(out, command, ready[:number], asked.trials, skipped, failures)
            listener.step(SETTINGS)
    return Benchmarked(table, skipped, failures)


def gather(settings: Sequence[Setting], out: Path) -> pd.DataFrame | None:
    """The rows of every setting's table that the folder holds, also written to `out`/results.parquet; None where there
    is none. Before the columns of a comparison: set, and budget in words."""
    tables = []
    for path, name, words in _places(settings, out):
        if path.is_file():
            tables.append(pd.read_parquet(path))
            tables[-1].insert(0, "budget", words)
            tables[-1].insert(0, "set", name)
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    with written_whole(out / TABLE) as file:
        table.to_parquet(file, index=False)
    return table


def read_study(folder: Path) -> tuple[pd.DataFrame, Record]:
    """The table and the record of a study's folder, or of a copy of the two files. Raises InputError."""
    try:
        return pd.read_parquet(folder / TABLE), read_record(folder)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / TABLE}: cannot be read: {cause(error)[:200]}") from error


def _require_possible(asked: Asked) -> None:
    for option, number, least in (("seeds", asked.seeds, 1), ("trials", asked.trials, 0)):
        if number < least:
            raise InputError(f"--{option}: expected at least {least}, found {number}")
    if asked.trials:
        with needed_for("--trials: tuning"):
            import optuna  # noqa: F401


def _require_alike(settings: Sequence[Setting], trials: int, out: Path) -> None:
    """Raise InputError where a setting of the folder was tuned and is not to be now, or the reverse."""
    before = kept_record(out).trials
    for setting in settings:
        place = setting.folder.as_posix()
        if place in before and bool(before[place]) != bool(trials):
            was = f"was tuned with --trials {before[place]}" if before[place] else "was not tuned"
            raise InputError(f"{out / place}: {was}, now --trials is {trials}; give the same or another --out")


def _with_data(settings: Sequence[Setting]) -> tuple[list[Setting], dict[str, str]]:
    """The settings whose data can be read, and for each other data set why not."""
    reasons = {setting.recipe.name: "" for setting in settings}
    for name in reasons:
        setting = next(setting for setting in settings if setting.recipe.name == name)
        try:
            load_dataset(setting.recipe.data)
        except InputError as error:
            missing = setting.prepare and not Path(setting.recipe.data.source).exists()
            reasons[name] = f"{name}: {'not prepared' if missing else error}; `{setting.prepare}` makes it"
    ready = [setting for setting in settings if not reasons[setting.recipe.name]]
    return ready, {name: reason for name, reason in reasons.items() if reason}


def _compare(setting: Setting, asked: Asked, folder: Path, listener: Listener, executor: Executor | None) -> Compared:
    methods = (*ALWAYS, *(method for method in asked.methods if method not in ALWAYS))
    recipe = setting.recipe
    if asked.trials:
        recipe = tune(recipe, methods, asked.trials, TUNING_SEEDS, folder, listener=listener, executor=executor)
    recipes = configurations(recipe, methods, with_ablations=asked.ablations)
    recipes += deciding_controls(recipe, methods) if asked.controls else []
    # tuned settings know the people of the data's own training split, who must not be tested then
    folds = known_folds(recipe)[: asked.seeds] if setting.budget.groups and not asked.trials else []
    seeds = asked.seeds // max(1, len(folds))
    now = plan(recipes, seeds, folds)
    finished = sorted(path.parent for path in folder.glob(f"*/{RESULTS}") if path.parent.name not in now)
    others = _of_this_study(finished, recipe, bool(asked.trials), now.values(), listener)
    compared = compare(recipes, folder, seeds=seeds, folds=folds, listener=listener, executor=executor)
    if not asked.weights:
        for run in compared.folders:
            (run / STUDENT).unlink(missing_ok=True)
            (run / REST).unlink(missing_ok=True)
    if not others or compared.table is None:
        return compared
    both = {**{run: read_recipe(run) for run in compared.folders}, **others}
    table = write_table([row_of(run, own) for run, own in both.items()], folder / TABLE)
    return replace(compared, table=table, folders=tuple(both))


def _of_this_study(
    finished: Sequence[Path], recipe: Recipe, tuned: bool, asked: Iterable[Recipe], listener: Listener
) -> dict[Path, Recipe]:
    """A setting's finished runs that were asked for before and are not now, such as other methods' or seeds', with
    their recipes: they stay in its table. Those of another recipe or of other data, and configurations that lack a
    seed or fold of those that are asked for, are left out and said: beside these their numbers would tell nothing."""
    if finished and tuned:  # what was chosen for methods that are not asked for now is not known
        listener.say(f"{finished[0].parent}: {len(finished)} finished runs that were not asked for are left out")
    if not finished or tuned:
        return {}
    methods = list(METHODS)
    every = [*configurations(recipe, methods, with_ablations=True), *deciding_controls(recipe, methods)]
    known = {each.label or each.method: each for each in every}
    kept: dict[Path, Recipe] = {}
    refused: dict[Path, str] = {}
    for run in finished:
        try:
            kept[run] = _as_asked(run, known)
        except InputError as error:
            refused[run] = str(error)
    refused |= dict(of_other_data(kept))
    for run, why in refused.items():
        kept.pop(run, None)
        listener.say(f"{run}: left out: {why}")
    wanted, there = _replicates(asked), _replicates(kept.values())
    every_replicate = set().union(*wanted.values())
    partial = sorted(label for label in there if label not in wanted and every_replicate - there[label])
    for label in partial:
        listener.say(f"{finished[0].parent}: {label} is left out, of which some of the seeds or folds are not finished")
    return {run: own for run, own in kept.items() if (own.label or own.method) not in partial}


def _replicates(recipes: Iterable[Recipe]) -> dict[str, set[tuple[int, int]]]:
    """Label -> the folds and seeds of its recipes."""
    found: dict[str, set[tuple[int, int]]] = {}
    for each in recipes:
        found.setdefault(each.label or each.method, set()).add((each.data.fold, each.seed))
    return found


def _as_asked(run: Path, known: Mapping[str, Recipe]) -> Recipe:
    """The recipe that this study would have for a finished run. Raises InputError where it has none, or another."""
    own = read_recipe(run)
    if (label := own.label or own.method) not in known:
        raise InputError(f"this study has no configuration {label!r}")
    folds = [own.data.fold] if own.data.fold >= 0 else []
    [expected] = plan([replace(known[label], seed=own.seed)], 1, folds).values()
    require_usable(expected, run, resume=True)
    return expected


def _places(settings: Sequence[Setting], out: Path) -> Iterator[tuple[Path, str, str]]:
    """(a setting's table, the data set's name, the budget in words): those of the study, then others that are given."""
    known = {Path(each.name) / budget.folder: budget.words(each.group) for each in SETS for budget in each.budgets}
    known |= {setting.folder: setting.words for setting in settings}
    for folder, words in known.items():
        yield out / folder / TABLE, folder.parts[0], words


def _told(compared: Compared) -> str:
    """How many runs there are, and the student's mean accuracy of a few methods."""
    failed = f", {len(compared.failures)} failed" if compared.failures else ""
    if compared.table is None:
        return f"no run finished{failed}"
    means = compared.table.groupby("label", sort=False)["student_top1"].mean().dropna()
    shown = [f"{label} {100 * mean:.1f} %" for label, mean in means.items() if label in ("baseline", "amid", "amid_u")]
    return f"{len(compared.folders)} runs{failed}" + (f"; {', '.join(shown)}" if shown else "")


def _keep_record(
    out: Path,
    command: str,
    done: Sequence[Setting],
    trials: int,
    skipped: Mapping[str, str],
    failures: Mapping[Path, Failure],
) -> None:
    """What this command did, and what is left of earlier ones in the settings that it has not come to."""
    before = kept_record(out)
    folders = {setting.folder.as_posix() for setting in done}
    there = {path.parts[-3] for path in out.glob(f"*/*/{TABLE}")}
    failed = {path.relative_to(out).as_posix(): failure.message for path, failure in failures.items()}
    record = Record(
        before.commands + (() if command in ("", *before.commands) else (command,)),
        {**dict.fromkeys(sorted(folders), trials), **before.trials},  # runs that are kept were tuned as they were
        {name: why for name, why in {**before.skipped, **skipped}.items() if name not in there},
        {place: why for place, why in before.failed.items() if not _lies_in(place, folders)} | failed,
    )
    write_record(record, out)


def _lies_in(place: str, folders: Collection[str]) -> bool:
    return "/".join(place.split("/")[:2]) in folders
