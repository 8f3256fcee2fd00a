"""The best of what was found, best first."""

from __future__ import annotations

import numpy as np

from graphlift.nn.kernels.elementary import F4, I4, Array, inner

_MOST = 0x7FFFFFFF
"""All bits but the sign."""
HALVED = 24
"""After so many halves no value of single precision lies between, unless values differ by orders of magnitude."""


@inner
def put_best_first(found: Array, values: Array, rows: Array, scores: Array) -> None:
    """All rows that were found into ``rows`` and their values into ``scores``, equal ones in the order in which they
    were found."""
    for place in range(len(found)):
        _insert(found[place], values[place], place, rows, scores)


@inner
def keep_best(values: Array, best: Array, places: Array) -> None:
    """The k largest values and their places, of equal ones the first."""
    count = 0
    if not len(best):
        return
    for place in range(len(values)):
        if count < len(best):
            _insert(place, values[place], count, places, best)
            count += 1
        elif values[place] > best[-1]:
            _insert(place, values[place], count - 1, places, best)


@inner
def find_large(values: Array, count: int, places: Array) -> int:
    """The places of the largest values, at least ``count`` and seldom twice as many, ascending; returns how many.

    A value that so many reach is found by halving, as counting is what a processor does fastest.
    """
    low, high = _extremes(values)
    for _ in range(HALVED):
        middle, above = (low + high) / F4(2), I4(0)
        for place in range(len(values)):  # by places, as only such loops are done many at a time
            above = I4(above + I4(values[place] >= middle))
        if above < count:
            high = middle
        else:
            low = middle
            if above <= 2 * count:
                break
    found = 0
    for place in range(len(values)):
        if values[place] >= low:
            places[found] = place
            found += 1
    return found


@inner
def _extremes(values: Array) -> tuple[np.float32, np.float32]:
    """The smallest and the largest value.

    They are compared as whole numbers in the same order, many at a time, which no compiler does with what might be NaN.
    """
    bits, low, high = values.view(I4), I4(_MOST), I4(~_MOST)
    for place in range(len(bits)):
        order = _mirrored(bits[place])
        low, high = min(low, order), max(high, order)
    return I4(_mirrored(low)).view(F4), I4(_mirrored(high)).view(F4)


@inner
def _mirrored(bits: np.int32) -> np.int32:
    """Bits of a negative number in the opposite order; twice, they are what they were."""
    return I4(bits ^ (bits >> I4(31) & I4(_MOST)))


@inner
def _insert(row: int, value: np.float32, at: int, rows: Array, scores: Array) -> None:
    """Put one into its place among the ``at`` that are sorted already; what lies at ``at`` is lost."""
    while at > 0 and scores[at - 1] < value:
        rows[at], scores[at] = rows[at - 1], scores[at - 1]
        at -= 1
    rows[at], scores[at] = row, F4(value)
