"""Statistics of ranks and of categories: AUC, rank correlation, Cramér's V, the correlation ratio."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def midranks(x: Floats) -> Floats:
    """Return the rank of each value from 1, ties sharing the mean of theirs.

    Example:
        >>> midranks(np.array([3.0, 1.0, 3.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    return ranked(places(x))


def places(x: Floats) -> Ints:
    """Return the place of each value among the different ones, from 0; -1 where it is NaN or infinite.

    Example:
        >>> places(np.array([3.0, 1.0, np.nan, 3.0])).tolist()
        [1, 0, -1, 1]
    """
    there = np.isfinite(x)
    found = np.full(len(x), -1, np.int64)
    found[there] = np.unique(x[there], return_inverse=True)[1]
    return found


def ranked(at: Ints) -> Floats:
    """Return the ranks of values by their places among all, some of which may not be there: without sorting again."""
    count = np.bincount(at)
    last = np.cumsum(count)
    ranks: Floats = (last - (count - 1) / 2)[at]
    return ranks


def auc(ranks: Floats, x: Floats, truth: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of pairs of yes and no in which yes has the larger value, and half the width of its interval.

    Source: DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988; by ranks as X. Sun and W. Xu, IEEE Signal Processing
    Letters 21, 2014.

    Args:
        ranks: of ``x``.
        x: values.
        truth: yes or no; both are there, at least twice.

    Example:
        >>> value, wide = auc(midranks(x := np.array([1.0, 2.0, 3.0, 4.0])), x, np.array([False, True, False, True]))
        >>> value
        0.75
    """
    yes, no = int(truth.sum()), int((~truth).sum())
    above = (ranks[truth] - midranks(x[truth])) / no
    below = 1 - (ranks[~truth] - midranks(x[~truth])) / yes
    variance = float(above.var(ddof=1)) / yes + float(below.var(ddof=1)) / no
    return float(above.mean()), 1.959963984540054 * math.sqrt(variance)


def spearman(x: Floats, y: Floats) -> float:
    """Return the correlation of ranks, 0 where one of them is constant.

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 8.0, 27.0])), 6)
        1.0
    """
    return pearson(midranks(x), midranks(y))


def pearson(x: Floats, y: Floats) -> float:
    """Return the correlation, 0 where one of them is constant."""
    left, right = x - x.mean(), y - y.mean()
    # Not the product of BLAS: that waits for its threads, and its last digit hangs on how many there are.
    size = math.sqrt(float((left * left).sum()) * float((right * right).sum()))
    return float((left * right).sum()) / size if size > 0 else 0.0


def cramers_v(x: Ints, y: Ints) -> float:
    """Return how far two categories hang together, from 0 to 1, corrected for what chance alone would give.

    Source: W. Bergsma, A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean Statistical Society
    42, 2013.

    Args:
        x: codes from 0.
        y: codes from 0, of the same rows.

    Example:
        >>> round(cramers_v(np.array([0, 0, 1, 1] * 50), np.array([0, 0, 1, 1] * 50)), 6)
        1.0
    """
    _, x = np.unique(x, return_inverse=True)
    _, y = np.unique(y, return_inverse=True)
    wide, n = int(y.max()) + 1, len(x)
    high = int(x.max()) + 1
    if high < 2 or wide < 2 or n < 2:
        return 0.0
    # By the cells that are there alone: 10,000 names against 10,000 have a hundred million.
    cells, seen = np.unique(x * wide + y, return_counts=True)
    expected = np.bincount(x)[cells // wide] * np.bincount(y)[cells % wide] / n
    square = float((seen**2 / expected).sum() - n) / n
    square = max(0.0, square - (high - 1) * (wide - 1) / (n - 1))
    rows, columns = high - (high - 1) ** 2 / (n - 1), wide - (wide - 1) ** 2 / (n - 1)
    least = min(rows, columns) - 1
    return min(1.0, math.sqrt(square / least)) if least > 0 else 0.0


def correlation_ratio(x: Ints, y: Floats) -> float:
    """Return how far a category tells a number, from 0 to 1: the root of the share of its variance.

    Corrected for what as many values would tell by chance alone: 10,000 names always tell something.

    Source: K. Pearson, On the general theory of skew correlation and non-linear regression, 1905; T. Kelley, An
    unbiased correlation ratio measure, PNAS 21, 1935.

    Args:
        x: codes from 0.
        y: numbers of the same rows.

    Example:
        >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0]))
        1.0
    """
    rows = np.bincount(x)
    means, values = np.bincount(x, y) / np.maximum(rows, 1), int((rows > 0).sum())
    whole = float(((y - y.mean()) ** 2).sum())
    if whole <= 0 or len(y) <= values:
        return 0.0
    within = float(((y - means[x]) ** 2).sum())
    return math.sqrt(max(0.0, 1 - within / (len(y) - values) / (whole / (len(y) - 1))))
