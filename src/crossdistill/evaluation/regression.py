"""Metrics of regression, the mean over the K numbers of a sample.

`predicted` and `true` (N, K), in the numbers' own units. All raise ValueError on other shapes, and without samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation.arrays import Array, as_numpy


def r2_scores(predicted: Array, true: Array) -> npt.NDArray[np.float64]:
    """(K,) R²: 1 less the squared error over that of always saying the true mean. 1 is perfect, 0 that constant, and
    there is no lowest value. NaN of numbers that are all the same.

    >>> import numpy as np
    >>> from crossdistill.evaluation.regression import r2_scores
    >>> true = np.array([[1.0], [2.0], [3.0]])
    >>> r2_scores(true, true).tolist(), r2_scores(np.full((3, 1), 2.0), true).tolist()
    ([1.0], [0.0])
    """
    given, known = _checked(predicted, true)
    spread = np.square(known - known.mean(0)).sum(0)
    defined = _varies(known) & (spread > 0)
    rest = np.divide(np.square(given - known).sum(0), spread, out=np.full(len(spread), np.nan), where=defined)
    return np.asarray(1 - rest)


def root_mean_squared_errors(predicted: Array, true: Array) -> npt.NDArray[np.float64]:
    """(K,) √(mean (ŷ − y)²) of each number, in its own unit; lower is better.

    >>> import numpy as np
    >>> from crossdistill.evaluation.regression import root_mean_squared_errors
    >>> root_mean_squared_errors(np.array([[3.0, 500.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 500.0]])).tolist()
    [3.0, 500.0]
    """
    given, known = _checked(predicted, true)
    return np.asarray(np.sqrt(np.square(given - known).mean(0)))


def mean_absolute_errors(predicted: Array, true: Array) -> npt.NDArray[np.float64]:
    """(K,) the mean of |ŷ − y| of each number, in its own unit; lower is better.

    >>> import numpy as np
    >>> from crossdistill.evaluation.regression import mean_absolute_errors
    >>> mean_absolute_errors(np.array([[3.0, 500.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.0]])).tolist()
    [1.5, 250.0]
    """
    given, known = _checked(predicted, true)
    return np.asarray(np.abs(given - known).mean(0))


def pearson_correlations(predicted: Array, true: Array) -> npt.NDArray[np.float64]:
    """(K,) the linear correlation of ŷ and y, within [-1, 1], NaN where either is constant: right order and proportions
    are enough for 1, wherever the values lie.

    >>> import numpy as np
    >>> from crossdistill.evaluation.regression import pearson_correlations
    >>> true = np.array([[1.0], [2.0], [3.0]])
    >>> pearson_correlations(2 * true - 7, true).round(6).tolist()
    [1.0]
    """
    given, known = _checked(predicted, true)
    varying = _varies(given) & _varies(known)
    given, known = given - given.mean(0), known - known.mean(0)
    scale = np.sqrt(np.square(given).sum(0)) * np.sqrt(np.square(known).sum(0))
    correlations: npt.NDArray[np.float64] = np.divide(
        (given * known).sum(0), scale, out=np.full(len(scale), np.nan), where=varying & (scale > 0)
    )
    return correlations


def _varies(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(K,) whether a column has two different numbers; its deviation does not say, as a mean may be rounded."""
    return np.asarray((values != values[0]).any(0))


def _checked(predicted: Array, true: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    given, known = (as_numpy(values).astype(np.float64) for values in (predicted, true))
    if given.ndim != 2 or given.shape != known.shape or not given.size:
        raise ValueError(f"expected predicted and true numbers of one shape (N, K), found {given.shape}, {known.shape}")
    return given, known
