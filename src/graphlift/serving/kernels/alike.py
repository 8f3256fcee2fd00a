"""`graphlift.search.alike` for one subgraph."""

from __future__ import annotations

import math

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, inner
from graphlift.serving.kernels.table import FREE, empty_table, slot_of


@inner
def vote_for_alike(
    lines: Array, latest: Array, weight_lifted: Array, weight_frozen: Array, lifted: Array, frozen: Array
) -> None:
    """Votes of n candidates for those that answered the same past queries, by either weight, into the last two (w,).

    Lines are the candidates' in ``latest``, which holds the past queries that each answered.
    """
    size = np.zeros(len(lines), np.int64)
    for i in range(len(lines)):
        while size[i] < latest.shape[1] and latest[lines[i], size[i]] >= 0:
            size[i] += 1
    total = size.sum()
    table, places = empty_table(total), np.empty(total, np.int64)
    told = np.zeros((total, 2), F4)
    known, entry = 0, 0
    for i in range(len(lines)):
        share = F4(1 / math.sqrt(max(size[i], 1)))
        for at in range(size[i]):
            asked = latest[lines[i], at]
            slot = slot_of(table, asked)
            if table[slot, 0] == FREE:
                table[slot, 0], table[slot, 1] = asked, known
                known += 1
            place = table[slot, 1]
            places[entry] = place
            entry += 1
            told[place, 0] += share * weight_lifted[i]
            told[place, 1] += share * weight_frozen[i]
    entry = 0
    for i in range(len(lines)):
        lifted[i], frozen[i] = weight_lifted[i], weight_frozen[i]
        if size[i]:
            a, b = F4(0), F4(0)
            for place in places[entry : entry + size[i]]:
                a += told[place, 0]
                b += told[place, 1]
            entry += size[i]
            share = F4(1 / math.sqrt(size[i]))
            lifted[i], frozen[i] = a * share, b * share
