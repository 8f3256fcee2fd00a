"""A walk through an HNSW graph along codes of a byte a channel, and exact similarities of what it found.

The walk meets some thousand vectors that lie anywhere in memory. A code is a quarter of a vector, and is asked for
while others are compared. Codes decide where to go; whoever is in the beam in the end is compared by its vector.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, compiled, inner
from graphlift.serving.kernels.best import keep_best
from graphlift.serving.kernels.prefetch import prefetch
from graphlift.serving.kernels.products import distance, dots

FINEST = 127
"""The largest code of a channel; of a query's, larger ones that no sum overflows with."""
I4 = np.int32


class Paths(NamedTuple):
    """The graph, vectors and codes of N nodes in D channels, padded to a width W with zeros.

    The U places of the upper levels are numbered through, each level apart: a node has a place on every level that it
    reaches.

    Attributes:
        codes: int8 (N, W), one cache line after another.
        center, scale: a vector is about ``center + scale * code``, (D,).
        half: half the squared length of ``scale * code``, (N,); empty where similarity is a product.
        vectors: (N, D).
        links: of the bottom level, int32 (N, d), negative for none.
        upper: links of the places, to places, int32 (U, M).
        node: of each place, (U,).
        below: of each place, where the next lower level has the same node, (U,); on the bottom, its number.
        entry: place where walks start; with no upper level, the node.
        num_levels: without the bottom one.
        by_distance: whether similarity is a negative squared distance, else a product.
    """

    codes: Array
    center: Array
    scale: Array
    half: Array
    vectors: Array
    links: Array
    upper: Array
    node: Array
    below: Array
    entry: int
    num_levels: int
    by_distance: bool


@compiled
def encode(first: int, last: int, vectors: Array, center: Array, scale: Array, codes: Array) -> None:
    """Codes of some vectors, into ``codes``."""
    for row in range(first, last):
        for c in range(len(center)):
            codes[row, c] = np.int8(np.floor((vectors[row, c] - center[c]) / scale[c] + F4(0.5)))


@compiled
def walk(
    first: int, last: int, queries: Array, paths: Paths, removed: Array, beam: int, values: Array, rows: Array
) -> None:
    """The most similar of what a beam meets for queries first to last, best first, into values and rows (Q, k).

    Nodes that are removed, (N,), are walked over and left out. Rows are -1 where a walk finds fewer than k.
    """
    code = np.zeros(paths.codes.shape[1], np.int16)
    scores, pool = np.empty(beam, F4), np.empty(beam, I4)
    seen = np.empty(len(paths.codes) // 8 + 1, np.uint8)
    for query in range(first, last):
        unit = _coded(queries[query], paths, code)
        place = _descend(code, unit, paths)
        seen[:] = 0
        found = _beam(code, unit, paths, place, seen, scores, pool)
        _compared(queries[query], paths.vectors, paths.by_distance, removed, pool[:found], values[query], rows[query])


@inner
def _coded(query: Array, paths: Paths, code: Array) -> np.float32:
    """A query's code, such that its product with a document's is their similarity in some unit; returns that unit."""
    largest = F4(0)
    for c in range(len(query)):
        largest = max(largest, abs(_scaled(query, paths, c)))
    finest = F4(min(4095, (2**31 - 1) // (FINEST * len(code))))
    for c in range(len(query)):
        code[c] = np.int16(np.floor(_scaled(query, paths, c) / max(largest, F4(1e-30)) * finest + F4(0.5)))
    return largest / finest


@inner
def _scaled(query: Array, paths: Paths, c: int) -> np.float32:
    """A channel of a query, times that of a code; a center that is added to all documents alike changes no order."""
    return (query[c] - (paths.center[c] if paths.by_distance else F4(0))) * paths.scale[c]


@inner
def _near(code: Array, unit: np.float32, paths: Paths, row: int) -> np.float32:
    """How similar a document is by its code."""
    total = I4(0)
    for c in range(len(code)):  # 32 bits are enough, and twice as fast
        total = I4(total + I4(I4(code[c]) * I4(paths.codes[row, c])))
    return unit * F4(total) - paths.half[row] if paths.by_distance else F4(total)


@inner
def _descend(code: Array, unit: np.float32, paths: Paths) -> int:
    """The node of the bottom level that the upper levels lead to."""
    place = paths.entry
    for _ in range(paths.num_levels):
        best, moved = _near(code, unit, paths, paths.node[place]), True
        while moved:
            moved, links = False, paths.upper[place]
            for slot in range(len(links)):
                if links[slot] >= 0:
                    prefetch(paths.codes, paths.node[links[slot]])
            for slot in range(len(links)):
                if links[slot] >= 0:
                    near = _near(code, unit, paths, paths.node[links[slot]])
                    if near > best:
                        best, place, moved = near, links[slot], True
        place = paths.below[place]
    return place


@inner
def _beam(code: Array, unit: np.float32, paths: Paths, start: int, seen: Array, scores: Array, pool: Array) -> int:
    """The best that a beam meets on the bottom level, best first, into ``pool``; returns how many.

    A node whose links were followed is kept as its complement until the end.
    """
    fresh = np.empty(paths.links.shape[1], I4)
    scores[0], pool[0], count, at = _near(code, unit, paths, start), start, 1, 0
    seen[start >> 3] |= np.uint8(1 << (start & 7))
    while at < count:
        node = pool[at]
        pool[at] = ~node
        new = 0
        for slot in range(len(fresh)):
            row = paths.links[node, slot]
            if row >= 0 and not seen[row >> 3] >> (row & 7) & 1:
                seen[row >> 3] |= np.uint8(1 << (row & 7))
                prefetch(paths.codes, row)
                fresh[new] = row
                new += 1
        at += 1
        for place in range(new):
            near = _near(code, unit, paths, fresh[place])
            if count < len(pool) or near > scores[count - 1]:
                count = min(count + 1, len(pool))
                into = count - 1
                while into > 0 and scores[into - 1] < near:
                    scores[into], pool[into] = scores[into - 1], pool[into - 1]
                    into -= 1
                scores[into], pool[into] = near, fresh[place]
                at = min(at, into)
        while at < count and pool[at] < 0:
            at += 1
        if at < count:
            prefetch(paths.links, pool[at])
    for place in range(count):
        pool[place] = ~pool[place]
    return count


@inner
def _compared(
    query: Array, vectors: Array, by_distance: bool, removed: Array, pool: Array, values: Array, rows: Array
) -> None:
    """The most similar of a pool by their vectors, without removed ones."""
    kept, count = np.empty(len(pool), I4), 0
    for row in pool:
        if not removed[row]:
            prefetch(vectors, row)
            kept[count] = row
            count += 1
    near, found = np.empty(count, F4), min(count, len(rows))
    if by_distance:
        for place in range(count):
            near[place] = -distance(query, vectors[kept[place]])
    else:
        dots(query, vectors, kept[:count], near)
    keep_best(near, values[:found], rows[:found])
    for place in range(found):
        rows[place] = kept[rows[place]]
    values[found:], rows[found:] = F4(-math.inf), -1
