"""Which runs may stand in one comparison: those that are measured on the same, and repetitions of one recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from crossdistill.data.fingerprint import surely_differing
from crossdistill.recipes.deciding import first_difference
from crossdistill.reports.fields import field_at
from crossdistill.types import InputError

if TYPE_CHECKING:
    from crossdistill.reports.runs import Run


def require_comparable(runs: Sequence[Run]) -> None:
    """Raise InputError where runs predict or are measured on different things, or two are the same repetition."""
    first = runs[0]
    for run in runs:
        compared = {
            "tasks": (run.task, first.task),
            "classes": (run.classes, first.classes),
            "splits": (run.split, first.split),
            "target modalities": (run.target, first.target),
        }
        if what := next((name for name, (one, other) in compared.items() if one != other), ""):
            raise InputError(
                f"{run.folder} and {first.folder}: evaluated on different {what}; write one report for each"
            )
    [(key, count)] = Counter((run.label, *run.replicate) for run in runs).most_common(1)
    if count > 1:
        label, fold, seed = key
        same = ", ".join(str(run.folder) for run in runs if (run.label, *run.replicate) == key)
        raise InputError(f"{same}: all are configuration {label}, seed {seed}, fold {fold}; give one of them")
    _require_same_data(runs)


def require_one_recipe(label: str, runs: Sequence[Run]) -> None:
    """Raise InputError where runs of one configuration are of several methods, roles or recipes, and so no
    repetitions."""
    first, *others = runs
    for other in others:
        for what in ("method", "role"):
            one, another = getattr(first, what), getattr(other, what)
            if one != another:
                raise InputError(
                    f"{first.folder} and {other.folder}: both are labelled {label}, but their {what}s are "
                    f"{one} and {another}; give one of them another label"
                )
        if name := first_difference(first.deciding, other.deciding):
            raise InputError(
                f"{first.folder} and {other.folder}: both are labelled {label}, but of their recipes {name} is "
                f"{first.deciding[name]} and {other.deciding[name]}; leave one out, or train it with another label"
            )


def _require_same_data(runs: Sequence[Run]) -> None:
    """Raise InputError where runs are of other samples, or have them otherwise: labels and splits as far as nothing was
    drawn for a run alone, and the target modalities of one source; two sources may have two kinds of features of the
    same samples. Runs that do not say of which data they are may be of any."""
    firsts: dict[Hashable, Run] = {}
    for run in runs:
        changed: dict[str, Run] = {}
        for part, shared in _parts(run).items():
            first = firsts.setdefault((part, shared), run)
            if part in surely_differing(first.data, run.data):
                changed[part] = first
        if changed:
            other = next(iter(changed.values()))
            raise InputError(
                f"{run.folder} and {other.folder}: evaluated on different data: {', '.join(changed)} differ; write one "
                "report for each"
            )


def _parts(run: Run) -> Mapping[str, Hashable]:
    """Parts of the data's fingerprint that runs which share a value have in common."""

    def asked(*names: str) -> tuple[str, ...]:
        return tuple(str(field_at(run.settings, f"data.{name}")) for name in names)

    validation = asked("evaluate_on", "choose_epoch_on", "validation_fraction")
    split = (run.fold, *validation, run.seed if "validation" in validation else None)
    labels = asked("labelled", "labelled_groups")
    is_drawn = labels not in (("None", "None"), ("1.0", "0"), ("1", "0"))
    return {
        "ids": None,
        "labels": (*labels, run.seed, *split) if is_drawn else None,
        "splits": split,
        **{f"modality {name}": asked("source", f"readers.{name}") for name in run.target},
    }
