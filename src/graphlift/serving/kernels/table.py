"""A table of numbers and their places, with open addressing."""

from __future__ import annotations

import numpy as np

from graphlift.nn.kernels.elementary import I4, Array, inner

FREE = -1


@inner
def empty_table(entries: int) -> Array:
    """A table of (number, place), both below 2^31, that so many entries fill by half at most."""
    size = 64
    while size < 2 * entries:
        size *= 2
    return np.full((size, 2), FREE, I4)


@inner
def slot_of(table: Array, number: int) -> int:
    """Where a number is in a table, or where it would go."""
    slot = (number * 2654435761) & (len(table) - 1)
    while table[slot, 0] != number and table[slot, 0] != FREE:
        slot = (slot + 1) & (len(table) - 1)
    return slot
