"""The results of a run: what it measured and what it cost, as typed values and as results.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.atomic import write_atomically
from crossdistill.methods import METHODS
from crossdistill.models.storage import CONFIG, RESULTS, read_config, read_json
from crossdistill.plain import KEY, Measure, from_plain, to_plain, without_nan
from crossdistill.runs.folder import CHECKPOINT, PREVIOUS, TEACHERS, is_finished
from crossdistill.runs.lock import LOCK, locked
from crossdistill.tasks import headline
from crossdistill.types import NAMES, InputError, Role, TaskKind, View

_SERVED = (CHECKPOINT, PREVIOUS, f"{CHECKPOINT}.partial")
"""Files that a finished run needs no longer."""

COSINE_PAIR, COSINE_SAME_CLASS = "evaluation/cosine_pair", "evaluation/cosine_same_class"


@dataclass(frozen=True, eq=False)
class Scores:
    """One view's measures on the evaluation split, in [0, 1]; NaN where a measure is not defined.

    per_class: (C,) recall of each class; confusion: (C, C) counts, row = true class
    measured: how many samples had all that the view reads; complete: top1 on the complete_measured of them that have
    all of the recipe's modalities, NaN and 0 where all have, where none has, and in results of before
    """

    top1: Measure
    wa: Measure
    ua: Measure
    r1: Measure
    r5: Measure
    per_class: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.int64]
    measured: int
    complete: Measure = math.nan
    complete_measured: int = 0

    @property
    def headline(self) -> float:
        return self.top1

    @property
    def on_complete(self) -> float:
        return _on_complete(self)

    def of_names(self) -> Mapping[str, tuple[npt.NDArray[Any], int]]:
        """Field -> its array, and how many axes of it have an entry for each class."""
        return {"per_class": (self.per_class, 1), "confusion": (self.confusion, 2)}


@dataclass(frozen=True, eq=False)
class LabelScores:
    """One view's measures of multi-label predictions, in [0, 1]; NaN where a measure is not defined.

    map: the mean of the average precisions of the labels that some sample has; micro_f1, macro_f1: at a probability of
    1/2; per_label: (C,) average precision of each; measured: how many samples had all that the view reads; r1, r5,
    map_100: of retrieval, where what shares a label is relevant; NaN in results of before there were any; complete: map
    on complete samples, as in `Scores`
    """

    map: Measure
    micro_f1: Measure
    macro_f1: Measure
    per_label: npt.NDArray[np.float64]
    measured: int
    r1: Measure = math.nan
    r5: Measure = math.nan
    map_100: Measure = math.nan
    complete: Measure = math.nan
    complete_measured: int = 0

    @property
    def headline(self) -> float:
        return self.map

    @property
    def on_complete(self) -> float:
        return _on_complete(self)

    def of_names(self) -> Mapping[str, tuple[npt.NDArray[Any], int]]:
        return {"per_label": (self.per_label, 1)}


@dataclass(frozen=True, eq=False)
class NumberScores:
    """One view's measures of predicted numbers, the mean over K numbers; NaN where a measure is not defined.

    r2: R², at most 1; rmse, mae: lower is better, in the number's unit, and no measure where several numbers have
    several units; pearson: within [-1, 1]; per_number: (K,) R² of each, NaN of one that is the same in all samples,
    which r2 and pearson leave out; per_number_rmse, per_number_mae: (K,) of each in its own unit, (0,) in results of
    before; measured: how many samples had all that the view reads; complete: r2 on complete samples, as in `Scores`
    """

    r2: Measure
    rmse: Measure
    mae: Measure
    pearson: Measure
    per_number: npt.NDArray[np.float64]
    measured: int
    per_number_rmse: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    per_number_mae: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    complete: Measure = math.nan
    complete_measured: int = 0

    @property
    def headline(self) -> float:
        return self.r2

    @property
    def on_complete(self) -> float:
        return _on_complete(self)

    def of_names(self) -> Mapping[str, tuple[npt.NDArray[Any], int]]:
        errors = {"per_number_rmse": (self.per_number_rmse, 1), "per_number_mae": (self.per_number_mae, 1)}
        return {"per_number": (self.per_number, 1)} | {name: each for name, each in errors.items() if len(each[0])}


AnyScores = Scores | LabelScores | NumberScores


def samples_compared(scores: AnyScores) -> int:
    """On how many samples `on_complete` is measured."""
    return scores.measured if math.isnan(scores.complete) else scores.complete_measured


def _on_complete(scores: AnyScores) -> float:
    """The headline measure on the samples that have all modalities, which a teacher is measured on: what students and
    teachers are subtracted by. The headline where all samples have all, and where the results do not say."""
    return scores.headline if math.isnan(scores.complete) else scores.complete


def constant_in(scores: Mapping[str, AnyScores], names: Sequence[str]) -> tuple[str, ...]:
    """Those of the numbers that are the same in all samples of some view, so that they have no R²; none of classes."""
    found = [each.per_number for each in scores.values() if isinstance(each, NumberScores)]
    return tuple(name for place, name in enumerate(names) if any(math.isnan(r2[place]) for r2 in found))


def says_errors(scores: AnyScores | None) -> bool:
    """Whether these say each number's errors, as those of before do not."""
    return isinstance(scores, NumberScores) and len(scores.per_number_rmse) > 0


