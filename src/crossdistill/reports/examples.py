"""Single evaluation samples for the report: what trained students find, where they differ, how they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from crossdistill.data import MultimodalDataset
from crossdistill.data.columns import ArrayColumn, Rows
from crossdistill.data.reading import middle, read
from crossdistill.evaluation import nearest
from crossdistill.evaluation.collect import Outputs, outputs_of
from crossdistill.listening import Listener
from crossdistill.losses.cosine import unit_rows
from crossdistill.methods import Method
from crossdistill.recipes.recipe import FROM_PYTHON, DataSettings, Recipe
from crossdistill.reports.captioned import illustrated
from crossdistill.reports.groups import main_configuration
from crossdistill.reports.runs import Run, configurations_of, split_by_measured
from crossdistill.reports.samples import (
    ChangedSample,
    Changes,
    Picture,
    RepresentationMap,
    RetrievalExample,
    RetrievedItem,
    SampleViews,
)
from crossdistill.runs.build import Built
from crossdistill.runs.data import build_dataset
from crossdistill.runs.folder import read_recipe
from crossdistill.runs.run import load_trained
from crossdistill.runs.same_data import require_data_of_training
from crossdistill.types import NAMES, InputError, View

_ASKED: tuple[View, ...] = ("target", "full")
_NEAREST = 5
_QUERIES = 6
_MOST_MEASURED = 2000
"""Evaluation samples of which single ones are looked at, so that a page takes seconds."""
_MOST_DRAWN = 250
"""Points of a map."""
_MOST_CHANGED = 8

Read = TypeVar("Read")


def sample_views(runs: Sequence[Run], listener: Listener = Listener(), source: str = "") -> SampleViews:
    """Retrieval, changed samples and a map, as far as the runs' data are where they were, as they were, and have them.

    listener: hears of data and models that are not; source: where the data are now, if they have moved.
    """
    trained = TrainedRuns(listener, source)
    retrieval = retrieval_examples(illustrated(runs), trained)
    measured, _ = split_by_measured(runs)
    if not measured or measured[0].task != "classification":
        return SampleViews(retrieval)
    return SampleViews(retrieval, changed_samples(measured, trained), representation_map(measured, trained))


class TrainedRuns:
    """The models of finished runs, the data that they were measured on and what they answer, each made once.

    listener: hears of data that are not where or as they were, and of models that cannot be read; source: where the
    data are now, if they have moved.
    """

    def __init__(self, listener: Listener = Listener(), source: str = "") -> None:
        self._listener, self._source = listener, source
        self._recipes: dict[Path, Recipe] = {}
        self._loaded: dict[Path, Built | None] = {}
        self._read: dict[Path, MultimodalDataset | None] = {}
        self._outputs: dict[Path, Outputs | None] = {}
        self._datasets: list[tuple[DataSettings, int, MultimodalDataset]] = []
        self._missing: set[str] = set()

    def of(self, folder: Path) -> Built | None:
        """None where the run's data are not where or as they were, or came from Python, or its model is damaged: a page
        of measured numbers needs neither."""
        if folder not in self._loaded:
            there = self.dataset(folder) is not None
            self._loaded[folder] = self._said(lambda: self._trained(folder)) if there else None
        return self._loaded[folder]

    def _trained(self, folder: Path) -> Built:
        return load_trained(folder, build_data=self._data, recipe=self._recipe(folder))

    def _recipe(self, folder: Path) -> Recipe:
        if folder not in self._recipes:
            recipe = read_recipe(folder)
            moved = replace(recipe.data, source=self._source or recipe.data.source)
            self._recipes[folder] = replace(recipe, data=moved)
        return self._recipes[folder]

    def dataset(self, folder: Path) -> MultimodalDataset | None:
        """The run's data without its model; None where they are not where or as they were, or came from Python."""
        if folder not in self._read:
            recipe = self._recipe(folder)
            there = not recipe.data.source.startswith(FROM_PYTHON)
            self._read[folder] = self._said(lambda: self._data_of_training(folder, recipe)) if there else None
        return self._read[folder]

    def _data_of_training(self, folder: Path, recipe: Recipe) -> MultimodalDataset:
        dataset = self._data(recipe.data, recipe.seed)
        require_data_of_training(folder, dataset, recipe.data.source)
        return dataset

    def _said(self, read: Callable[[], Read]) -> Read | None:
        """What is read; None, and a line, where it cannot be."""
        try:
            return read()
        except InputError as error:
            if str(error) not in self._missing:
                self._missing.add(str(error))
                self._listener.say(f"Without pictures and samples: {error}")
            return None

    def _data(self, settings: DataSettings, seed: int) -> MultimodalDataset:
        for known, its_seed, dataset in self._datasets:  # configurations of one seed have one, and memory holds one
            if (known, its_seed) == (settings, seed):
                return dataset
        self._datasets.append((settings, seed, build_dataset(settings, seed)))
        return self._datasets[-1][2]

    def outputs(self, folder: Path) -> Outputs | None:
        """What the run's student makes of at most `_MOST_MEASURED` evaluation samples, drawn by a fixed seed, and its
        teacher where it has one. A view is left out that reads what takes more than a page is worth: videos, sounds and
        texts, on a CPU. None where that leaves no student."""
        if folder not in self._outputs:
            built = self.of(folder)
            self._outputs[folder] = _measured(built) if built is not None else None
        return self._outputs[folder]


