"""Shares of right answers with intervals that know of groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A mean with its 95 % interval; an accuracy in [0, 1], or a difference of two.

    Attributes:
        mean: of the samples
        low: lower end of the interval, NaN where there is one group alone
        high: upper end, likewise
    """

    mean: float
    low: float
    high: float

    def percent(self, signed: bool = False) -> str:
        """In %, or points with a sign: "57.0 (48.1 to 65.9)"."""
        sign = "+" if signed else ""
        mean, low, high = (f"{100 * value:{sign}.1f}".replace("-", "−") for value in (self.mean, self.low, self.high))
        return mean if math.isnan(self.low) else f"{mean} ({low} to {high})"


def score_of(values: Values, units: npt.NDArray[np.int64], bounds: tuple[float, float] = (-1.0, 1.0)) -> Score:
    """The mean of N values, and its interval by Student's t over the independent units (N,) that they belong to.

    units: each sample's number of its own, or its group's, where samples of a group are alike (the ratio estimate of
    cluster sampling; Cochran 1977, Eq. 9A.5). Fewer units are a wider interval. bounds: within which the ends stay
    Raises ValueError for no values.

    >>> import numpy as np
    >>> from crossdistill.diagnosis.scores import score_of
    >>> right = np.array([1.0, 0, 1, 1, 1, 0, 1, 1])
    >>> score_of(right, np.arange(8), (0, 1)).percent(), score_of(right, np.arange(8) // 4, (0, 1)).percent()
    ('75.0 (36.3 to 100.0)', '75.0 (75.0 to 75.0)')
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
    half = float(special.stdtrit(count - 1, 0.975)) * error
    return Score(mean, max(bounds[0], mean - half), min(bounds[1], mean + half))
