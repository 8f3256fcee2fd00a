"""How sure a difference between two systems is: the paired bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from graphlift.errors import InputError

CHUNK = 1_000_000
"""Drawn values held in memory at once."""


def paired_interval(
    a: ArrayLike, b: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `b - a`, paired by query (Efron, 1979).

    Queries are drawn anew with replacement and keep both their values; an interval above zero says that `b`
    would very likely win on other queries of this kind, too.

    Args:
        a: values of one system, one a query.
        b: values of the other system for the same queries.
        confidence: share of the resampled means inside the interval, between 0 and 1.
        resamples: how many times to draw.
        seed: of the draws; the same seed gives the same interval.

    Shapes:
        - **input:** (Q,) and (Q,)

    Raises:
        InputError: `a` and `b` are not two equally long lists of finite numbers, or `confidence` or
            `resamples` is out of range.

    Example:
        >>> low, high = paired_interval(a=[0.1, 0.5, 0.3, 0.9], b=[0.4, 0.6, 0.7, 0.9])
        >>> 0 < low < 0.2 < high
        True
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError(f"`a` and `b` must be equally long and not empty, got shapes {a.shape} and {b.shape}.")
    difference = b - a  # (Q,)
    if not np.isfinite(difference).all():
        raise InputError("`a` and `b` must be finite, got NaN or infinity.")
    if not 0 < confidence < 1:
        raise InputError(f"`confidence` must lie between 0 and 1, got {confidence}.")
    if resamples < 1:
        raise InputError(f"`resamples` must be at least 1, got {resamples}.")
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, CHUNK // len(difference))
    for start in range(0, resamples, step):
        size = (min(step, resamples - start), len(difference))
        means[start : start + step] = difference[rng.integers(len(difference), size=size)].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