def _measured(built: Built) -> Outputs | None:
    dataset, settings, model = built.dataset, built.recipe.data, built.model
    asked = [view for view in _ASKED if view in built.method.predicts and model.represents(view)]
    views = tuple(view for view in asked if _is_quick(built, view))
    rows = dataset.labelled_rows(settings.evaluate_on)
    if "target" not in views or dataset.task != "classification" or not len(rows):
        return None
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_MEASURED])
    return outputs_of(dataset, rows, model, views, torch.device("cpu"), windows=settings.windows)


def _is_quick(built: Built, view: View) -> bool:
    kinds = {built.spec.inputs[name].kind for name in built.model.modalities_of(view)}
    return kinds <= {"array", "picture"}


def retrieval_examples(folders: Sequence[Path], trained: TrainedRuns) -> list[RetrievalExample]:
    """For a few evaluation samples, the nearest training samples by each configuration's student, of its first run.
    Numbers have none: which of them would be near enough to be found, nothing says.

    The queries are drawn by a fixed seed, each of another class, before anything is searched: none is picked for how
    well it does. Empty when the data has no pictures or no run has a student.
    """
    retrieved: dict[str, list[list[RetrievedItem]]] = {}
    queries: list[int] = []
    for folder in folders:
        data = trained.dataset(folder)
        if data is None or len(data.pictures) == 0 or data.task == "regression":
            continue
        built = trained.of(folder)
        if built is None:
            continue
        recipe, dataset, method = built.recipe, built.dataset, built.method
        label = recipe.label or recipe.method
        if label in retrieved or "target" not in method.predicts:
            continue
        queries = queries or _draw_queries(dataset, dataset.labelled_rows(recipe.data.evaluate_on))
        retrieved[label] = search(dataset, method, recipe.data, queries)
    return [
        RetrievalExample(
            dataset.pictures[query],
            named(dataset, query),
            caption(dataset, query),
            {name: items[position] for name, items in retrieved.items()},
        )
        for position, query in enumerate(queries)
    ]


def _draw_queries(dataset: MultimodalDataset, rows: Rows) -> list[int]:
    """One row of each of `_QUERIES` classes, or sets of labels but the empty one, by a fixed seed."""
    labels = dataset.labels
    order = np.random.default_rng(0).permutation(rows)
    if dataset.task == "multilabel":
        order = order[np.any(labels[order] > 0, axis=1)]
    _, first = np.unique(labels[order], return_index=True, axis=0)
    return [int(row) for row in order[np.sort(first)[:_QUERIES]]]


