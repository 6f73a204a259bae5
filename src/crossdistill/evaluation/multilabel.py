"""Metrics of multi-label classification, all in [0, 1].

`labels` (N, C) are 0 or 1; `scores` (N, C) are logits, or whatever is higher for a likelier label and above 0 where the
label is predicted. All raise ValueError on other shapes or values, and without samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation.arrays import Array, as_numpy


def f1(scores: Array, labels: Array) -> tuple[float, float]:
    """Micro- and macro-F1 at a probability of 1/2: 2 TP / (2 TP + FP + FN) of all decisions together, and the mean over
    labels of each label's own.

    A label that is neither there nor predicted has F1 0, as in scikit-learn.

    >>> import numpy as np
    >>> from crossdistill.evaluation.multilabel import f1
    >>> micro, macro = f1(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[1, 0], [1, 0]]))
    >>> micro, macro  # the first label is right twice, the second is said once and never there
    (0.8, 0.5)
    """
    given, true = _checked(scores, labels)
    said = given > 0
    hits, wrong = (said & true).sum(0), (said != true).sum(0)
    each = np.divide(2 * hits, 2 * hits + wrong, out=np.zeros(len(hits)), where=hits > 0)
    total = 2 * hits.sum() + wrong.sum()
    return (float(2 * hits.sum() / total) if total else 0.0), float(each.mean())


def average_precisions(scores: Array, labels: Array) -> npt.NDArray[np.float64]:
    """(C,) of each label the mean of the precision at the scores by which its recall rises, NaN where no sample has it.

    Their mean, over labels that some sample has, is mAP: no threshold is in it. Samples with equal scores come in
    together, as in scikit-learn.

    >>> import numpy as np
    >>> from crossdistill.evaluation.multilabel import average_precisions
    >>> average_precisions(np.array([[3.0], [2.0], [1.0]]), np.array([[1], [0], [1]])).round(3).tolist()
    [0.833]
    """
    given, true = _checked(scores, labels)
    return np.array([_average_precision(given[:, place], true[:, place]) for place in range(given.shape[1])])


def _average_precision(scores: npt.NDArray[np.float64], true: npt.NDArray[np.bool_]) -> float:
    if not true.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(order) - 1)
    hits = np.cumsum(true[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])


def _checked(scores: Array, labels: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    given, true = as_numpy(scores).astype(np.float64), as_numpy(labels)
    if given.ndim != 2 or given.shape != true.shape or not given.size:
        raise ValueError(f"expected scores and labels of one shape (N, C), found {given.shape} and {true.shape}")
    if np.isnan(given).any() or not np.isin(true, (0, 1)).all():
        raise ValueError("expected labels of 0 and 1, and scores without NaN")
    return given, true.astype(np.bool_)
