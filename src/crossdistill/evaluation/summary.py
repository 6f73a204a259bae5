"""Every number that is kept about one view (student, teacher or auxiliary model) of a trained model."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation.arrays import Array
from crossdistill.evaluation.classification import (
    confusion_matrix,
    per_class_accuracy,
    top1,
    unweighted_accuracy,
    weighted_accuracy,
)
from crossdistill.evaluation.multilabel import average_precisions, f1
from crossdistill.evaluation.regression import (
    mean_absolute_errors,
    pearson_correlations,
    r2_scores,
    root_mean_squared_errors,
)
from crossdistill.evaluation.retrieval import Search, recall_at_k

_ViewSummary = dict[str, float | list[float] | list[list[int]]]


def evaluate_view(
    logits: Array, representations: Array, labels: Array, gallery_representations: Array, gallery_labels: Array
) -> _ViewSummary:
    """Metrics of one view as plain numbers, ready for JSON; all in [0, 1] but the confusion counts.

    Use it to write a trained view's results in one go.

    Args:
        logits: (N, C), of the evaluation split
        representations: (N, D)
        labels: (N,)
        gallery_representations: (G, D), of the split that is searched (training)
        gallery_labels: (G,)

    Returns:
        top1, wa, ua, r1, r5 (floats), per_class (C,; NaN where a class does not occur), confusion (C, C; row = true).

    Raises:
        ValueError: a shape mismatch.

    >>> import torch
    >>> from crossdistill.evaluation import evaluate_view
    >>> logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1])
    >>> gallery, gallery_labels = torch.eye(2), torch.tensor([0, 1])
    >>> results = evaluate_view(logits, logits, labels, gallery, gallery_labels)
    >>> {name: round(results[name], 3) for name in ("top1", "ua", "r1")}, results["confusion"]
    ({'top1': 0.667, 'ua': 0.75, 'r1': 0.667}, [[1, 0], [1, 1]])
    """
    if logits.ndim != 2 or len(representations) != len(logits):
        raise ValueError(
            f"expected logits (N, C) and representations (N, D), found {tuple(logits.shape)} and "
            f"{tuple(representations.shape)}"
        )
    classes = logits.shape[1]
    recall = recall_at_k(representations, labels, gallery_representations, gallery_labels, ks=(1, 5))
    return {
        "top1": top1(logits, labels),
        "wa": weighted_accuracy(logits, labels),
        "ua": unweighted_accuracy(logits, labels),
        "r1": recall[1],
        "r5": recall[5],
        "per_class": per_class_accuracy(logits, labels, classes).tolist(),
        "confusion": confusion_matrix(logits, labels, classes).tolist(),
    }


def evaluate_labels(logits: Array, labels: Array) -> _ViewSummary:
    """Metrics of multi-label predictions as plain numbers. logits: (N, C); labels: (N, C) of 0 and 1.

    Keys: map, over the labels that some sample has, micro_f1, macro_f1 (floats), per_label (C,; average precisions).

    >>> import torch
    >>> from crossdistill.evaluation.summary import evaluate_labels
    >>> logits, labels = torch.tensor([[2.0, -1.0], [-1.0, 2.0]]), torch.eye(2)
    >>> evaluate_labels(logits, labels)
    {'map': 1.0, 'micro_f1': 1.0, 'macro_f1': 1.0, 'per_label': [1.0, 1.0]}
    """
    precisions = average_precisions(logits, labels)
    micro, macro = f1(logits, labels)
    mean = _mean(precisions[~np.isnan(precisions)])
    return {"map": mean, "micro_f1": micro, "macro_f1": macro, "per_label": precisions.tolist()}


def evaluate_retrieval(
    representations: Array, labels: Array, gallery_representations: Array, gallery_labels: Array
) -> dict[str, float]:
    """R@1, R@5 and mAP@100 of samples with several labels, for which a gallery row is relevant that shares one.

    representations: (N, D); labels: (N, C) of 0 and 1; gallery_...: (G, D) and (G, C), of the split that is searched.
    Keys: r1, r5, map_100.

    >>> import torch
    >>> from crossdistill.evaluation.summary import evaluate_retrieval
    >>> evaluate_retrieval(torch.eye(2), torch.tensor([[1, 1], [0, 1]]), torch.eye(2), torch.tensor([[1, 0], [1, 0]]))
    {'r1': 0.5, 'r5': 0.5, 'map_100': 0.5}
    """
    search = Search.of(representations, labels, gallery_representations, gallery_labels, (1, 5, 100))
    recall, precision = search.recall((1, 5)), search.mean_average_precision((100,))
    return {"r1": recall[1], "r5": recall[5], "map_100": precision[100]}


def evaluate_numbers(predicted: Array, true: Array) -> _ViewSummary:
    """Metrics of predicted numbers as plain numbers; both arguments are (N, K), in their own units.

    Keys: r2, pearson (floats, means over those of the K that have an R²), rmse, mae (floats, means over the K, which
    say nothing where these have several units), per_number (K,; R²), per_number_rmse, per_number_mae (K,; each in its
    own unit). A number that is the same in all samples has no R²: NaN, as where no mean is defined.

    >>> import numpy as np
    >>> from crossdistill.evaluation.summary import evaluate_numbers
    >>> found = evaluate_numbers(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]))
    >>> found["r2"], found["mae"], found["rmse"] == 0.5**0.5
    (0.5, 0.5, True)
    """
    r2 = r2_scores(predicted, true)
    squared, absolute = root_mean_squared_errors(predicted, true), mean_absolute_errors(predicted, true)
    defined = ~np.isnan(r2)
    return {
        "r2": _mean(r2[defined]),
        "rmse": _mean(squared),
        "mae": _mean(absolute),
        "pearson": _mean(pearson_correlations(predicted, true)[defined]),
        "per_number": r2.tolist(),
        "per_number_rmse": squared.tolist(),
        "per_number_mae": absolute.tolist(),
    }


def _mean(values: npt.NDArray[np.float64]) -> float:
    """NaN of none."""
    return float(values.mean()) if len(values) else math.nan
