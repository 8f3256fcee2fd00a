"""The links of `graphlift.search.subgraph` for one query: among candidates, and from past queries to them."""

from __future__ import annotations

import math

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, inner
from graphlift.search.attributes import EDGE_ATTRS
from graphlift.serving.kernels.blocks import LANES, transpose
from graphlift.serving.kernels.prefetch import prefetch
from graphlift.serving.kernels.products import add_to_block, dot
from graphlift.serving.kernels.subgraph import Drawn, Ground, wide

LINK_CHANNELS = len(EDGE_ATTRS)
SIEVE = 2048
"""Rows that are told apart at a glance."""
_FREE, _CROWDED = -1, -2


@inner
def link(drawn: Drawn, shortlist: Array, ground: Ground) -> Array:
    """Attributes of the links among the m candidates of a shortlist, and from past queries to them.

    From each of m candidates and S past queries, (number of `EDGE_ATTRS`, m + S, w).
    """
    rows = drawn.rows[shortlist]
    for row in rows:
        prefetch(ground.links, row)
    answered = np.zeros((len(drawn.answered), wide(len(rows))), F4)
    for i in range(len(rows)):
        for p in range(len(answered)):
            answered[p, i] = drawn.answered[p, shortlist[i]]
    links = np.empty((LINK_CHANNELS, len(rows) + len(drawn.past), answered.shape[1]), F4)
    _among(rows, ground.sketched_lifted, drawn.past, ground.sketched_lifted.shape[1], ground, links[0])
    _among(rows, ground.sketched_frozen, drawn.past, 0, ground, links[1])
    _share(answered, len(rows), links[2])
    _link(ground.links, rows, links[3])
    return links


@inner
def _among(rows: Array, sketches: Array, past: Array, first: int, ground: Ground, links: Array) -> None:
    """Similarity of n candidates and S past queries to candidates, into ``links`` (n + S, w), by their sketches; those
    of past queries have the channels from ``first`` on."""
    n, width, channels = len(rows), links.shape[1], sketches.shape[1]
    some, above = np.zeros((width + len(past), wide(channels)), F4), np.empty((wide(channels), width), F4)
    for j in range(n):
        some[j, :channels] = sketches[rows[j]]
    for p in range(len(past)):
        some[width + p, :channels] = ground.past_sketches[past[p], first : first + channels]
    for column in range(0, width, LANES):
        for channel in range(0, channels, LANES):
            transpose(some, above, column, channel)
    mine, above, heard, told = some[:width, :channels], above[:channels], some[width:, :channels], links[n:]
    links[:] = 0
    for column in range(0, width, LANES):
        add_to_block(mine, above, links, 0, min(column + LANES, n), column)
        add_to_block(heard, above, told, 0, len(told), column)
    for j in range(n):  # what lies below the diagonal is known from above
        for i in range(j // LANES * LANES):
            links[j, i] = links[i, j]
    if ground.by_distance:
        square = np.empty(len(some), F4)
        for row in range(len(some)):
            square[row] = dot(some[row], some[row])
        for j in range(len(links)):
            own = square[j if j < n else j - n + width]
            for i in range(n):
                links[j, i] += links[j, i] - own - square[i]
    for row in links:
        for i in range(width):
            row[i] *= ground.inverse


@inner
def _share(answered: Array, n: int, shared: Array) -> None:
    """Cosine between the sets of past queries that two candidates answered; what a past query was answered by."""
    width = shared.shape[1]
    shared[:n] = 0
    root = np.zeros(width, F4)
    for p in range(len(answered)):
        for i in range(width):
            root[i] += answered[p, i]
        if n + p < len(shared):  # further past queries are no nodes
            for i in range(width):
                shared[n + p, i] = answered[p, i]
        for j in range(n):
            if answered[p, j]:
                for i in range(width):
                    shared[j, i] += answered[p, i]
    for i in range(width):
        root[i] = F4(1) / F4(math.sqrt(max(root[i], F4(1))))
    for j in range(n):
        for i in range(width):
            shared[j, i] *= root[j] * root[i]


@inner
def _link(links: Array, rows: Array, linked: Array) -> None:
    """Which candidates the index links, in either direction; it links no past query."""
    linked[:] = 0
    sieve = np.full(SIEVE, _FREE, np.int16)  # most links lead elsewhere, and need not be looked for
    for i in range(len(rows)):
        slot = rows[i] & (SIEVE - 1)
        sieve[slot] = i if sieve[slot] == _FREE else _CROWDED
    for i in range(len(rows)):
        row = rows[i]
        for slot in range(links.shape[1]):
            target = links[row, slot]
            place = sieve[target & (SIEVE - 1)]
            if place >= 0 and rows[place] == target:
                linked[i, place] = linked[place, i] = 1
            elif place == _CROWDED:
                for j in range(len(rows)):
                    if rows[j] == target:
                        linked[i, j] = linked[j, i] = 1
