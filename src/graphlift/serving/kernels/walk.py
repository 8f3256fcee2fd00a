"""A walk through an HNSW graph along codes, and exact similarities of what it found.

The walk meets some thousand vectors that lie anywhere in memory. Their codes decide where it goes, and are asked for
while others are compared. Whoever is in the beam in the end is compared by its vector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphlift.nn.kernels.elementary import F4, I4, Array, compiled, inner
from graphlift.serving.kernels.codes import Codes, compare, encode_query, near
from graphlift.serving.kernels.prefetch import prefetch


class Paths(NamedTuple):
    """The links of N nodes.

    The U places of the upper levels are numbered through, each level apart: a node has a place on every level that it
    reaches.

    Attributes:
        links: of the bottom level, int32 (N, d), negative for none.
        upper: links of the places, to places, int32 (U, M).
        node: of each place, (U,).
        below: of each place, where the next lower level has the same node, (U,); on the bottom, its number.
        entry: place where walks start; with no upper level, the node.
        num_levels: without the bottom one.
    """

    links: Array
    upper: Array
    node: Array
    below: Array
    entry: int
    num_levels: int


class Terrain(NamedTuple):
    """What is walked: vectors with their codes, links, and which rows are removed, (N,)."""

    codes: Codes
    paths: Paths
    removed: Array


@compiled
def walk_span(first: int, last: int, queries: Array, terrain: Terrain, beam: int, best: Array, found: Array) -> None:
    """`walk` for queries first to last."""
    walk(queries[first:last], terrain, beam, best[first:last], found[first:last])


@inner
def walk(queries: Array, terrain: Terrain, beam: int, best: Array, found: Array) -> None:
    """The most similar of what a beam meets for each query, best first, into ``best`` and ``found`` (Q, k).

    Rows that are removed are walked over and left out. Those behind the graph are compared with all queries. ``found``
    is -1 where there are fewer than k.
    """
    known = terrain.codes
    pool = np.empty(beam + len(known.vectors) - len(known.codes), np.int64)
    for query in range(len(queries)):
        met = _meet(queries[query], terrain, beam, pool)
        compare(queries[query], known, pool[:met], best[query], found[query])


@inner
def look_around(query: Array, terrain: Terrain, beam: int, found: Array) -> None:
    """`walk` for one query where nobody asks for similarities: they are computed only if more than k are met."""
    known = terrain.codes
    pool = np.empty(beam + len(known.vectors) - len(known.codes), np.int64)
    met = _meet(query, terrain, beam, pool)
    if met > len(found):
        compare(query, known, pool[:met], np.empty(len(found), F4), found)
    else:
        found[:met], found[met:] = pool[:met], -1


@inner
def _meet(query: Array, terrain: Terrain, beam: int, pool: Array) -> int:
    """What a beam meets that is not removed, by its codes, and all rows behind the graph, into ``pool``; how many."""
    known, paths, removed = terrain.codes, terrain.paths, terrain.removed
    code, scores = np.zeros(known.codes.shape[1], np.int16), np.empty(beam, F4)
    linked, count = len(known.codes), len(known.vectors)
    seen = np.zeros(linked // 8 + 1, np.uint8)
    unit = encode_query(query, known, code)
    start = _descend(code, unit, known, paths)
    met = _spread(code, unit, known, paths.links, start, seen, scores, pool[:beam])
    kept = 0
    for place in range(met):
        if not removed[pool[place]]:
            pool[kept] = pool[place]
            kept += 1
    for row in range(linked, count):
        if not removed[row]:
            pool[kept] = row
            kept += 1
    return kept


@inner
def _descend(code: Array, unit: np.float32, known: Codes, paths: Paths) -> int:
    """The node of the bottom level that the upper levels lead to."""
    place = paths.entry
    for _ in range(paths.num_levels):
        nearest, moved = near(code, unit, known, paths.node[place]), True
        while moved:
            moved, links = False, paths.upper[place]
            for slot in range(len(links)):
                if links[slot] >= 0:
                    prefetch(known.codes, paths.node[links[slot]])
            for slot in range(len(links)):
                if links[slot] >= 0:
                    similar = near(code, unit, known, paths.node[links[slot]])
                    if similar > nearest:
                        nearest, place, moved = similar, links[slot], True
        place = paths.below[place]
    return place


@inner
def _spread(
    code: Array, unit: np.float32, known: Codes, links: Array, start: int, seen: Array, scores: Array, pool: Array
) -> int:
    """The best that a beam meets on the bottom level, best first, into ``pool``; returns how many.

    A node whose links were followed is kept as its complement until the end.
    """
    fresh = np.empty(links.shape[1], I4)
    scores[0], pool[0], count, at = near(code, unit, known, start), start, 1, 0
    seen[start >> 3] |= np.uint8(1 << (start & 7))
    while at < count:
        node = pool[at]
        pool[at] = ~node
        new = 0
        for slot in range(len(fresh)):
            row = links[node, slot]
            if row >= 0 and not seen[row >> 3] >> (row & 7) & 1:
                seen[row >> 3] |= np.uint8(1 << (row & 7))
                prefetch(known.codes, row)
                fresh[new] = row
                new += 1
        at += 1
        for place in range(new):
            similar = near(code, unit, known, fresh[place])
            if count < len(pool) or similar > scores[count - 1]:
                count = min(count + 1, len(pool))
                into = count - 1
                while into > 0 and scores[into - 1] < similar:
                    scores[into], pool[into] = scores[into - 1], pool[into - 1]
                    into -= 1
                scores[into], pool[into] = similar, fresh[place]
                at = min(at, into)
        while at < count and pool[at] < 0:
            at += 1
        if at < count:
            prefetch(links, pool[at])
    for place in range(count):
        pool[place] = ~pool[place]
    return count
