"""Measuring a finished run's saved model again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.listening import Listener
from crossdistill.runs.folder import read_recipe
from crossdistill.runs.measure import with_scores
from crossdistill.runs.results import RunResults, read_results
from crossdistill.runs.run import load_trained
from crossdistill.runs.same_data import changed_since_training, require_data_of_training
from crossdistill.training.engine import on_threads


def evaluate(
    folder: Path | str,
    dataset: MultimodalDataset | None = None,
    source: str = "",
    listener: Listener = Listener(),
) -> RunResults:
    """The results of a finished run with the scores that its saved model has now, on the CPU; its files stay.

    Time, memory and digests are those of the training.

    Args:
        folder: of the run
        dataset: where the run's data came from Python; otherwise they are read from where the recipe says
        source: where the data are now, if they have moved
        listener: hears where the data set that was given is not the one of training, or files may have changed

    Raises:
        InputError: the folder holds no finished run, its files do not fit together, or its data are not there or others
            than in training.

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
    folder = Path(folder)
    recipe = read_recipe(folder)
    if source:
        recipe = replace(recipe, data=replace(recipe.data, source=source))
    built = load_trained(folder, dataset, recipe=recipe)
    if dataset is None:
        changed = require_data_of_training(folder, built.dataset, recipe.data.source)
    else:  # somebody has it in hand, and may want to know what the model makes of other samples
        changed = [part for parts in changed_since_training(folder, built.dataset) for part in parts]
    if changed:
        listener.say(f"Perhaps measured on other data than in training: {', '.join(changed)} may have changed")
    with on_threads(built.recipe.machine.threads):
        return with_scores(read_results(folder), built, torch.device("cpu"))
