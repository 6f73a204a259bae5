"""The study's table of runs as typed values: settings, and in each its configurations."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from crossdistill.evaluation.significance import mean_ci
from crossdistill.recipes.variants.benchmark import source_of
from crossdistill.reports.units import study_units, unit_means
from crossdistill.types import InputError, Role

Level = Literal["few", "between", "all"]
"""How many labels a setting has: at most a quarter, more than that, all."""
Measure = Literal["student", "teacher", "auxiliary", "R@1", "gap"]
Replicate = tuple[int, int]
"""Fold, -1 for a set's own split, and seed: what runs of different configurations share that are a pair."""
_COLUMNS: Mapping[Measure, str] = {
    "student": "student_top1",
    "teacher": "teacher_top1",
    "auxiliary": "auxiliary_top1",
    "R@1": "student_r1",
    "gap": "gap",
}
Span = tuple[int, int]
"""The least and the most."""
GROUPS = "labelled_groups"
"""The column that says which groups kept their labels; tables from before there was one lack it, or cells of it."""
FEW = 25
"""Most labels, in % of the training samples, that count as few."""


@dataclass(frozen=True)
class Configuration:
    """What is told apart within a setting. values: measure -> replicate -> fraction, of the runs that have it; units:
    as the setting's."""

    label: str
    method: str
    role: Role
    runs: int
    values: Mapping[Measure, Mapping[Replicate, float]]
    units: Mapping[Replicate, Hashable]

    def mean(self, measure: Measure = "student", over: Collection[Replicate] | None = None) -> tuple[float, float]:
        """Mean over the independent units and the half width of its 95 % interval, NaN where there is none.

        over: those of the replicates that count, all unless given
        """
        values = {each: value for each, value in self.values[measure].items() if over is None or each in over}
        means = unit_means([self.units[replicate] for replicate in values], list(values.values()))
        return mean_ci(means) if means else (math.nan, math.nan)


@dataclass(frozen=True)
class Setting:
    """A data set with a label budget.

    budget: in words; classes: how many; train, labelled, unlabelled, evaluated: fewest and most samples, which differ
    where replicates label or test others; share: of the training samples that are labelled, mean; units: replicate ->
    what those share that are no independent repetitions, a fold that is tested in turn or the groups that are labelled,
    its own where none were drawn; configurations: label -> configuration, as they were run; left_out: replicates that
    some configuration lacks, where folds are tested; lost: runs that measured nothing where others of their
    configuration did, in words
    """

    name: str
    budget: str
    target: str
    auxiliary: str
    classes: int
    train: Span
    labelled: Span
    unlabelled: Span
    evaluated: Span
    share: float
    units: Mapping[Replicate, Hashable]
    configurations: Mapping[str, Configuration]
    left_out: tuple[Replicate, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}, {self.budget}"

    @property
    def source(self) -> str:
        """Settings of one source are no independent data sets: they share samples."""
        return source_of(self.name)

    @property
    def folds(self) -> int:
        """How many are tested in turn, 0 for the set's own split."""
        return len({fold for fold, _ in self.units if fold >= 0})

    @property
    def level(self) -> Level:
        if self.share == 1:
            return "all"
        return "few" if round(100 * self.share) <= FEW else "between"


def common_replicates(*values: Collection[Replicate]) -> frozenset[Replicate]:
    """Those that each of these measurements was made in: means over others are of other labels, splits or seeds."""
    return frozenset[Replicate].intersection(*map(frozenset, values))


def paired_mean(first: Configuration, second: Configuration, *over: Collection[Replicate]) -> float:
    """By how much the first one's students are better than the second one's, over the replicates that both have, and
    each of `over`; over each one's own where there are none."""
    common = common_replicates(first.values["student"], second.values["student"], *over) or None
    return first.mean(over=common)[0] - second.mean(over=common)[0]


def standing(setting: Setting, label: str, *over: Collection[Replicate]) -> float:
    """What a configuration's students are ranked by: their mean gain over the student alone, as the page shows it, so
    that one with fewer runs is held against the same ones; their mean where there is no student alone. over: replicates
    that count, where not all do."""
    made, alone = setting.configurations[label], setting.configurations.get("baseline")
    if alone is not None and alone.values["student"]:
        return paired_mean(made, alone, *over)
    return made.mean(over=common_replicates(made.values["student"], *over))[0]


def settings_of(table: pd.DataFrame) -> list[Setting]:
    """The settings in the order of the table. Raises InputError for a column that is missing, a run that is twice and a
    value that none can have."""
    needed = ["set", "budget", "label", "role", "method", "seed", "target", "auxiliary", "classes", "train", "labelled",
              "evaluated", *_COLUMNS.values()]  # fmt: skip
    if missing := [name for name in needed if name not in table.columns]:
        raise InputError(f"the benchmark's table: expected a column {missing[0]}; run the benchmark again")
    table = table.assign(fold=table["fold"].fillna(-1) if "fold" in table.columns else -1)
    _require_possible(table)
    if len(twice := table[table.duplicated(["set", "budget", "label", "fold", "seed"])]):
        row = twice.iloc[0]
        raise InputError(
            f"the benchmark's table: two runs of {row.label} {_named(row.fold, row.seed)} on {row.set}, {row.budget}"
        )
    groups = table.groupby(["set", "budget"], sort=False)
    return [_setting(str(name), str(budget), rows) for (name, budget), rows in groups]


