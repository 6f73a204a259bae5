"""What is measured of a run: a little after each epoch, everything at its end."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.loading import Workers
from crossdistill.evaluation import evaluate_view, top1
from crossdistill.evaluation.collect import Outputs, outputs_of
from crossdistill.evaluation.summary import evaluate_labels, evaluate_numbers, evaluate_retrieval
from crossdistill.losses import pair_cosine
from crossdistill.losses.cosine import alignment
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.plain import from_plain
from crossdistill.runs.data import splits_in_use
from crossdistill.runs.results import COSINE_PAIR, COSINE_SAME_CLASS, SCORES, AnyScores, ParameterCounts, RunResults
from crossdistill.tasks import MEASURES, Measured, Task, headline
from crossdistill.training.memory import peak_memory_mb
from crossdistill.types import NAMES, InputError, Note, TaskKind, View
from crossdistill.version import __version__

if TYPE_CHECKING:
    from crossdistill.runs.build import Built

GAP = "evaluation/gap"
"""What the teacher's headline measure minus the student's is called in the log."""


def score_key(view: str, task: TaskKind) -> str:
    """What a view's headline measure is called in the log, such as evaluation/student/top1."""
    return f"evaluation/{view}/{headline(task).key}"


def logged_scores(record: Mapping[str, float | int | str]) -> dict[str, tuple[Measured, float]]:
    """View -> its headline measure in an epoch's record, whatever the task: which it is, and its value."""
    found: dict[str, tuple[Measured, float]] = {}
    for kind in MEASURES:
        keys = {view: score_key(view, kind) for view in NAMES.values()}
        found |= {view: (headline(kind), float(record[key])) for view, key in keys.items() if key in record}
    return found


