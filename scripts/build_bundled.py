"""Make src/crossdistill/datasets/bundled/*.npz from the research data; the same source gives the same bytes.

python scripts/build_bundled.py --source ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from crossdistill.data.columns import ArrayColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.datasets import emoji, watch
from crossdistill.datasets.bundles import PREFIX

BUNDLED = Path(__file__).parents[1] / "src" / "crossdistill" / "datasets" / "bundled"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder with emoji.npz and watch.npz")
    parser.add_argument("--output", type=Path, default=BUNDLED)
    options = parser.parse_args()
    for data_set in (emoji.from_release(options.source), watch.from_release(options.source)):
        path = options.output / f"{data_set.name}.npz"
        save_bundle(path, data_set)
        print(f"{path.name}: {len(data_set)} samples, {path.stat().st_size / 1e6:.2f} MB")


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
        arrays[PREFIX + name] = column.array
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)  # zip entries carry 1980-01-01, not the time of writing


if __name__ == "__main__":
    main()
