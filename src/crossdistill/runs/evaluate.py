"""Measuring a finished run's saved model again."""

from __future__ import annotations

from pathlib import Path

import torch

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.runs.measure import with_scores
from crossdistill.runs.results import RunResults, read_results
from crossdistill.runs.run import load_trained
from crossdistill.training.engine import on_threads


def evaluate(folder: Path | str, dataset: MultimodalDataset | None = None) -> RunResults:
    """The results of a finished run with the scores that its saved model has now, on the CPU; its files stay.

    Time, memory and digests are those of the training.

    Args:
        folder: of the run
        dataset: where the run's data came from Python; otherwise they are read from where the recipe says

    Raises:
        InputError: the folder holds no finished run, its files do not fit together, or its data are not there.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> x = np.random.default_rng(0).normal(size=(40, 3)); y = np.arange(40) % 2
    >>> data = crossdistill.from_arrays({"wrist": x + y[:, None]}, y, splits=np.arange(40) >= 30)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=1)
    >>> folder = tempfile.mkdtemp()
    >>> trained = crossdistill.run(recipe, folder, dataset=data)
    >>> crossdistill.evaluate(folder, data).scores["student"].top1 == trained.scores["student"].top1
    True
    """
    built = load_trained(Path(folder), dataset)
    with on_threads(built.recipe.machine.threads):
        return with_scores(read_results(Path(folder)), built, torch.device("cpu"))
