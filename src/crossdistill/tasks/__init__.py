"""What a model predicts, and all that follows from it: one of several classes, any number of labels, or numbers."""

from crossdistill.tasks.classification import Classification
from crossdistill.tasks.measures import MEASURES, Measured, headline, in_percent, measures_of
from crossdistill.tasks.multilabel import MultiLabel
from crossdistill.tasks.regression import Regression
from crossdistill.tasks.task import Task
from crossdistill.types import TaskKind

__all__ = [
    "MEASURES",
    "Classification",
    "Measured",
    "MultiLabel",
    "Regression",
    "Task",
    "headline",
    "in_percent",
    "measures_of",
    "task_of",
]


def task_of(
    kind: TaskKind, names: tuple[str, ...], mean: tuple[float, ...] = (), deviation: tuple[float, ...] = ()
) -> Task:
    """The task of a kind. names: of the classes, labels or numbers; mean, deviation: of numbers alone."""
    if kind == "regression":
        return Regression(names, mean, deviation)
    return MultiLabel(names) if kind == "multilabel" else Classification(names)