def search(
    dataset: MultimodalDataset, method: Method, settings: DataSettings, queries: Sequence[int]
) -> list[list[RetrievedItem]]:
    """Each query's nearest training samples, nearest first."""
    device = torch.device("cpu")
    asked, gallery = (
        outputs_of(dataset, dataset.labelled_rows(split), method.model, ("target",), device, windows=settings.windows)
        for split in (settings.evaluate_on, "train")
    )
    present = gallery.present["target"]
    positions = np.searchsorted(asked.rows.numpy(), queries)
    neighbours = nearest(asked.made.target[positions], gallery.made.target[present], _NEAREST)
    neighbour_rows = gallery.rows[present][neighbours].numpy()
    return [
        [
            RetrievedItem(
                dataset.pictures[row],
                named(dataset, row),
                caption(dataset, row),
                is_relevant(dataset, row, query),
            )
            for row in rows
        ]
        for query, rows in zip(queries, neighbour_rows, strict=True)
    ]


def named(dataset: MultimodalDataset, row: int) -> str:
    """The class of a row, or its labels."""
    if dataset.task == "classification":
        return dataset.classes[int(dataset.labels[row])]
    return ", ".join(dataset.classes[place] for place in np.flatnonzero(dataset.labels[row] > 0)) or "none"


def is_relevant(dataset: MultimodalDataset, row: int, query: int) -> bool:
    """Whether it has the query's class, or shares a label with it."""
    own, other = dataset.labels[query], dataset.labels[row]
    return bool(own == other if dataset.task == "classification" else np.any((own > 0) & (other > 0)))


def changed_samples(runs: Sequence[Run], trained: TrainedRuns) -> Changes | None:
    """Where the main configuration's student and the student alone differ, in their first runs that share a seed and a
    fold; None without such a pair or its data."""
    by_label, main = configurations_of(runs), main_configuration(runs)
    alone = {run.replicate: run for run in by_label.get("baseline", []) if "student" in run.scores}
    pairs = [(alone[run.replicate], run) for run in by_label[main] if run.replicate in alone and main != "baseline"]
    pairs = [(before, after) for before, after in pairs if "student" in after.scores]
    if not pairs:
        return None
    (before, after), *_ = sorted(pairs, key=lambda pair: pair[0].replicate)
    built, first, second = trained.of(after.folder), *(_answers(trained, run) for run in (before, after))
    if first is None or second is None or built is None:
        return None
    rows, labels, was, now = _common(first, second)
    counts = _newly(labels, was, now)
    others = [run for replicate, run in sorted(alone.items()) if run.fold == before.fold and run is not before]
    another = _answers(trained, others[0]) if others else None
    by_seed = tuple(map(len, _newly(*_common(first, another)[1:]))) if another is not None else ()

    def told(places: Rows) -> list[ChangedSample]:
        chosen = np.sort(np.random.default_rng(0).permutation(places)[:_MOST_CHANGED])
        names, pictures = built.dataset.classes, pictures_of(built, rows[chosen])
        return [
            ChangedSample(
                caption(built.dataset, int(rows[place])),
                names[labels[place]],
                names[was[place]],
                names[now[place]],
                shown,
            )
            for place, shown in zip(chosen, pictures, strict=True)
        ]

    right, wrong = counts
    return Changes(main, after.seed, len(rows), len(right), len(wrong), told(right), told(wrong), by_seed, after.fold)


_Answers = tuple[Rows, Rows, Rows]
"""Rows of a data set, their labels, and what a student says."""


def _answers(trained: TrainedRuns, run: Run) -> _Answers | None:
    """None where the student is not to be asked here."""
    outputs = trained.outputs(run.folder)
    if outputs is None:
        return None
    present = outputs.present["target"]
    said = outputs.made.target_logits.argmax(1)
    return outputs.rows[present].numpy(), outputs.labels[present].numpy(), said[present].numpy()


