"""The study's table of runs as typed values: settings, and in each its configurations."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from crossdistill.evaluation.significance import mean_ci
from crossdistill.recipes.variants.benchmark import source_of
from crossdistill.reports.units import unit_means, unit_of
from crossdistill.types import InputError, Role

Level = Literal["few", "between", "all"]
"""How many labels a setting has: at most a quarter, more than that, all."""
Measure = Literal["student", "teacher", "R@1", "gap"]
_COLUMNS: Mapping[Measure, str] = {
    "student": "student_top1",
    "teacher": "teacher_top1",
    "R@1": "student_r1",
    "gap": "gap",
}
GROUPS = "labelled_groups"
"""The column that says which groups kept their labels; tables from before there was one lack it, or cells of it."""
FEW = 25
"""Most labels, in % of the training samples, that count as few."""


@dataclass(frozen=True)
class Configuration:
    """What is told apart within a setting. values: measure -> seed -> fraction, of the runs that have it; units: as the
    setting's."""

    label: str
    method: str
    role: Role
    runs: int
    values: Mapping[Measure, Mapping[int, float]]
    units: Mapping[int, Hashable]

    def mean(self, measure: Measure = "student") -> tuple[float, float]:
        """Mean over the independent units and the half width of its 95 % interval, NaN where there is none."""
        values = self.values[measure]
        means = unit_means([self.units[seed] for seed in values], list(values.values()))
        return mean_ci(means) if means else (math.nan, math.nan)


@dataclass(frozen=True)
class Setting:
    """A data set with a label budget.

    budget: in words; train, evaluated, classes: how many; labelled: fewest and most over the seeds, which draw others;
    share: of the training samples that are labelled, mean; units: seed -> what seeds share that label the same groups,
    the seed's own where none were drawn; configurations: label -> configuration, as they were run
    """

    name: str
    budget: str
    target: str
    auxiliary: str
    classes: int
    train: int
    evaluated: int
    labelled: tuple[int, int]
    share: float
    units: Mapping[int, Hashable]
    configurations: Mapping[str, Configuration]

    @property
    def key(self) -> str:
        return f"{self.name}, {self.budget}"

    @property
    def source(self) -> str:
        """Settings of one source are no independent data sets: they share samples."""
        return source_of(self.name)

    @property
    def level(self) -> Level:
        if self.share == 1:
            return "all"
        return "few" if round(100 * self.share) <= FEW else "between"


def settings_of(table: pd.DataFrame) -> list[Setting]:
    """The settings in the order of the table. Raises InputError for a column that is missing or a run that is twice."""
    needed = ["set", "budget", "label", "role", "method", "seed", "target", "auxiliary", "classes", "train", "labelled",
              "evaluated", *_COLUMNS.values()]  # fmt: skip
    if missing := [name for name in needed if name not in table.columns]:
        raise InputError(f"the benchmark's table: expected a column {missing[0]}; run the benchmark again")
    if len(twice := table[table.duplicated(["set", "budget", "label", "seed"])]):
        row = twice.iloc[0]
        raise InputError(f"the benchmark's table: two runs of {row.label} seed {row.seed} on {row.set}, {row.budget}")
    groups = table.groupby(["set", "budget"], sort=False)
    return [_setting(str(name), str(budget), rows) for (name, budget), rows in groups]


def _setting(name: str, budget: str, rows: pd.DataFrame) -> Setting:
    first: Any = rows.iloc[0]
    units = _units(rows)
    return Setting(
        name=name,
        budget=budget,
        target=str(first.target).replace(" + ", " and "),
        auxiliary=str(first.auxiliary).replace(" + ", " and "),
        classes=int(first.classes),
        train=int(first.train),
        evaluated=int(first.evaluated),
        labelled=(int(rows.labelled.min()), int(rows.labelled.max())),
        share=float((rows.labelled / rows.train).mean()),
        units=units,
        configurations={str(label): _configuration(own, units) for label, own in rows.groupby("label", sort=False)},
    )


def _units(rows: pd.DataFrame) -> dict[int, Hashable]:
    """Raises InputError where runs of one seed label different groups: they are no pairs."""
    labelled = dict.fromkeys(rows.seed.astype(int), "")
    if GROUPS not in rows.columns:
        return {seed: unit_of(seed, -1) for seed in labelled}
    for seed, groups in zip(rows.seed.astype(int), rows[GROUPS].fillna("").astype(str), strict=True):
        if groups and labelled[seed] not in ("", groups):
            raise InputError(
                f"the benchmark's table: runs of seed {seed} on {rows.iloc[0]['set']}, {rows.iloc[0].budget} label "
                f"different groups, {labelled[seed]} and {groups}; take the older ones away and run the benchmark again"
            )
        labelled[seed] = groups or labelled[seed]
    return {seed: unit_of(seed, -1, groups) for seed, groups in labelled.items()}


def _configuration(rows: pd.DataFrame, units: Mapping[int, Hashable]) -> Configuration:
    first: Any = rows.iloc[0]
    values: dict[Measure, Mapping[int, float]] = {}
    for measure, column in _COLUMNS.items():
        measured = rows[rows[column].notna()]
        values[measure] = dict(zip(measured.seed.astype(int), measured[column].astype(float), strict=True))
    return Configuration(str(first.label), str(first.method), first.role, len(rows), values, units)
