"""Measures of answers with intervals that know of groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation.significance import wilson_interval

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A measure with its 95 % interval: an accuracy or mAP in [0, 1], R² up to 1, or a difference of two.

    Attributes:
        mean: of the samples
        low: lower end of the interval, NaN where there is one group alone
        high: upper end, likewise
    """

    mean: float
    low: float
    high: float

    def percent(self, signed: bool = False) -> str:
        """In %, or points with a sign: "57.0 (48.1 to 65.9)".

        Args:
            signed: whether what is above 0 has a sign, as differences do
        """
        mean, interval = self.cells(signed)
        return f"{mean} ({interval})" if interval else mean

    def cells(self, signed: bool = False) -> tuple[str, str]:
        """`percent` as two cells of a table, "57.0" and "48.1 to 65.9"; the second is empty without an interval.

        Args:
            signed: whether what is above 0 has a sign, as differences do
        """
        mean, low, high = (_percent(value, signed) for value in (self.mean, self.low, self.high))
        return mean, "" if math.isnan(self.low) else f"{low} to {high}"


def _percent(value: float, signed: bool) -> str:
    """With a digit behind the point, but for an R² so far below 0 that it says nothing more, and differences."""
    return f"{100 * value:{'+' if signed else ''}.{0 if abs(value) > 1 else 1}f}".replace("-", "−")


def score_of(values: Values, units: npt.NDArray[np.int64], bounds: tuple[float, float] = (-1.0, 1.0)) -> Score:
    """The mean of N values, and its interval by Student's t over the independent units (N,) that they belong to.

    units: each sample's number of its own, or its group's, where samples of a group are alike (the ratio estimate of
    cluster sampling; Cochran 1977, Eq. 9A.5). Fewer units are a wider interval. bounds: within which the ends stay
    Where no two units differ, which says nothing of their spread, it is as wide as Wilson's for none of so many.
    Raises ValueError for no values.

    >>> import numpy as np
    >>> from crossdistill.diagnosis.scores import score_of
    >>> right = np.array([1.0, 0, 1, 1, 1, 0, 1, 1])
    >>> score_of(right, np.arange(8), (0, 1)).percent(), score_of(np.ones(8), np.arange(8), (0, 1)).percent()
    ('75.0 (36.3 to 100.0)', '100.0 (67.6 to 100.0)')
    """
    if not len(values):
        raise ValueError("expected at least one value, found none")
    mean, count = float(values.mean()), len(np.unique(units))
    if count < 2:
        return Score(mean, math.nan, math.nan)
    from scipy import special

    _, numbers = np.unique(units, return_inverse=True)
    residuals = np.bincount(numbers, weights=values - mean)
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / len(values)
    half = float(special.stdtrit(count - 1, 0.975)) * error if error > _ROUNDING else wilson_interval(0, count)[1]
    return Score(mean, max(bounds[0], mean - half), min(bounds[1], mean + half))


_ROUNDING = 1e-12
"""The standard error, at most, of values that are all the same."""


BLOCKS = 20
"""Parts of the units, at most, of which the jackknife leaves each out in turn."""


def replicates_of(measure: Callable[[npt.NDArray[np.int64]], float], units: npt.NDArray[np.int64]) -> Values:
    """A measure of all samples, and behind it of those that are left without each block of units.

    measure: of the samples in these places; units: as in `score_of`, (N,). Blocks are as many as the units, or 20.
    Raises ValueError for no values.
    """
    if not len(units):
        raise ValueError("expected at least one value, found none")
    known, numbers = np.unique(units, return_inverse=True)
    blocks = np.random.default_rng(0).permutation(len(known))[numbers] % BLOCKS
    left = [np.flatnonzero(blocks != block) for block in np.unique(blocks)] if len(known) > 1 else []
    return np.array([measure(rows) for rows in (np.arange(len(units)), *left)])


def score_of_replicates(replicates: Values, bounds: tuple[float, float]) -> Score:
    """A measure with the interval of a jackknife that leaves out blocks, by Student's t (Efron and Tibshirani 1993,
    Eq. 11.5), for measures that are no means of samples, such as mAP and R².

    replicates: as of `replicates_of`, or a difference of two of them; bounds: within which the ends stay

    >>> import numpy as np
    >>> from crossdistill.diagnosis.scores import replicates_of, score_of, score_of_replicates
    >>> values, units = np.arange(8.0) / 10, np.arange(8)
    >>> score_of_replicates(replicates_of(lambda rows: values[rows].mean(), units), (-1, 1)).percent()  # of a mean
    '35.0 (14.5 to 55.5)'
    >>> score_of(values, units).percent()  # is Student's
    '35.0 (14.5 to 55.5)'
    """
    whole, without = float(replicates[0]), replicates[1:]
    if len(without) < 2 or not np.isfinite(without).all():  # a measure that hangs on one block has no interval
        return Score(whole, math.nan, math.nan)
    from scipy import special

    count = len(without)
    error = math.sqrt((count - 1) / count * float(np.square(without - without.mean()).sum()))
    if error <= _ROUNDING:  # all told right, say, which says nothing of the spread
        return Score(whole, math.nan, math.nan)
    half = float(special.stdtrit(count - 1, 0.975)) * error
    return Score(whole, max(bounds[0], whole - half), min(bounds[1], whole + half))
