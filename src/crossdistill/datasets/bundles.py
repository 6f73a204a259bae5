"""The data sets inside the package: one .npz per data set, plain arrays, written by scripts/build_bundled.py."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from crossdistill.data.columns import ArrayColumn
from crossdistill.data.dataset import MultimodalDataset, from_arrays

_PREFIX = "modality/"


def save_bundle(path: Path, dataset: MultimodalDataset) -> None:
    """Write a data set of fixed-size arrays, each in the dtype it has. The same data set gives the same bytes."""
    arrays = {
        "labels": dataset.labels.astype(np.uint8),
        "classes": np.array(dataset.classes),
        "ids": np.array(dataset.ids),
        "splits": dataset.splits,
        "groups": dataset.groups,
        "folds": dataset.folds,
        "pictures": dataset.pictures,
        "captions": np.array(dataset.captions, dtype=np.str_),
    }
    for name, column in dataset.columns.items():
        if not isinstance(column, ArrayColumn):
            raise TypeError(f"expected an ArrayColumn, found {type(column).__name__} for '{name}'")
        arrays[_PREFIX + name] = column.array
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)  # zip entries carry 1980-01-01, not the time of writing


def load_bundle(name: str) -> MultimodalDataset:
    """The data set that the package brings under this name."""
    with resources.files(__package__).joinpath(f"bundled/{name}.npz").open("rb") as file:
        arrays = dict(np.load(file, allow_pickle=False))
    return from_arrays(
        {key.removeprefix(_PREFIX): array for key, array in arrays.items() if key.startswith(_PREFIX)},
        arrays["labels"],
        splits=arrays["splits"],
        ids=arrays["ids"].tolist(),
        groups=arrays["groups"],
        folds=arrays["folds"],
        classes=arrays["classes"].tolist(),
        pictures=arrays["pictures"],
        captions=arrays["captions"].tolist(),
        name=name,
    )