def _require_possible(table: pd.DataFrame) -> None:
    """Raise InputError for a table without runs, and for one that no study writes."""
    if table.empty:
        raise InputError("the benchmark's table: expected at least one run, found none")
    for name in ("seed", "fold", "classes", "train", "labelled", "evaluated"):
        if len(odd := table[~(table[name] >= (-1 if name == "fold" else 0)) | np.isinf(table[name])]):
            raise InputError(
                f"the benchmark's table: {_place(odd)}: expected a number as {name}, found {odd[name].iloc[0]}"
            )
    for measure, column in _COLUMNS.items():
        least = -1 if measure == "gap" else 0
        if len(odd := table[~table[column].between(least, 1) & table[column].notna()]):
            raise InputError(
                f"the benchmark's table: {_place(odd)}: expected {column} within {least} and 1, found "
                f"{odd[column].iloc[0]:g}"
            )
    if len(odd := table[table.groupby(["set", "budget", "label"]).method.transform("nunique") > 1]):
        raise InputError(f"the benchmark's table: {_place(odd)}: expected one method of this label, found several")


def _place(rows: pd.DataFrame) -> str:
    first: Any = rows.iloc[0]
    return f"{first.label} on {first['set']}, {first.budget}"


def _setting(name: str, budget: str, rows: pd.DataFrame) -> Setting:
    everything = set(_replicates(rows))
    lost = _measured_nothing(rows)
    without, rows = rows[lost], _of_common_folds(rows[~lost])
    first: Any = rows.iloc[0]
    units = _units(rows)
    return Setting(
        name=name,
        budget=budget,
        target=str(first.target).replace(" + ", " and "),
        auxiliary=str(first.auxiliary).replace(" + ", " and "),
        classes=int(first.classes),
        train=_span(rows.train),
        labelled=_span(rows.labelled),
        unlabelled=_span(rows.train - rows.labelled),
        evaluated=_span(rows.evaluated),
        share=float((rows.labelled / rows.train).mean()),
        units=units,
        configurations={str(label): _configuration(own, units) for label, own in rows.groupby("label", sort=False)},
        left_out=tuple(sorted(everything - units.keys())),
        lost=tuple(f"{label} {_named(*each)}" for label, each in zip(without.label, _replicates(without), strict=True)),
    )


def _measured_nothing(rows: pd.DataFrame) -> pd.Series:
    """Which runs have no student, or no teacher, where others of their configuration have one: they are as good as not
    there, and not to be averaged away."""
    lost = pd.Series(False, index=rows.index)
    for name in (_COLUMNS["student"], _COLUMNS["teacher"]):
        has = rows[name].notna()
        lost |= ~has & has.groupby(rows.label).transform("any")
    return lost


def _of_common_folds(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the folds that some configuration lacks: folds differ more than methods do, so means are over the same
    ones. Raises InputError where none is left."""
    if not (rows.fold >= 0).any():
        return rows
    having = rows.groupby(["fold", "seed"]).label.transform("nunique")
    if not (common := having == rows.label.nunique()).any():
        raise InputError(
            f"the benchmark's table: no fold of {rows.iloc[0]['set']}, {rows.iloc[0].budget} has runs of every "
            "configuration; run the benchmark again with all its methods"
        )
    return rows[common]


def _span(counts: pd.Series) -> Span:
    return int(counts.min()), int(counts.max())


def _replicates(rows: pd.DataFrame) -> list[Replicate]:
    return list(zip(rows.fold.astype(int), rows.seed.astype(int), strict=True))


def _named(fold: int, seed: int) -> str:
    return f"fold {fold} seed {seed}" if fold >= 0 else f"seed {seed}"


def _units(rows: pd.DataFrame) -> dict[Replicate, Hashable]:
    """Raises InputError where runs of one replicate label different groups, or some do not say which: no pairs."""
    named = rows[GROUPS].fillna("").astype(str) if GROUPS in rows.columns else [""] * len(rows)
    labelled: dict[Replicate, str] = {}
    for replicate, groups in zip(_replicates(rows), named, strict=True):
        if (before := labelled.setdefault(replicate, groups)) != groups:
            raise InputError(
                f"the benchmark's table: runs of {_named(*replicate)} on {rows.iloc[0]['set']}, {rows.iloc[0].budget} "
                f"label different groups, {before or 'unknown ones'} and {groups or 'unknown ones'}; take the older "
                "ones away and run the benchmark again"
            )
    return study_units(labelled)


def _configuration(rows: pd.DataFrame, units: Mapping[Replicate, Hashable]) -> Configuration:
    first: Any = rows.iloc[0]
    values: dict[Measure, Mapping[Replicate, float]] = {}
    for measure, column in _COLUMNS.items():
        measured = rows[rows[column].notna()]
        values[measure] = dict(zip(_replicates(measured), measured[column].astype(float), strict=True))
    return Configuration(str(first.label), str(first.method), first.role, len(rows), values, units)
