"""The best of what was found, best first."""

from __future__ import annotations

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, inner


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
    for place in range(len(values)):
        if count < len(best):
            _insert(place, values[place], count, places, best)
            count += 1
        elif values[place] > best[-1]:
            _insert(place, values[place], count - 1, places, best)


@inner
def _insert(row: int, value: np.float32, at: int, rows: Array, scores: Array) -> None:
    """Put one into its place among the ``at`` that are sorted already; what lies at ``at`` is lost."""
    while at > 0 and scores[at - 1] < value:
        rows[at], scores[at] = rows[at - 1], scores[at - 1]
        at -= 1
    rows[at], scores[at] = row, F4(value)
