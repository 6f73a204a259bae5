"""Run folders read into typed values, checked so that every later step can rely on them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crossdistill.models.storage import CONFIG
from crossdistill.models.storage import read_json as json_in
from crossdistill.recipes.deciding import deciding
from crossdistill.reports.comparable import require_comparable, require_one_recipe, require_same_inputs
from crossdistill.reports.fields import field_at, number, read_json, read_text, read_yaml
from crossdistill.reports.formats import listed
from crossdistill.reports.units import study_units
from crossdistill.runs.folder import METRICS, RECIPE, RESULTS, WARNINGS
from crossdistill.runs.measure import fingerprint_in
from crossdistill.runs.results import AnyScores, RunResults, read_results, require_results_of
from crossdistill.types import InputError, Role, TaskKind

CHOOSE_EPOCH_ON = "data.choose_epoch_on"
_MOST_WARNED = 10**5
"""Characters that are read of a run's warnings."""
_MOST_EPOCHS = 10**9
"""More than any training has."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    label: the name of its configuration in comparisons; the method's name unless the recipe gives another
    role: what its configuration is; a run that does not say so is a method
    varied: the option or field that a variation sets, empty for all others; value: what to, NaN for no number
    scores: "student", "teacher", "auxiliary_alone" -> its scores; only the models that the method has, none where the
        run measured nothing
    records: of metrics.jsonl, one for each epoch of the method itself (pre-training stages are left out)
    fold: of the recipe's data, -1 where there is none
    split, followed: what was measured in the end, and after each epoch; "none" where nothing was
    recipe: the text of recipe.yaml
    task: what was predicted; classes: the names of the classes, labels or numbers
    labelled_groups: that kept their labels, where labels were drawn by groups; drawn: whether they were, which a run
        from before their names were kept says alone
    in_turn: whether runs that were read with it test other folds
    alone: whether its student learnt from labels alone, although its method teaches
    settings: what recipe.yaml holds; deciding: what of it repetitions of the run have in common
    data: the fingerprint of what it was trained and measured on, empty where it does not say
    warnings: what was said in training that its numbers hide
    absent: modalities that no measured sample has, empty where it does not say
    """

    folder: Path
    name: str
    method: str
    label: str
    role: Role
    varied: str
    value: float
    seed: int
    fold: int
    split: str
    followed: str
    classes: tuple[str, ...]
    samples: Mapping[str, int]
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    seconds: float
    versions: Mapping[str, str]
    scores: Mapping[str, AnyScores]
    records: tuple[Mapping[str, Any], ...]
    recipe: str
    task: TaskKind = "classification"
    labelled_groups: tuple[str, ...] = ()
    drawn: bool = False
    in_turn: bool = False
    alone: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    deciding: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Which run it is, where it lies and what was measured: not its records."""
        of_fold = f", fold {self.fold}" if self.fold >= 0 else ""
        measured = f"{', '.join(self.scores)} measured on {self.split}" if self.scores else "nothing measured"
        return f"Run({str(self.folder)!r}: {self.name!r}, {self.label}, seed {self.seed}{of_fold}; {measured})"

    @property
    def replicate(self) -> tuple[int, int]:
        """What runs of different configurations share when they may be compared as a pair: fold and seed."""
        return self.fold, self.seed

    @property
    def labels(self) -> str:
        """The groups that kept their labels as one text, empty where none were drawn."""
        return " + ".join(self.labelled_groups)


def load_runs(paths: Sequence[Path]) -> list[Run]:
    """Read finished runs that can be compared, in the order given.

    Runs that measured nothing are among them. Raises InputError when a folder is no finished run, a file in it cannot
    be read, runs were evaluated on different targets, classes, splits or data, two runs have the same label, seed and
    fold, or one label stands for two methods, roles, recipes or kinds of data.
    """
    if not paths:
        raise InputError("no run folders given; name at least one, e.g. runs/amid-0")
    runs = [_load(Path(path)) for path in paths]
    for label, own in configurations_of(runs).items():
        require_one_recipe(label, own)
    measured, _ = split_by_measured(runs)
    for label, own in configurations_of(measured).items():
        require_same_inputs(label, own)
    if measured:
        require_comparable(measured)
    in_turn = several_folds(runs)
    return [replace(run, in_turn=in_turn) for run in runs]


def configurations_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Label -> its runs; labels in the order of their first run."""
    configurations: dict[str, list[Run]] = {}
    for run in runs:
        configurations.setdefault(run.label, []).append(run)
    return configurations


def units_of(runs: Sequence[Run]) -> list[Hashable]:
    """What each run of one configuration shares with those that are no independent repetitions of it."""
    units = study_units({run.replicate: run.labels for run in runs}, any(run.in_turn for run in runs))
    return [units[run.replicate] for run in runs]


