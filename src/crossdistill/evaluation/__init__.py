"""How good a trained view is: classification, retrieval, and whether a difference is more than seed noise."""

from crossdistill.evaluation.classification import (
    confusion_matrix,
    per_class_accuracy,
    top1,
    unweighted_accuracy,
    weighted_accuracy,
)
from crossdistill.evaluation.ranks import Ranking, critical_difference, not_separated, ranking
from crossdistill.evaluation.retrieval import map_at_k, nearest, recall_at_k
from crossdistill.evaluation.significance import (
    gap_recovered,
    holm,
    least_significant,
    mean_ci,
    paired_test,
    signed_rank_test,
    wilson_interval,
)
from crossdistill.evaluation.summary import evaluate_view

__all__ = [
    "Ranking",
    "confusion_matrix",
    "critical_difference",
    "evaluate_view",
    "gap_recovered",
    "holm",
    "least_significant",
    "map_at_k",
    "mean_ci",
    "nearest",
    "not_separated",
    "paired_test",
    "per_class_accuracy",
    "ranking",
    "recall_at_k",
    "signed_rank_test",
    "top1",
    "unweighted_accuracy",
    "weighted_accuracy",
    "wilson_interval",
]
