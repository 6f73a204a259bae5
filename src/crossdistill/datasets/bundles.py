"""The data sets inside the package: one .npz per data set, plain arrays, written by scripts/build_bundled.py."""

from __future__ import annotations

from importlib import resources

import numpy as np

from crossdistill.data.dataset import MultimodalDataset, from_arrays

PREFIX = "modality/"
"""How the names of arrays that hold a modality begin."""


def load_bundle(name: str) -> MultimodalDataset:
    """The data set that the package brings under this name."""
    with resources.files(__package__).joinpath(f"bundled/{name}.npz").open("rb") as file:
        arrays = dict(np.load(file, allow_pickle=False))
    return from_arrays(
        {key.removeprefix(PREFIX): array for key, array in arrays.items() if key.startswith(PREFIX)},
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