def fingerprint_in(config: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of the data in what `about` wrote; nothing where it does not say, as in 0.1."""
    described = config.get("data")
    found = described.get("fingerprint") if isinstance(described, dict) else None
    return found if isinstance(found, dict) else {}


def about(built: Built, data: Mapping[str, str]) -> dict[str, Any]:
    """What config.json says beside the model: where it comes from. data: the fingerprint of the data set."""
    recipe, dataset = built.recipe, built.dataset
    return {
        "name": recipe.name,
        "method": recipe.method,
        "student": "target" in built.method.predicts,
        "auxiliary": list(recipe.data.auxiliary) if set(built.method.views) != {"target"} else [],
        "data": {
            "name": dataset.name,
            "source": recipe.data.source,
            "licence": dataset.licence or "not stated",
            "samples": _sample_counts(built),
            "fingerprint": dict(data),
        },
        "versions": versions(),
    }


def _sample_counts(built: Built) -> dict[str, int]:
    """Split -> how many samples it has, of the splits that the run reads; `labelled`: those of training that have a
    label, where some have none."""
    counts = {split: len(built.dataset.rows(split)) for split in splits_in_use(built.recipe.data)}
    labelled = len(built.dataset.labelled_rows("train"))
    return counts | ({"labelled": labelled} if labelled < counts["train"] else {})


def _labelled_groups(built: Built) -> tuple[str, ...]:
    """The groups whose training samples kept their labels; none where no groups were drawn, or all were."""
    kept = built.dataset.labelled_rows("train")
    if not built.recipe.data.labelled_groups or len(kept) == len(built.dataset.rows("train")):
        return ()
    return tuple(sorted({str(group) for group in built.dataset.groups[kept]}))


def versions() -> dict[str, str]:
    """What a result depends on beside its recipe."""
    return {
        "crossdistill": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
    }


def epoch_measures(made: Outputs, predicts: tuple[View, ...], model: CrossModalModel) -> dict[str, float]:
    """Headline measures, their gap and the cosines on the evaluation split, for the curves, or on
    validation samples, where these choose the epoch.

    Each view is measured on the samples that have what it reads: the student on all, the teacher on complete ones. The
    gap is that of both on complete ones.
    """
    measures: dict[str, float] = {}
    task = model.task
    for view in predicts:
        found, labels = made.complete(view)
        if len(labels):
            measures[score_key(NAMES[view], task.kind)] = headline_of(task, found.logits[view], labels)
    student, teacher = score_key("student", task.kind), score_key("teacher", task.kind)
    if {student, teacher} <= set(measures):
        both, labels = made.complete("target", "full")
        measures[GAP] = measures[teacher] - headline_of(task, both.target_logits, labels)
    return measures | cosines(made, model)


def headline_of(task: Task, logits: Tensor, labels: Tensor) -> float:
    """The headline measure of these logits (N, C)."""
    if task.kind == "classification":
        return top1(logits, labels)
    summary = _summary(task, logits, labels)
    return float(summary[headline(task.kind).key])


def _summary(task: Task, logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """All measures of a task that are not of classes."""
    if task.kind == "multilabel":
        return dict(evaluate_labels(logits, labels))
    return dict(evaluate_numbers(task.outputs(logits)["values"], labels))


def require_measurable(outputs: Outputs, predicts: tuple[View, ...], split: str) -> None:
    """Raise InputError where there is no sample to measure any view on because none could be read."""
    unread = [note.text for note in outputs.notes if note.skipped]
    if unread and not any(bool(outputs.present[view].any()) for view in predicts):
        raise InputError(f"no {split} sample could be read; the first: {unread[0]}")


def cosines(outputs: Outputs, model: CrossModalModel) -> dict[str, float]:
    """Figure 5's alignment of teacher and student, where both were made of a sample and have representations; that of a
    class where one has two samples."""
    if not {"target", "full"} <= set(outputs.made.representations) or not model.represents("full"):
        return {}
    made, labels = outputs.complete("target", "full")
    if not len(labels):
        return {}
    if not model.task.has_classes:
        return {COSINE_PAIR: float(pair_cosine(made.full, made.target))}
    found = alignment(made.full, made.target, labels)
    of_class = {COSINE_SAME_CLASS: float(found.same_class)} if int(found.pairs) else {}
    return {COSINE_PAIR: float(found.pair), **of_class}


def _view_scores(
    tested: Outputs, gallery: Outputs, predicts: tuple[View, ...], task: Task, complete: Tensor
) -> dict[str, AnyScores]:
    """Name -> measures of each view of which there is a sample to measure; complete: (N,) bool, which of the tested
    samples have all modalities."""
    scores: dict[str, AnyScores] = {}
    for view in predicts:
        made, labels = tested.complete(view)
        searched, searched_labels = gallery.complete(view)
        if not len(labels) or not len(searched_labels):
            continue
        if task.has_classes:
            summary: dict[str, Any] = dict(
                evaluate_view(
                    logits=made.logits[view],
                    representations=made.representations[view],
                    labels=labels,
                    gallery_representations=searched.representations[view],
                    gallery_labels=searched_labels,
                )
            )
        else:
            summary = _summary(task, made.logits[view], labels)
        if task.kind == "multilabel":  # which numbers would be near enough to be found, nothing says
            summary |= evaluate_retrieval(
                representations=made.representations[view],
                labels=labels,
                gallery_representations=searched.representations[view],
                gallery_labels=searched_labels,
            )
        of_complete = _of_complete(task, tested, view, complete)
        known = 0 if math.isnan(of_complete) else int(complete.sum())
        summary |= {"measured": len(labels), "complete": of_complete, "complete_measured": known}
        scores[NAMES[view]] = from_plain(SCORES[task.kind], summary)
    return scores


def _complete(dataset: MultimodalDataset, modalities: Sequence[str], tested: Outputs) -> Tensor:
    """(N,) bool, which of the tested samples have all these modalities: of those that the run's views do not read, as
    far as the data set knows without reading."""
    known = torch.from_numpy(dataset.present(modalities))[tested.rows]
    return torch.stack([known, *tested.present.values()]).all(0)


def _of_complete(task: Task, tested: Outputs, view: View, complete: Tensor) -> float:
    """The view's headline measure on the complete samples; NaN where these are none, or all that it is measured on."""
    if not complete.any() or torch.equal(complete, tested.present[view]):
        return math.nan
    return headline_of(task, tested.made.logits[view][complete], tested.labels[complete])


def results_of(
    built: Built,
    seconds: float,
    device: torch.device,
    note: Callable[[Sequence[Note]], None] = lambda notes: None,
    workers: Workers | None = None,
) -> RunResults:
    """Everything a finished run says of itself, but for its files.

    seconds: of training; note: hears of what went wrong in reading samples; workers: that read the data set already.
    """
    recipe, model = built.recipe, built.model
    unmeasured = RunResults(
        name=recipe.name,
        method=recipe.method,
        label=recipe.label or recipe.method,
        role=recipe.role,
        seed=recipe.seed,
        fold=recipe.data.fold,
        split=recipe.data.evaluate_on,
        classes=built.dataset.classes,
        task=built.dataset.task,
        samples=_sample_counts(built),
        target=recipe.data.target,
        auxiliary=recipe.data.auxiliary,
        seconds=round(seconds, 3),
        peak_memory_mb=round(peak_memory_mb(device), 1),
        parameters=ParameterCounts(
            student=sum(p.numel() for p in model.modules_of("target").parameters()),
            total=sum(p.numel() for p in model.parameters()),
        ),
        versions=versions(),
        labelled_groups=_labelled_groups(built),
        teaching=built.method.teaching,
    )
    return with_scores(unmeasured, built, device, note, workers)


def with_scores(
    results: RunResults,
    built: Built,
    device: torch.device,
    note: Callable[[Sequence[Note]], None] = lambda notes: None,
    workers: Workers | None = None,
) -> RunResults:
    """The results with what the model gives now: scores and alignment on the evaluation split, and what they depend on.

    Each view searches those samples of the training split that have a label, without which nothing found is right or
    wrong: with few labels R@K is of few samples, and no number beside that of more. Where the recipe measures nothing,
    the results as they are.
    """
    recipe, dataset, method = built.recipe, built.dataset, built.method
    if recipe.data.evaluate_on == "none":
        return results
    tested, gallery = (
        outputs_of(
            dataset,
            dataset.labelled_rows(split),
            method.model,
            method.predicts,
            device,
            workers or recipe.machine.workers,
            recipe.data.windows,
        )
        for split in (recipe.data.evaluate_on, "train")
    )
    note([*tested.notes, *gallery.notes])
    require_measurable(tested, method.predicts, recipe.data.evaluate_on)
    alignment = cosines(tested, method.model)
    modalities = (*recipe.data.target, *recipe.data.auxiliary)
    absent = [name for name in modalities if not dataset.present([name])[tested.rows].any()]
    return replace(
        results,
        samples=_sample_counts(built),
        versions=versions(),
        scores=_view_scores(tested, gallery, method.predicts, method.task, _complete(dataset, modalities, tested)),
        cosine_pair=alignment.get(COSINE_PAIR, math.nan),
        cosine_same_class=alignment.get(COSINE_SAME_CLASS, math.nan),
        absent=tuple(absent) if len(tested.rows) else (),
    )
