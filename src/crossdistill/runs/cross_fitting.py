"""A teacher's outputs for samples that it was not trained on: cross-fitted, the mean of several, calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crossdistill.data.columns import ArrayColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import PartialColumn
from crossdistill.data.splits import labelled_folds
from crossdistill.data.targets import without_label
from crossdistill.evaluation.collect import outputs_of
from crossdistill.recipes.check import check
from crossdistill.recipes.recipe import DataSettings, Recipe, as_method
from crossdistill.requirements import require_above_zero
from crossdistill.runs.data import build_dataset, split_dataset, splits_in_use
from crossdistill.runs.run import load_trained, run
from crossdistill.types import InputError, Listener

OUTPUTS = "teacher_outputs"
"""What the modality is called."""


def cross_fitted(
    recipe: Recipe,
    folder: Path | str,
    dataset: MultimodalDataset | None = None,
    folds: int = 5,
    ensemble: int = 1,
    listener: Listener = Listener(),
) -> tuple[Recipe, MultimodalDataset]:
    """The recipe and the data set in which a cross-fitted teacher's outputs stand for the auxiliary modalities.

    The labelled training samples are divided into folds, of whole groups where the data's split is by groups. For each
    fold teachers of the recipe learn the labels of all others; a sample's outputs are those of the teachers that did
    not see its label, or, where it has none, of all: the mean of their probabilities. A temperature is then chosen by
    the likelihood of the labels. So the student learns what the modalities say of a sample, not what its teacher
    remembers. `model.teacher` is given in the recipe that is returned; run it with the data set that is returned.
    After Lopez-Paz et al. (ICLR 2016) for the order, and Guo et al. (ICML 2017) for the temperature.

    Args:
        recipe: of a method that learns from a teacher's outputs alone, for classes
        folder: for the teachers' runs, one each; finished ones are kept and killed ones gone on with
        dataset: one made in Python, in place of the recipe's `data.source`
        folds: into how many the labelled training samples are divided
        ensemble: teachers of each fold, which differ by their seeds
        listener: hears of each run

    Raises:
        InputError: no student could learn so.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> y = np.arange(60) % 2
    >>> data = crossdistill.from_arrays({"wrist": np.eye(2)[y], "camera": np.eye(3)[y]}, y, splits=np.arange(60) >= 40)
    >>> recipe = replace(crossdistill.own(("wrist",), ("camera",)), method="kd", epochs=2, batch_size=8)
    >>> taught, data = crossdistill.cross_fitted(recipe, tempfile.mkdtemp(), data, folds=2)
    >>> data.shapes, taught.model.teacher
    ({'wrist': (2,), 'teacher_outputs': (2,)}, 'given')
    >>> crossdistill.run(taught, tempfile.mkdtemp(), dataset=data)["student"]["top1"]
    1.0
    """
    require_above_zero({"folds": folds, "ensemble": ensemble})
    taught = _taught(recipe)
    check(taught)
    if recipe.data.task != "classification" or (dataset is not None and dataset.task != "classification"):
        raise InputError("data.task: cross-fitting has a meaning for classes alone")
    if dataset is None:
        whole = build_dataset(recipe.data, recipe.seed)
    else:
        whole = split_dataset(dataset, recipe.data, recipe.seed)
    fold = labelled_folds(whole, folds, recipe.seed)
    rows = np.sort(np.concatenate([whole.rows(split) for split in splits_in_use(recipe.data)]))
    said = torch.zeros(int(fold.max()) + 1, len(rows), len(whole.classes), dtype=torch.float64)
    for number in range(len(said)):
        learnt = replace(whole, labels=without_label(whole.labels, np.flatnonzero(fold == number)))
        for member in range(ensemble):
            made = _teacher(recipe, f"fold {number}", recipe.seed * ensemble + member)
            place = Path(folder) / f"fold{number}-member{member}"
            run(made, place, resume=True, listener=listener, dataset=learnt)
            built = load_trained(place, learnt)
            outputs = outputs_of(whole, rows, built.model, ("full",), torch.device("cpu"), 0, recipe.data.windows)
            said[number] += outputs.made.logits["full"].double().softmax(1) / ensemble
    present = np.zeros(len(whole), dtype=np.bool_)
    present[rows] = outputs.present["full"].numpy()
    logits = _unseen(said, torch.from_numpy(fold[rows])).log()
    labels, judged = torch.from_numpy(whole.labels[rows]), torch.from_numpy((fold[rows] >= 0) & present[rows])
    logits = (logits / temperature_of(logits[judged], labels[judged])).log_softmax(1)
    column = PartialColumn(ArrayColumn(logits[outputs.present["full"]].float().numpy(), OUTPUTS), present)
    return taught, replace(whole, columns={**whole.only(recipe.data.target).columns, OUTPUTS: column})


def temperature_of(logits: Tensor, labels: Tensor) -> float:
    """The T within [0.05, 20] at which softmax(logits / T) gives the labels (n,) the highest likelihood; the negative
    logarithm of it is convex in 1 / T."""
    low, high = 0.05, 20.0
    for _ in range(60):
        third, beyond = low + (high - low) / 3, high - (high - low) / 3
        if _surprise(third * logits, labels) < _surprise(beyond * logits, labels):
            high = beyond
        else:
            low = third
    return 2 / (low + high)


def _surprise(logits: Tensor, labels: Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(logits, labels))


def _unseen(said: Tensor, fold: Tensor) -> Tensor:
    """(n, C) probabilities of those folds' teachers (F, n, C) that did not see a sample's label (n,), not below what
    float32 can tell from 0."""
    own = said[fold.clamp_min(0), torch.arange(len(fold))]
    return torch.where((fold >= 0)[:, None], own, said.mean(0)).clamp_min(1e-7)


def _taught(recipe: Recipe) -> Recipe:
    """What trains the student, on the data set that is returned."""
    target = recipe.data.target
    readers = {name: reader for name, reader in recipe.data.readers.items() if name in target}
    data = replace(_divided(recipe.data), auxiliary=(OUTPUTS,), readers=readers)
    encoders = {name: settings for name, settings in recipe.model.encoders.items() if name in target}
    model = replace(recipe.model, teacher="given", encoders=encoders)
    return replace(recipe, data=data, model=model)


def _teacher(recipe: Recipe, label: str, seed: int) -> Recipe:
    data = replace(_divided(recipe.data), evaluate_on="none", choose_epoch_on="none")
    return replace(as_method(recipe, "teacher"), label=f"teacher, {label}", seed=seed, data=data)


def _divided(settings: DataSettings) -> DataSettings:
    """For data that have their split, their labels and their control already."""
    return replace(settings, fold=-1, control="none", labelled=1.0, labelled_groups=0)
