"""Will it help? The question, from arrays as the estimator takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from crossdistill.data.dataset import from_arrays
from crossdistill.diagnosis import Diagnosis, evidence_of, judge
from crossdistill.estimator.classifier import CrossModalClassifier
from crossdistill.estimator.inputs import auxiliary_column, checked_auxiliary, checked_target, new_column
from crossdistill.estimator.labels import as_labels, classes_of, numbered
from crossdistill.types import InputError


def diagnose(X: Any, y: Any, auxiliary: Any, *, groups: Any = None, random_state: int = 0) -> Diagnosis:
    """Whether training with these auxiliary modalities is likely to make a better model of `X`, before it is trained.

    X, y and auxiliary are as in `CrossModalClassifier.fit`: -1, NaN or None in y is a sample without a label. Give
    training samples alone. Simple models are cross-validated on plain features of the target, the auxiliary and all
    modalities; where there are unlabelled pairs, a rehearsal lets the target's model learn them as the auxiliary names
    them. The answer is "likely", "unlikely" or "cannot tell", with reasons and what to change; docs/diagnose.md says
    how often it was right. `crossdistill diagnose` is the same from a recipe or a manifest.

    Args:
        X: what prediction will have, N samples
        y: (N,) classes
        auxiliary: what training alone has, N samples; NaN in all numbers of a sample, or None in a list: it has none
        groups: (N,) which samples are alike, such as a person's; none of a group is then on both sides of a fold
        random_state: of folds and of what is drawn

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
    """
    if auxiliary is None:
        raise InputError("auxiliary: expected what training has beside X, found None; without it there is no question")
    labels = as_labels(y, "diagnose")
    target = checked_target(CrossModalClassifier(), X, reset=True)
    count = len(next(iter(target.values())))
    check_consistent_length(range(count), labels)
    given = checked_auxiliary(auxiliary, count)
    columns = {name: new_column(values, name) for name, values in target.items()}
    for name, samples in given.items():
        if name in columns:
            raise InputError(f"auxiliary: {name} is a modality of X already")
        columns[name] = auxiliary_column(samples, name)
    classes = classes_of(labels)
    dataset = from_arrays(
        columns,
        numbered(labels, classes),
        classes=tuple(map(str, classes.tolist())),
        groups=() if groups is None else np.asarray(groups).tolist(),
        name="samples",
    )
    evidence = evidence_of(dataset, tuple(target), tuple(given), random_state)
    return Diagnosis("samples", tuple(target), tuple(given), evidence, judge(evidence))