def repeated_units(runs: Sequence[Run]) -> bool:
    """Whether a configuration has runs that label the same groups, or test the same fold with others labelled, so that
    fewer units than runs are independent."""
    return any(len(set(units_of(own))) < len(own) for own in configurations_of(runs).values())


def alike(runs: Sequence[Run]) -> str:
    """What runs do that count as one, in words."""
    return "test the same fold" if several_folds(runs) else "label the same groups"


def several_folds(runs: Sequence[Run]) -> bool:
    """Whether these runs test different folds, so that a seed alone makes no pair."""
    return len({run.fold for run in runs}) > 1


def paired_by(runs: Sequence[Run]) -> str:
    """What runs of different configurations share that are a pair, in words."""
    return "fold and seed" if several_folds(runs) else "seed"


def split_by_measured(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """The runs that have scores, which tables and figures are made of, and those that measured nothing."""
    return [run for run in runs if run.scores], [run for run in runs if not run.scores]


def unmeasured_sentence(runs: Sequence[Run]) -> str:
    """Which of the runs measured nothing, so that no table has them; empty where all have scores."""
    _, unmeasured = split_by_measured(runs)
    if not unmeasured:
        return ""
    names, pronoun = listed([str(run.folder) for run in unmeasured]), "it" if len(unmeasured) == 1 else "them"
    return (
        f"Nothing was measured of {names} (data.evaluate_on is none, or no sample has what the method reads), so no "
        f"table or figure has {pronoun}."
    )


def _load(folder: Path) -> Run:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that `crossdistill train` wrote")
    for name in (RECIPE, METRICS, RESULTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: has no {name}, so this is no finished run; finish it or leave it out")
    recipe = read_text(folder / RECIPE)
    results = read_results(folder)
    settings = read_yaml(folder / RECIPE, recipe)
    of_recipe = [field_at(settings, field) for field in ("method", "seed", "data.fold")]
    if None not in of_recipe:  # recipes of 0.1 lack some
        require_results_of(folder, results, *of_recipe)
    varied = field_at(settings, "varied")
    return Run(
        folder=folder,
        name=results.name,
        method=results.method,
        label=results.label,
        role=results.role,
        varied=varied if isinstance(varied, str) else "",
        value=number(field_at(settings, varied)) if isinstance(varied, str) else math.nan,
        seed=results.seed,
        fold=results.fold,
        split=results.split,
        followed="validation" if field_at(settings, CHOOSE_EPOCH_ON) == "validation" else results.split,
        classes=results.classes,
        samples=results.samples,
        target=results.target,
        auxiliary=results.auxiliary,
        seconds=results.seconds,
        versions=results.versions,
        scores=results.scores,
        records=_records(folder / METRICS, results.method),
        recipe=recipe,
        task=results.task,
        labelled_groups=results.labelled_groups,
        drawn="labelled" in results.samples and field_at(settings, "data.labelled_groups") not in (None, 0),
        alone=_learnt_alone(results, settings),
        settings=settings if isinstance(settings, dict) else {},
        deciding=deciding(settings) if isinstance(settings, dict) else {},
        data=_fingerprint(folder),
        warnings=_warnings(folder / WARNINGS),
        absent=results.absent,
    )


def _warnings(path: Path) -> tuple[str, ...]:
    """The lines of a run's warnings.txt, of a large one the first; none where there is no such file, or none that can
    be read: the results do not depend on it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return tuple(line for line in file.read(_MOST_WARNED).splitlines() if line.strip())
    except OSError:
        return ()


def _fingerprint(folder: Path) -> dict[str, str]:
    """Of the run's data; empty where its config.json does not say or cannot be read, without which there is a page."""
    try:
        return fingerprint_in(json_in(folder / CONFIG))
    except InputError:
        return {}


def _learnt_alone(results: RunResults, settings: Any) -> bool:
    """As the results say; those of before did not, and AMID-U's student did where no sample lacked a label (runs count
    those that have one only where some lack it), unless `fading` was false."""
    if not math.isnan(results.teaching):
        return results.teaching == 0
    fades = field_at(settings, "options.amid_u.fading") is not False
    return results.method == "amid_u" and "labelled" not in results.samples and fades


def _records(path: Path, method: str) -> tuple[Mapping[str, Any], ...]:
    rows = [read_json(path, line, f" line {place}") for place, line in enumerate(read_text(path).splitlines(), 1)]
    if not all(isinstance(epoch := row.get("epoch"), int) and 0 <= epoch < _MOST_EPOCHS for row in rows):
        raise InputError(f"{path}: every line needs a whole number `epoch` from 0, at least one has none")
    # a resumed run may have logged an epoch twice: the later one counts
    return tuple({row["epoch"]: row for row in rows if row.get("stage") == method}.values())
