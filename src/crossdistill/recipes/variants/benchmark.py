"""The evidence study: which data sets, with which share of their labels, and what is compared in each."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossdistill.recipes.files import leaves, with_fields
from crossdistill.recipes.library import bundled, released
from crossdistill.recipes.library.catalogue import PREPARE
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.controls import controls, distils
from crossdistill.types import InputError

DATA = Path("data")
"""Where recipes expect prepared data sets."""


@dataclass(frozen=True)
class Budget:
    """Which training samples keep their labels: a share of each class, or so many whole groups; all unless given.

    Each seed draws others. Where whole groups are labelled, the data's folds are tested in turn: of so few groups the
    same would be labelled again and again, for the same ones to be tested.

    >>> Budget(0.1).folder, Budget(groups=2).folder, Budget().folder
    ('10-percent', '2-groups', 'all')
    """

    share: float = 1.0
    groups: int = 0

    @property
    def is_all(self) -> bool:
        return self == Budget()

    @property
    def folder(self) -> str:
        """What its folder is called."""
        if self.groups:
            return f"{self.groups}-groups" if self.groups > 1 else "1-group"
        return "all" if self.is_all else f"{100 * self.share:g}-percent"

    def words(self, group: str) -> str:
        """As in "10 % of labels" or "1 subject labelled"; group: what the data set's groups are."""
        if self.groups:
            return f"{self.groups} {group}{'s' * (self.groups > 1)} labelled"
        return "all labels" if self.is_all else f"{100 * self.share:g} % of labels"


_SHARES = (Budget(0.05), Budget(0.1), Budget(0.25))
_GROUPS = (Budget(groups=1), Budget(groups=2))


@dataclass(frozen=True)
class BenchmarkSet:
    """A data set of the study.

    recipe: as it stands in the library; few: its budgets below all labels; group: what labels are given to as a whole
    where samples are split by it
    """

    recipe: Callable[[], Recipe]
    few: tuple[Budget, ...] = _SHARES
    group: str = "group"

    @property
    def name(self) -> str:
        return self.recipe().name

    @property
    def prepare(self) -> str:
        """What follows `crossdistill prepare` to make its data; empty for a bundled one."""
        return PREPARE.get(self.name, "")

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (*self.few, Budget())


SETS = (
    BenchmarkSet(bundled.emoji),
    BenchmarkSet(bundled.watch, _GROUPS, "subject"),
    BenchmarkSet(bundled.avletters),
    BenchmarkSet(released.avletters_speakers, _GROUPS, "speaker"),
    BenchmarkSet(bundled.utd_mhad, _GROUPS, "subject"),
    BenchmarkSet(released.utd_mhad_depth, _GROUPS, "subject"),
    BenchmarkSet(bundled.mosi),
    BenchmarkSet(released.mfeat),
    BenchmarkSet(released.mfeat_zernike),
    BenchmarkSet(released.leaves, _SHARES[1:]),  # of 8 a class, 5 % and 10 % are one
)
"""Those of the study, in the order of its page."""

FEW_LABELS: Mapping[str, Mapping[str, Any]] = {
    "kd": {"temperature": 1.0, "soft_weight": 3.0, "hard_weight": 0.5},
    "dist": {"beta": 16.0, "gamma": 16.0},
    "ccl": {"contrast_weight": 0.3},
    "fitnets": {"temperature": 1.0, "soft_weight": 16.0, "final_soft_weight": 4.0, "hint_weight": 0.0},
}
"""Method -> options where only some samples are labelled, the same on every set: for each method the best of eight to
eleven, with few labels, on validation parts of `CHOSEN_ON`. AMID-U's were chosen there, too, and are its defaults."""
SOURCES: Mapping[str, str] = {
    "avletters_speakers": "avletters",
    "utd_mhad_depth": "utd_mhad",
    "mfeat_zernike": "mfeat",
}
"""Set of the study -> the one whose samples it has as well, by other features or another split: one source of data, and
no two data sets where data sets are counted."""

CHOSEN = ("amid_u", "self_training")
"""Methods whose defaults were chosen for few labels; `FEW_LABELS` has the others' options that were."""

CHOSEN_ON = ("emoji", "watch", "mfeat", "leaves")
"""Sources on whose validation parts options were chosen that are the same on every set: AMID-U's, self-training's, and
those of `FEW_LABELS`."""

