"""A teacher's outputs for samples that it was not trained on: cross-fitted, the mean of several, calibrated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossdistill.atomic import write_atomically
from crossdistill.data.columns import ArrayColumn, Rows
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.fingerprint import differing, fingerprint
from crossdistill.data.labels import few_of
from crossdistill.data.reading import PartialColumn
from crossdistill.data.splits import labelled_folds
from crossdistill.data.targets import without_label
from crossdistill.evaluation.collect import outputs_of
from crossdistill.listening import WARNING
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.storage import read_tensors, write_tensors
from crossdistill.plain_text import read_text
from crossdistill.recipes.cross_fitted import CROSS_FITTED, OUTPUTS, of_fold
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.data import splits_in_use
from crossdistill.runs.folder import TEACHERS
from crossdistill.runs.results import read_results
from crossdistill.types import InputError, cause

_NAMED = 3
"""Classes that a warning names."""
_KEPT, _OF = "outputs.safetensors", "outputs.json"

TrainTeacher = Callable[[Recipe, Path, MultimodalDataset], CrossModalModel]
"""Recipe, folder and data to the trained model; what is trained already is read."""


def with_teacher_outputs(
    recipe: Recipe,
    folder: Path,
    dataset: MultimodalDataset,
    train: TrainTeacher,
    device: torch.device,
    say: Callable[[str], None] = lambda line: None,
) -> MultimodalDataset:
    """The data set with what a cross-fitted teacher says of each sample, in place of its auxiliary modalities.

    The labelled training samples are divided into `model.folds` folds, of whole groups where the data's split is by
    groups. For each fold `model.ensemble` teachers learn the labels of all others; a sample's outputs are those of the
    teachers that did not see its label, or, where it has none, of all: the mean of their probabilities. A temperature
    is then chosen by the likelihood of the labels. So the student learns what the modalities say of a sample, not what
    its teacher remembers. Samples of a class that one fold alone has are learnt by all teachers, which would else teach
    that it does not exist; they have no outputs, and teach by their label.

    folder: of the run; what the teachers say is kept there. dataset: with its split and the labels that are left;
    device: what the teachers compute on; say: hears of fewer folds than the recipe's, and of such classes.
    After Lopez-Paz et al. (ICLR 2016) for the order, and Guo et al. (ICML 2017) for the temperature.
    """
    place = folder / TEACHERS
    if (place / _OF).exists():
        return with_kept_outputs(folder, dataset)
    fold = labelled_folds(dataset, recipe.model.folds, recipe.seed)
    for line in _departures(recipe, dataset, fold):
        say(line)
    present, logits = _outputs(recipe, place, dataset, fold, train, device)
    _keep(place, dataset, present, logits)
    return _with_outputs(dataset, present, logits)


def with_kept_outputs(folder: Path, dataset: MultimodalDataset) -> MultimodalDataset:
    """The data set with what the run's teachers have said. Raises InputError where that is of other data."""
    place = folder / TEACHERS
    before, digests = _described(place / _OF)
    if changed := differing(before, fingerprint(dataset)):
        raise InputError(f"{place}: is of other data: {', '.join(changed)} differ from when its teachers were trained")
    kept = read_tensors(place / _KEPT, digests)
    return _with_outputs(dataset, kept["present"], kept["logits"])


def _with_outputs(dataset: MultimodalDataset, present: Tensor, logits: Tensor) -> MultimodalDataset:
    column = PartialColumn(ArrayColumn(logits.numpy(), OUTPUTS), present.numpy())
    return replace(dataset, columns={**dataset.columns, OUTPUTS: column})


def teachers_seconds(folder: Path) -> float:
    """How long the run's teachers were trained."""
    return sum(read_results(path.parent).seconds for path in (folder / TEACHERS).glob("*/results.json"))


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


def _departures(recipe: Recipe, dataset: MultimodalDataset, fold: Rows) -> Iterator[str]:
    """What of the recipe's folds the labels did not allow."""
    asked, made = recipe.model.folds, int(fold.max()) + 1
    if made < asked:
        yield (
            f"{WARNING}model.folds {asked}: {made} are made: labels are of no more groups, or no class has more of them"
        )
    if dataset.task == "classification":
        labelled = dataset.labelled_rows("train")
        judged = np.unique(dataset.labels[fold >= 0])
        if len(others := np.setdiff1d(dataset.labels[labelled], judged)):
            named = few_of([f"'{dataset.classes[number]}'" for number in others], _NAMED, "more classes")
            yield (
                f"{WARNING}model.teacher: {CROSS_FITTED}: labelled samples of {named} are in one fold alone, or lack a "
                "modality: all teachers learn them, and they teach the student by their label"
            )


def _outputs(
    recipe: Recipe, place: Path, dataset: MultimodalDataset, fold: Rows, train: TrainTeacher, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Of all rows, which have outputs, (N,) bool, and the calibrated logits (n, C) of those that do."""
    rows = np.sort(np.concatenate([dataset.rows(split) for split in splits_in_use(recipe.data)]))
    said = torch.zeros(int(fold.max()) + 1, len(rows), len(dataset.classes), dtype=torch.float64)
    for number in range(len(said)):
        learnt = replace(dataset, labels=without_label(dataset.labels, np.flatnonzero(fold == number)))
        for member in range(recipe.model.ensemble):
            model = train(of_fold(recipe, number, member), place / f"fold{number}-member{member}", learnt).to(device)
            outputs = outputs_of(dataset, rows, model, ("full",), device, 0, recipe.data.windows)
            said[number] += outputs.made.logits["full"].double().softmax(1) / recipe.model.ensemble
    present = torch.zeros(len(dataset), dtype=torch.bool)
    present[rows] = outputs.present["full"]
    learnt_by_all = dataset.labelled_rows("train")
    present[learnt_by_all[fold[learnt_by_all] < 0]] = False
    logits = _unseen(said, torch.from_numpy(fold[rows])).log()
    judged = torch.from_numpy(fold[rows] >= 0) & outputs.present["full"]
    temperature = temperature_of(logits[judged], torch.from_numpy(dataset.labels[rows])[judged])
    return present, (logits / temperature).log_softmax(1)[present[rows]].float()


def _unseen(said: Tensor, fold: Tensor) -> Tensor:
    """(n, C) probabilities of those folds' teachers (F, n, C) that did not see a sample's label (n,), not below what
    float32 can tell from 0."""
    own = said[fold.clamp_min(0), torch.arange(len(fold))]
    return torch.where((fold >= 0)[:, None], own, said.mean(0)).clamp_min(1e-7)


def _surprise(logits: Tensor, labels: Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(logits, labels))


def _keep(place: Path, dataset: MultimodalDataset, present: Tensor, logits: Tensor) -> None:
    """The description last: where it is, all is."""
    digest = write_tensors(place / _KEPT, {"present": present, "logits": logits})
    described = {"data": fingerprint(dataset), "digests": {_KEPT: digest}}
    write_atomically(place / _OF, json.dumps(described, indent=1) + "\n")


def _described(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The data's parts and the file's digest. Raises InputError for what was not written here."""
    try:
        described: Any = json.loads(read_text(path))
        data, digests = dict(described["data"]), dict(described["digests"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: is not there: the run's teachers are not all trained; go on with --resume"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {cause(error)}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}); delete it, then train with --resume"
        ) from error
    return data, digests
