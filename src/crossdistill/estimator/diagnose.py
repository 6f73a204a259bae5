"""Will it help? The question, from arrays as the estimator takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from crossdistill.data.dataset import from_arrays
from crossdistill.data.targets import Labels, encode, require_task
from crossdistill.diagnosis import Diagnosis, evidence_of, judge
from crossdistill.estimator.classifier import CrossModalClassifier
from crossdistill.estimator.given import drawn_seed, warn_of_another_order
from crossdistill.estimator.inputs import auxiliary_column, checked_auxiliary, checked_target, new_column
from crossdistill.estimator.labels import (
    as_indicators,
    as_labels,
    as_numbers,
    classes_of,
    names_of,
    numbered,
    warn_of_gaps,
)
from crossdistill.types import InputError, TaskKind


def diagnose(
    X: Any,
    y: Any,
    auxiliary: Any,
    *,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = 0,
    task: TaskKind = "classification",
) -> Diagnosis:
    """Whether training with these auxiliary modalities is likely to make a better model of `X`, before it is trained.

    X, y and auxiliary are as in `CrossModalClassifier.fit`: -1, NaN or None in y is a sample without a label. Give
    training samples alone. Simple models are cross-validated on plain features of the target, the auxiliary and all
    modalities; where there are unlabelled pairs, a rehearsal lets the target's model learn them as the auxiliary names
    them. The answer is "likely", "unlikely" or "cannot tell", with reasons and what to change; docs/diagnose.md says
    how often it was right. `crossdistill diagnose` is the same from a recipe or a manifest.

    Of several labels a sample, and of numbers, the scores are mAP and R², and the information is estimated for each
    label or number by itself, of which the mean is given. The answer is then "cannot tell" beside what was measured:
    the rule was held against training for classes alone.

    Args:
        X: what prediction will have, N samples
        y: (N,) classes; (N, C) 0 or 1 for each of several labels, a row of -1 or NaN for none; or with task
            "regression" (N,) or (N, K) numbers, NaN for none
        auxiliary: what training alone has, N samples; NaN in all numbers of a sample, or None in a list: it has none
        groups: (N,) which samples are alike, such as a person's; none of a group is then on both sides of a fold
        random_state: of folds and of what is drawn
        task: what y holds, "classification", "multilabel" or "regression"; a matrix of 0 and 1 is several labels, as in
            `CrossModalClassifier.fit`, where numbers are not asked for

    Raises:
        InputError: a ValueError of one line, where there is nothing to measure.

    Example:
        >>> import numpy as np
        >>> import crossdistill
        >>> random = np.random.default_rng(0)
        >>> y = np.arange(300) % 3
        >>> wrist = np.eye(3, 6)[y] + 0.7 * random.normal(size=(300, 6))
        >>> camera = np.eye(3, 4)[y] + 0.2 * random.normal(size=(300, 4))
        >>> diagnosis = crossdistill.diagnose(wrist, np.where(np.arange(300) < 45, y, -1), camera)
        >>> diagnosis.answer
        'likely'
        >>> print(str(diagnosis).splitlines()[2])
        45 labelled pairs, 255 without a label; 3 classes.
        >>> crossdistill.diagnose(wrist, y, camera).answer  # with a label for each there is little left to gain
        'unlikely'
        >>> load = np.where(np.arange(300) < 45, wrist[:, 0] + random.normal(size=300), np.nan)
        >>> numbers = crossdistill.diagnose(wrist, load, camera, task="regression")
        >>> numbers.answer, 0 < numbers.evidence.scores["target"].mean < 1  # R²
        ('cannot tell', True)
    """
    if auxiliary is None:
        raise InputError("auxiliary: expected what training has beside X, found None; without it there is no question")
    labels, names, task = _labels(y, task)
    target = checked_target(CrossModalClassifier(), X, reset=True)
    count = len(next(iter(target.values())))
    check_consistent_length(range(count), labels)
    warn_of_another_order({"X": X, "y": y, "auxiliary": auxiliary, "groups": groups})
    given = checked_auxiliary(auxiliary, count)
    columns = {name: new_column(values, name, np.arange(count)) for name, values in target.items()}
    for name, samples in given.items():
        if name in columns:
            raise InputError(f"auxiliary: {name} is a modality of X already")
        columns[name] = auxiliary_column(samples, name)
    dataset = from_arrays(
        columns,
        labels,
        classes=names,
        groups=() if groups is None else groups,
        name="samples",
        task=task,
    )
    seed = random_state if isinstance(random_state, int) else drawn_seed(random_state)
    evidence = evidence_of(dataset, tuple(target), tuple(given), seed)
    return Diagnosis("samples", tuple(target), tuple(given), evidence, judge(evidence))


def _labels(y: Any, task: TaskKind) -> tuple[Labels, tuple[str, ...], TaskKind]:
    """What a data set's labels are, the names of classes, labels or numbers, and the task. Raises InputError, or
    ValueError as scikit-learn words it."""
    require_task(task)
    if task == "regression":
        numbers = as_numbers(y, "diagnose")
        return numbers, names_of(y, 1 if numbers.ndim == 1 else numbers.shape[1], "value"), task
    several = as_indicators(y) if task == "classification" else encode(y, (), "multilabel")[0]
    if several is not None:
        return several, names_of(y, several.shape[1], "0"), "multilabel"
    labels = as_labels(y, "diagnose")
    classes = classes_of(labels)
    warn_of_gaps(classes)
    return numbered(labels, classes), tuple(map(str, classes.tolist())), task