def unmeasured_views(method: str, scores: Mapping[str, AnyScores]) -> tuple[View, ...]:
    """What the method predicts with beside its student and yet has no scores of, where the student has some; nothing of
    methods that are not known here."""
    if method not in METHODS or NAMES["target"] not in scores:
        return ()
    return tuple(view for view in METHODS[method].predicts if NAMES[view] not in scores)


SCORES: Mapping[TaskKind, type[Scores] | type[LabelScores] | type[NumberScores]] = {
    "classification": Scores,
    "multilabel": LabelScores,
    "regression": NumberScores,
}


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of the student alone, and in all."""

    student: int
    total: int


@dataclass(frozen=True, eq=False)
class RunResults(Mapping[str, Any]):
    """Everything a finished run says of itself.

    `run` and `evaluate` return it. As a mapping it is what results.json holds: `results["student"]["top1"]`,
    `"teacher" in results`, `dict(results)`.

    Attributes:
        name: of the recipe
        method: that trained it
        seed: of the recipe
        fold: of the recipe's data, -1 where there is none
        split: what was measured on, "none" where nothing was
        classes: the names of the classes, labels or numbers
        samples: split -> how many
        target: modalities that prediction has
        auxiliary: modalities that training alone had
        seconds: of training
        peak_memory_mb: of the run
        parameters: how many the student has, and all
        versions: of the packages that trained it
        label: the name of its configuration in comparisons
        role: what that configuration is
        cosine_pair: alignment of teacher and student on the evaluation split, NaN where not defined
        cosine_same_class: the same between samples of one class
        scores: "student", "teacher", "auxiliary_alone" -> its measures; only the views that the method predicts with
        files: name -> digest of the model's files
        best_epoch: whose model it is, counted from 0, where validation samples chose it; -1: the last one's
        task: what was predicted
        labelled_groups: the groups that kept their labels, sorted; empty where labels were not drawn by groups
        absent: modalities that no measured sample has, so that models which read them have no scores; empty in results
            of before
        teaching: the factor on what the student learnt of its teachers, 0 where it learnt from labels alone; NaN in
            results of before

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> data = crossdistill.from_arrays({"wrist": np.eye(8)}, np.arange(8) % 2, splits=np.arange(8) >= 6)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=1)
    >>> results = crossdistill.run(recipe, tempfile.mkdtemp(), dataset=data)
    >>> results.samples, results["student"]["measured"]
    ({'train': 6, 'test': 2}, 2)
    """

    name: str
    method: str
    seed: int
    fold: int
    split: str
    classes: tuple[str, ...]
    samples: Mapping[str, int]
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    seconds: Measure
    peak_memory_mb: Measure
    parameters: ParameterCounts
    versions: Mapping[str, str]
    label: str = ""
    role: Role = "method"
    cosine_pair: Measure = field(default=math.nan, metadata={KEY: COSINE_PAIR})
    cosine_same_class: Measure = field(default=math.nan, metadata={KEY: COSINE_SAME_CLASS})
    scores: Mapping[str, AnyScores] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    best_epoch: int = -1
    task: TaskKind = "classification"
    labelled_groups: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    teaching: Measure = math.nan

    def __getitem__(self, key: str) -> Any:
        """What results.json holds under a key, as plain values: `results["student"]["top1"]`."""
        return _plain(self)[key]

    __eq__, __hash__ = object.__eq__, object.__hash__  # a mapping's would compare arrays, and make sets impossible

    def __repr__(self) -> str:
        """Which run it is, and each view's headline measure, with the samples that it is of where these are not all;
        what results.json holds is under its keys."""
        head = headline(self.task)
        held = self.samples.get(self.split, 0)
        on_all = all(scores.measured == held for scores in self.scores.values())
        views = [
            f"{view} {head.name} {head.shown(scores.headline)}" + ("" if on_all else f" on {scores.measured:,}")
            for view, scores in self.scores.items()
        ]
        of_fold = f", fold {self.fold}" if self.fold >= 0 else ""
        measured = f"{', '.join(views)} {'on' if on_all else 'of'} {held:,} {self.split} samples"
        about = f"{self.name!r}, {self.label or self.method}, seed {self.seed}{of_fold}"
        return f"RunResults({about}: {measured if views else 'nothing measured'})"

    def __iter__(self) -> Iterator[str]:
        """The keys of results.json."""
        return iter(_plain(self))

    def __len__(self) -> int:
        """How many keys results.json has."""
        return len(_plain(self))


def to_json(results: RunResults) -> str:
    """The text of results.json: the fields by their names, the scores of each view under the view's own, null for NaN.

    >>> about = dict(name="watch", method="kd", seed=0, fold=-1, split="none", classes=("walk", "run"))
    >>> about |= dict(samples={"train": 9}, target=("wrist",), auxiliary=("video",), versions={})
    >>> results = RunResults(**about, seconds=1.5, peak_memory_mb=600.0, parameters=ParameterCounts(10, 30))
    >>> json.loads(to_json(results))["parameters"]
    {'student': 10, 'total': 30}
    """
    return json.dumps(_plain(results), indent=1, allow_nan=False)


def read_results(folder: Path) -> RunResults:
    """The results in a run's folder.

    Raises InputError where the folder holds no finished run, or one of version 0.1, and for a field of results.json
    that is missing or not as it was written; it names the file and the field.
    """
    if not is_finished(folder):
        raise InputError(f"{folder}: not a finished run (no {RESULTS}); train it, or continue it with --resume")
    if not (folder / CONFIG).is_file():
        read_config(folder)  # says so, and of a run of version 0.1 what to do
    content = read_json(folder / RESULTS)
    try:
        return _from_plain(content)
    except InputError as error:
        raise InputError(f"{folder / RESULTS}: {error}") from error


def require_results_of(folder: Path, results: RunResults, method: Any, seed: Any, fold: Any) -> None:
    """Raise InputError where the folder's results are not of this method, seed and fold, its recipe's, but of another
    run."""
    expected, found = (method, seed, fold), (results.method, results.seed, results.fold)
    if found != expected:
        raise InputError(
            f"{folder / RESULTS}: expected the results of {_called(*expected)}, as recipe.yaml says, found those of "
            f"{_called(*found)}, another run's; copy this run's own, or delete the folder and train it anew"
        )


def _called(method: Any, seed: Any, fold: Any) -> str:
    return f"method {method}, seed {seed}" + (f", fold {fold}" if fold != -1 else "")


def write_results(folder: Path, results: RunResults) -> None:
    """The last file to be written: a folder that has it is finished, and its checkpoints have served."""
    write_atomically(folder / RESULTS, to_json(results))
    _remove_checkpoints(folder)


def tidy(folder: Path) -> None:
    """Remove what a kill at the end of a finished run, or of one of its teachers', has left behind: its checkpoints and
    its lock. A folder that cannot be written, or that another process is at, stays as it is."""
    teachers = [folder / TEACHERS, *(path.parent for path in folder.glob(f"{TEACHERS}/*/{RESULTS}"))]
    for place in [folder, *teachers]:
        if any((place / name).exists() for name in (LOCK, *_SERVED)):
            with suppress(InputError, OSError), locked(place, wait=0):
                _remove_checkpoints(place)


def _remove_checkpoints(folder: Path) -> None:
    for name in _SERVED:
        (folder / name).unlink(missing_ok=True)


def _plain(results: RunResults) -> dict[str, Any]:
    fields = to_plain(results)
    scores, files = fields.pop("scores"), fields.pop("files")
    for name in ("labelled_groups", "absent"):
        if not fields[name]:
            del fields[name]
    for measures in scores.values():
        if math.isnan(measures["complete"]):
            del measures["complete"], measures["complete_measured"]
        for name in ("per_number_rmse", "per_number_mae"):
            if name in measures and not measures[name]:
                del measures[name]
    plain: dict[str, Any] = without_nan({**fields, **scores, "files": files})
    return plain


def _from_plain(content: Mapping[str, Any]) -> RunResults:
    about = {key: value for key, value in content.items() if key not in NAMES.values()}
    results = from_plain(RunResults, about)
    kind = SCORES[results.task]
    scores = {view: from_plain(kind, content[view], view) for view in NAMES.values() if view in content}
    for view, measures in scores.items():
        _require_shapes(view, measures, len(results.classes))
    return replace(results, label=results.label or results.method, scores=scores)


def _require_shapes(view: str, scores: AnyScores, classes: int) -> None:
    for name, (array, axes) in scores.of_names().items():
        if array.shape != (expected := (classes,) * axes):
            raise InputError(f"{view}.{name}: expected shape {expected}, found {array.shape}")
