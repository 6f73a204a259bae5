"""Classification metrics, all in [0, 1].

Every function takes `scores`, which are either logits (N, C) of any real scale or predicted classes (N,), and
`labels` (N,), the true classes in [0, C); numpy arrays and tensors on any device alike.
All raise ValueError when shapes disagree, nothing is given, a class is outside [0, C) or a logit is NaN. How many
classes there are is known of logits, or is told; of predicted classes alone any number from 0 is one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation.arrays import Array, as_numpy


def top1(scores: Array, labels: Array) -> float:
    """Fraction of samples whose highest logit (the lowest class among equals) is the label's.

    Plain accuracy, for classes of much the same size.

    Args:
        scores: logits (N, C) or classes (N,)
        labels: (N,)

    Raises:
        ValueError: shapes that disagree, no samples, a class outside [0, C), or a NaN logit.

    >>> import torch
    >>> from crossdistill.evaluation import top1
    >>> top1(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))  # logits
    0.5
    >>> top1(torch.tensor([0, 1]), torch.tensor([0, 1]))  # predicted classes
    1.0
    """
    predicted, true = _checked(scores, labels)
    return float((predicted == true).mean())


def weighted_accuracy(scores: Array, labels: Array) -> float:
    """WA of emotion recognition: recall of each class weighted by its size, which is plain accuracy.

    Report it beside `unweighted_accuracy` where that is the field's habit.

    Args:
        scores: logits (N, C) or classes (N,)
        labels: (N,)

    Raises:
        ValueError: shapes that disagree, no samples, a class outside [0, C), or a NaN logit.

    >>> import numpy as np
    >>> from crossdistill.evaluation import weighted_accuracy
    >>> weighted_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))  # always the larger class
    0.75
    """
    return top1(scores, labels)


def unweighted_accuracy(scores: Array, labels: Array) -> float:
    """UA of emotion recognition: mean recall over the classes that occur in `labels` (balanced accuracy).

    Use it where classes differ in size: always saying the largest one gives 1/C.

    Args:
        scores: logits (N, C) or classes (N,)
        labels: (N,)

    Raises:
        ValueError: shapes that disagree, no samples, a class outside [0, C), or a NaN logit.

    >>> import numpy as np
    >>> from crossdistill.evaluation import unweighted_accuracy
    >>> unweighted_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))  # always the larger class
    0.5
    """
    predicted, true = _checked(scores, labels)
    size = np.bincount(true)
    hits = np.bincount(true[predicted == true], minlength=size.size)
    return float((hits[size > 0] / size[size > 0]).mean())


def per_class_accuracy(scores: Array, labels: Array, classes: int) -> npt.NDArray[np.float64]:
    """(C,) recall of each class; NaN for a class that no label has.

    It tells which classes a mean hides.

    Args:
        scores: logits (N, C) or classes (N,)
        labels: (N,)
        classes: C

    Raises:
        ValueError: shapes that disagree, no samples, a class outside [0, C), or a NaN logit.

    >>> import numpy as np
    >>> from crossdistill.evaluation import per_class_accuracy
    >>> per_class_accuracy(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]), classes=3).tolist()
    [1.0, 0.5, nan]
    """
    matrix = confusion_matrix(scores, labels, classes)
    size = matrix.sum(1)
    recall = np.full(classes, np.nan)
    np.divide(matrix.diagonal(), size, out=recall, where=size > 0)
    return recall


def confusion_matrix(scores: Array, labels: Array, classes: int) -> npt.NDArray[np.int64]:
    """(C, C) counts: row = true class, column = predicted class.

    It tells which classes are taken for which.

    Args:
        scores: logits (N, C) or classes (N,)
        labels: (N,)
        classes: C

    Raises:
        ValueError: shapes that disagree, no samples, a class outside [0, C), or a NaN logit.

    >>> import numpy as np
    >>> from crossdistill.evaluation import confusion_matrix
    >>> confusion_matrix(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]), classes=2).tolist()
    [[2, 0], [1, 1]]
    """
    predicted, true = _checked(scores, labels)
    _check_classes(predicted, classes, "predictions")
    _check_classes(true, classes, "labels")
    if np.ndim(scores) == 2 and np.shape(scores)[1] != classes:
        raise ValueError(f"logits have {scores.shape[1]} columns, expected one for each of the {classes} classes")
    counts = np.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def _checked(scores: Array, labels: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Predicted and true classes, both (N,) int64."""
    given, true = as_numpy(scores), _integers(as_numpy(labels), "labels")
    if given.ndim not in (1, 2) or true.ndim != 1 or len(given) != len(true):
        raise ValueError(
            f"expected logits (N, C) or predictions (N,) with labels (N,), found {given.shape} and {true.shape}"
        )
    if not len(true):
        raise ValueError("expected at least one sample, found none")
    predicted = _integers(given, "predictions") if given.ndim == 1 else _highest(given)
    if given.ndim == 2:
        _check_classes(true, given.shape[1], "labels")
    if true.min() < 0 or predicted.min() < 0:
        raise ValueError("classes are counted from 0, found a negative one")
    return predicted, true


def _highest(logits: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    if not logits.shape[1]:
        raise ValueError(f"logits of shape {logits.shape} have no classes")
    undefined = np.isnan(logits.astype(np.float64)).any(1)
    if undefined.any():  # argmax would name some class, and a diverged model would get an accuracy
        raise ValueError(f"logits of {undefined.sum()} samples are NaN, the first in row {int(undefined.argmax())}")
    return np.asarray(logits.argmax(1), dtype=np.int64)


def _check_classes(values: npt.NDArray[np.int64], classes: int, what: str) -> None:
    if values.max() >= classes:
        raise ValueError(f"{what} go up to {values.max()}, expected less than the number of classes, {classes}")


def _integers(values: npt.NDArray[np.generic], what: str) -> npt.NDArray[np.int64]:
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{what} must be integer classes, found dtype {values.dtype}")
    return values.astype(np.int64)
