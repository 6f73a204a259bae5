"""A small synthetic problem: windows of a sensor as target, feature vectors as auxiliary modality, three classes,
labels or numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from crossdistill.encoders import MLP, Conv
from crossdistill.models import CrossModalModel
from crossdistill.tasks import task_of
from crossdistill.types import Batch, StudentKind, TaskKind, TrainingSamples

WIDTH, CLASSES = 16, 3
SAMPLES, BATCH, STEPS, FEATURES = 96, 32, 12, 6


class Problem(NamedTuple):
    """A model, the training samples that memory banks are told of, and a batch of them.

    model: target `windows` (12, 3), auxiliary `vectors` (6,), width 16, 3 classes; samples: 96; batch: 32 of them

    >>> from crossdistill.testing import small_problem
    >>> problem = small_problem()
    >>> problem.model.target, problem.model.auxiliary, len(problem.samples.rows), len(problem.batch.labels)
    (('windows',), ('vectors',), 96, 32)
    """

    model: CrossModalModel
    samples: TrainingSamples
    batch: Batch


def small_problem(
    seed: int = 0,
    student: StudentKind = "projected",
    separate_teacher: bool = False,
    task: TaskKind = "classification",
) -> Problem:
    """The problem on which `check_method` tries a method; also a quick stand-in for data in examples and tests.

    student: what its model makes S with; separate_teacher: the model's teacher has encoders and a classifier of its
    own, as one has that is to be fixed; task: what is predicted, see `labels_of`. The same for the same seed; the
    caller's random state stays as it was.

    >>> from crossdistill.testing import small_problem
    >>> model, samples, batch = small_problem()
    >>> model.predict({"windows": batch.modalities["windows"]}).shape
    torch.Size([32, 3])
    >>> batch.labels.bincount().tolist()
    [11, 11, 10]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        convolution = Conv(3, WIDTH, layers=2, hidden=8)
        convolution.mixes = True  # so that what a method makes of mixed inputs is tried, too
        encoders = {"windows": convolution, "vectors": MLP(FEATURES, WIDTH, hidden=16)}
        model = CrossModalModel(
            encoders,
            target=("windows",),
            auxiliary=("vectors",),
            width=WIDTH,
            classes=CLASSES,
            separate_teacher=separate_teacher,
            student=student,
            task=task_of(task, ("a", "b", "c"), (1.0, 5 / 3, -1.0), (0.8, 1.7, 0.8)),
        )
        labels = torch.arange(SAMPLES) // 3 % CLASSES
        rows = 5 + 2 * torch.arange(SAMPLES)  # a data set's rows: neither from 0 nor without gaps
        phase = torch.linspace(0, 2 * math.pi, STEPS)[None, :] * (1 + labels[:, None])
        windows = torch.stack([phase.sin(), phase.cos(), torch.zeros_like(phase)], dim=2)
        windows = windows + 0.3 * torch.randn(SAMPLES, STEPS, 3)
        vectors = 2 * torch.randn(CLASSES, FEATURES)[labels] + 0.3 * torch.randn(SAMPLES, FEATURES)
    places = torch.arange(0, SAMPLES, SAMPLES // BATCH)
    labels = labels_of(task, labels)
    batch = Batch({"windows": windows[places], "vectors": vectors[places]}, labels[places], rows[places], {})
    return Problem(model, TrainingSamples(rows, labels), batch)


def labels_of(task: TaskKind, classes: Tensor) -> Tensor:
    """The labels of samples of these classes c (N,), -1 for none: c; of several labels c and c + 1 of 0, 1, 2 where
    there is such a one; of numbers c, c² and -c.

    >>> import torch
    >>> from crossdistill.testing.problem import labels_of
    >>> labels_of("multilabel", torch.tensor([0, 2])).tolist(), labels_of("regression", torch.tensor([2])).tolist()
    ([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[2.0, 4.0, -2.0]])
    """
    if task == "classification":
        return classes
    numbers = torch.arange(CLASSES)
    if task == "multilabel":
        several = ((numbers == classes[:, None]) | (numbers == classes[:, None] + 1)).float()
    else:
        several = torch.stack([classes, classes.square(), -classes], dim=1).double()
    return several.masked_fill(classes[:, None] < 0, math.nan)
