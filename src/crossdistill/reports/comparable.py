"""Which runs may stand in one comparison: those that are measured on the same, and repetitions of one recipe."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from crossdistill.data.fingerprint import surely_differing
from crossdistill.methods import METHODS
from crossdistill.recipes.deciding import DECIDE_SPLITS, first_difference
from crossdistill.reports.fields import field_at
from crossdistill.reports.formats import listed
from crossdistill.types import InputError

if TYPE_CHECKING:
    from crossdistill.reports.runs import Run


_MANY = 6
"""Configurations that a line names; of more it says how many there are."""
_MODALITY = "modality "
"""Begins the name of a modality's part of a fingerprint."""


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


def require_same_inputs(label: str, runs: Sequence[Run]) -> None:
    """Raise InputError where runs of one configuration surely learn from or predict with other data, whatever files
    these lie in."""
    inputs = [_inputs(run) for run in runs]
    for (one, own), (other, others) in itertools.combinations(zip(runs, inputs, strict=True), 2):
        shared = dict(own.items() & others.items())
        changed = [part for part in surely_differing(one.data, other.data) if part in shared]
        if changed:
            names = listed([part.removeprefix(_MODALITY) for part in changed])
            raise InputError(
                f"{other.folder} and {one.folder}: both are labelled {label}, but their data differ in {names}; leave "
                "one out, or train it with another label"
            )


def targets_sentence(runs: Sequence[Run]) -> str:
    """Which configurations surely have other data of the target modalities than which, as two kinds of features are;
    empty where none have."""
    firsts = list({run.label: run for run in reversed(runs) if run.data}.values())[::-1]
    found = []
    for name in runs[0].target:
        kinds: list[list[Run]] = []
        for run in firsts:
            alike = (kind for kind in kinds if _MODALITY + name not in surely_differing(kind[0].data, run.data))
            own = next(alike, None)
            if own is None:
                kinds.append([run])
            else:
                own.append(run)
        if len(kinds) > 1:
            found.append(f"{name} of {', of '.join(map(_labels, kinds))}")
    if not found:
        return ""
    return (
        f"Target data differ between configurations: {'; '.join(found)}. What these differ by may come of the data and "
        "not of how they learn."
    )


def _labels(kind: Sequence[Run]) -> str:
    """The configurations of these runs, or how many they are, and where their data were."""
    source = field_at(kind[0].settings, "data.source")
    words = listed([run.label for run in kind]) if len(kind) <= _MANY else f"{len(kind)} configurations"
    return f"{words} ({source})" if source else words


def _inputs(run: Run) -> dict[str, Hashable]:
    """The parts of the fingerprint that are modalities which the run reads, each with what decides beside its files
    what it is: runs in which that is the same have the same data if the files are the same."""
    control = field_at(run.settings, "data.control") or "none"
    drawn = None if control == "none" else (control, *_split(run), run.seed)
    method = METHODS.get(run.method)
    auxiliary = () if method is not None and set(method.views) == {"target"} else run.auxiliary
    inputs: dict[str, Hashable] = {f"{_MODALITY}{name}": drawn for name in auxiliary}
    return inputs | {f"{_MODALITY}{name}": None for name in run.target}


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
    split, labels = _split(run), _asked(run, "labelled", "labelled_groups")
    is_drawn = labels not in (("None", "None"), ("1.0", "0"), ("1", "0"))
    return {
        "ids": None,
        "labels": (*labels, run.seed, *split) if is_drawn else None,
        "splits": split,
        **{f"{_MODALITY}{name}": _asked(run, "source", f"readers.{name}") for name in run.target},
    }


def _split(run: Run) -> tuple[Hashable, ...]:
    """What decides which samples are in which split."""
    decisive = _asked(run, *DECIDE_SPLITS)
    return (run.fold, *decisive, run.seed if "validation" in decisive else None)


def _asked(run: Run, *names: str) -> tuple[str, ...]:
    """What the run's recipe says in its data settings."""
    return tuple(str(field_at(run.settings, f"data.{name}")) for name in names)
