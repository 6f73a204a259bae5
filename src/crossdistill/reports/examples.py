"""What each student finds when it searches: pictures for the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from crossdistill.data import MultimodalDataset
from crossdistill.evaluation import nearest
from crossdistill.evaluation.collect import outputs_of
from crossdistill.methods import Method
from crossdistill.recipes.recipe import DataSettings
from crossdistill.reports import RetrievalExample, RetrievedItem
from crossdistill.runs.data import FROM_PYTHON, load_dataset
from crossdistill.runs.folder import read_recipe
from crossdistill.runs.run import load_trained
from crossdistill.types import InputError, Listener

_NEAREST = 5
_QUERIES = 6


def retrieval_examples(folders: Sequence[Path], listener: Listener = Listener()) -> list[RetrievalExample]:
    """For a few evaluation samples, the nearest training samples by each configuration's student, of its first run.

    The queries are drawn by a fixed seed, each of another class, before anything is searched: none is picked for how
    well it does. Empty when the data has no pictures or no run has a student. listener: hears of data that are not
    where they were; the other contents of a report need none.
    """
    retrieved: dict[str, list[list[RetrievedItem]]] = {}
    queries: list[int] = []
    for folder in folders:
        recipe = read_recipe(folder)
        label = recipe.label or recipe.method
        if label in retrieved or recipe.data.source.startswith(FROM_PYTHON):
            continue
        try:
            loaded = load_dataset(recipe.data)
        except InputError as error:
            listener.say(f"Without pictures of what the student of {label} finds: {error}")
            continue
        if len(loaded.pictures) == 0 or loaded.task != "classification":
            continue
        built = load_trained(folder, loaded)
        dataset, method = built.dataset, built.method
        if "target" not in method.predicts:
            continue
        rows = dataset.rows(recipe.data.evaluate_on)
        queries = queries or _draw_queries(dataset.labels, rows)
        retrieved[label] = search(dataset, method, recipe.data, queries)
    return [
        RetrievalExample(
            dataset.pictures[query],
            dataset.classes[dataset.labels[query]],
            caption(dataset, query),
            {name: items[position] for name, items in retrieved.items()},
        )
        for position, query in enumerate(queries)
    ]


def _draw_queries(labels: np.ndarray, rows: np.ndarray) -> list[int]:
    """One row of each of `_QUERIES` classes, by a fixed seed."""
    order = np.random.default_rng(0).permutation(rows)
    _, first = np.unique(labels[order], return_index=True)
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
                dataset.classes[dataset.labels[row]],
                caption(dataset, row),
                bool(dataset.labels[row] == dataset.labels[query]),
            )
            for row in rows
        ]
        for query, rows in zip(queries, neighbour_rows, strict=True)
    ]


def caption(dataset: MultimodalDataset, row: int) -> str:
    return dataset.captions[row] if dataset.captions else dataset.ids[row]