def _common(first: _Answers, second: _Answers) -> tuple[Rows, Rows, Rows, Rows]:
    """Rows that both have, their labels, and what each says."""
    rows, one, other = np.intersect1d(first[0], second[0], return_indices=True)
    return rows, first[1][one], first[2][one], second[2][other]


def _newly(labels: Rows, was: Rows, now: Rows) -> tuple[Rows, Rows]:
    """The places of what is right now and was not, and the reverse."""
    before, after = was == labels, now == labels
    return np.flatnonzero(after & ~before), np.flatnonzero(before & ~after)


def representation_map(runs: Sequence[Run], trained: TrainedRuns) -> RepresentationMap | None:
    """The main configuration's first run: its student's and, where it has one, its teacher's representations of
    evaluation samples, at length one, in the plane of their first two principal components; None without its data."""
    run = min(configurations_of(runs)[main_configuration(runs)], key=lambda run: run.replicate)
    built, outputs = trained.of(run.folder), trained.outputs(run.folder)
    if built is None or outputs is None:
        return None
    views = tuple(view for view in _ASKED if view in outputs.present)
    made, labels = outputs.complete(*views)
    rows = outputs.rows[torch.stack([outputs.present[view] for view in views]).all(0)]
    if len(rows) < 3:
        return None
    placed, share = plane([made.representations[view] for view in views])
    drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:_MOST_DRAWN])
    return RepresentationMap(
        run.label,
        run.seed,
        {NAMES[view]: points.numpy()[drawn] for view, points in zip(views, placed, strict=True)},
        {NAMES[view]: made.logits[view].argmax(1).numpy()[drawn] for view in views},
        labels.numpy()[drawn],
        [caption(built.dataset, int(rows[place])) for place in drawn],
        share,
        len(rows),
        run.fold,
    )


def plane(representations: Sequence[Tensor]) -> tuple[list[Tensor], float]:
    """All of them (N, D) at length one, in the plane of the first two principal components of them together: (N, 2)
    each, and the share of the variance that the plane holds. A component's sign is that its largest part is positive.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> (points,), share = plane([x])
    >>> share, points.norm(dim=1).tolist()
    (1.0, [1.0, 1.0, 1.0, 1.0])
    """
    together = torch.cat([unit_rows(each.double()) for each in representations])
    centred = together - together.mean(0)
    _, spread, directions = torch.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    points = centred @ (directions * torch.where(largest < 0, -1.0, 1.0)).T
    if points.shape[1] < 2:  # representations of one number each
        points = torch.nn.functional.pad(points, (0, 2 - points.shape[1]))
    total = float(spread.square().sum())
    share = float(spread[:2].square().sum()) / total if total else 1.0
    return list(points.split([len(each) for each in representations])), share


def pictures_of(built: Built, rows: Rows) -> list[Picture | None]:
    """What can be looked at of these rows: the data set's pictures, or those that the student sees, in their size."""
    dataset = built.dataset
    if len(dataset.pictures):
        return [dataset.pictures[row] for row in rows]
    for name in built.model.target:
        spec, column = built.spec.inputs[name], dataset.columns[name]
        if spec.kind == "picture":
            reading = read(column, rows, middle(len(rows)))
            values = np.asarray(reading.numbers)
            pixels = values * np.reshape(spec.reading.std, (3, 1, 1)) + np.reshape(spec.reading.mean, (3, 1, 1))
            shown = np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
            return [picture if there else None for picture, there in zip(shown, reading.present, strict=True)]
        if isinstance(column, ArrayColumn) and column.array.dtype == np.uint8 and column.shape[2:] == (3,):
            return [column.array[row] for row in rows]
    return [None] * len(rows)


def caption(dataset: MultimodalDataset, row: int) -> str:
    return dataset.captions[row] if dataset.captions else dataset.ids[row]