CHOSEN_FOR_ITSELF: Mapping[str, str] = {
    "emoji": "its own options for most methods",
    "watch": "encoder, learning rate and epochs",
    "avletters": "learning rate, weight decay, dropout and the options of amid_class_means",
    "utd_mhad": "that recordings are centred; weights of AMID-U were tried there as well, and not taken",
}
"""Source -> what its own recipe owes to its validation parts."""

QUICK_SETS = ("emoji", "watch", "mfeat")
QUICK_BUDGETS = (Budget(0.1), Budget(groups=1), Budget())
QUICK_METHODS = ("baseline", "teacher", "self_training", "dist", "amid", "amid_u")
QUICK_SEEDS = 5
"""What fits a quarter of an hour on two cores: measured, 4 minutes with few labels of emoji and mfeat, as much with all
of them, and 7 on watch."""

ALWAYS = ("baseline", "teacher")
"""What differences and the share of the gap are measured against."""

SET_BY = {
    **dict.fromkeys(("data.labelled", "data.labelled_groups"), "--budgets"),
    **dict.fromkeys(("method", "label", "role", "varied"), "--methods"),
    **dict.fromkeys(("name", "data.source"), "--sets and --data"),
}
"""Fields that the study gives each recipe -> the options that say which."""

OURS, PAPERS = "amid_u", "amid"
SHUFFLED, ZEROED = "shuffled", "zeroed"


@dataclass(frozen=True)
class Setting:
    """A data set with a label budget: one comparison. recipe: with the budget, and its data where they are."""

    within: BenchmarkSet
    budget: Budget
    recipe: Recipe

    @property
    def folder(self) -> Path:
        """Where it lies in the study's folder."""
        return Path(self.recipe.name) / self.budget.folder

    @property
    def words(self) -> str:
        """What the budget is called in words."""
        return self.budget.words(self.within.group)

    @property
    def prepare(self) -> str:
        """The command that makes its data; empty for a bundled data set."""
        folder = self.recipe.data.source
        elsewhere = "" if Path(folder).parent == DATA else f" --out {shlex.quote(folder)}"
        return f"crossdistill prepare {self.within.prepare}{elsewhere}" if self.within.prepare else ""


def settings(
    sets: Sequence[BenchmarkSet],
    wanted: Callable[[Budget], bool] = lambda budget: True,
    data: Path = DATA,
    fields: Mapping[str, Any] | None = None,
) -> list[Setting]:
    """Each data set with those of its budgets that are wanted.

    data: the folder of prepared data sets; fields: of every recipe that are to be others, by dotted names.
    Raises InputError for a field that recipes do not have, or that the study sets itself.
    """
    for name in dict(leaves(fields or {})):
        if name in SET_BY:
            raise InputError(f"--fields: {name} is set by {SET_BY[name]}")
    found = []
    for within in sets:
        for budget in filter(wanted, within.budgets):
            recipe = _placed(within, data, fields or {}, {} if budget.is_all else FEW_LABELS)
            labels = replace(recipe.data, labelled=budget.share, labelled_groups=budget.groups)
            found.append(Setting(within, budget, replace(recipe, data=labels)))
    return found


def deciding_controls(recipe: Recipe, methods: Sequence[str]) -> list[Recipe]:
    """AMID-U and AMID, where they are among the methods, with shuffled and with zeroed auxiliary inputs: what is left
    of a gain there is none of the auxiliary modality's."""
    controlled = [method for method in (OURS, PAPERS) if method in methods and distils(method)]
    return [
        control
        for method in controlled
        for control in controls(recipe, method)
        if control.data.control in (SHUFFLED, ZEROED)
    ]


def source_of(name: str) -> str:
    """Whose samples a set of the study has: its own name unless it shares them with another.

    >>> source_of("mfeat_zernike"), source_of("emoji")
    ('mfeat', 'emoji')
    """
    return SOURCES.get(name, name)


def _placed(
    within: BenchmarkSet, data: Path, fields: Mapping[str, Any], chosen: Mapping[str, Mapping[str, Any]]
) -> Recipe:
    """The set's recipe with options that were chosen (method -> options), with these fields, and its data where they
    are."""
    recipe = within.recipe()
    options = {name: {**recipe.options.get(name, {}), **chosen.get(name, {})} for name in {**recipe.options, **chosen}}
    recipe = replace(recipe, options=options)
    recipe = with_fields(recipe, fields) if fields else recipe
    if not within.prepare:
        return recipe
    return replace(recipe, data=replace(recipe.data, source=str(data / Path(recipe.data.source).name)))
