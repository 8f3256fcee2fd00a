"""Loops of a lifted search for one query, compiled.

Importing this package needs Numba, the extra ``fast``. `graphlift.serving.scorer` imports it where it is there, and
everything here has a twin in torch that gives the same numbers.
"""

from __future__ import annotations

import math

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, compiled
from graphlift.serving.kernels.best import keep_best, put_best_first
from graphlift.serving.kernels.folding import fold as fold
from graphlift.serving.kernels.products import add_product, distance, dot, dots
from graphlift.serving.kernels.ranker import Weights, rank
from graphlift.serving.kernels.subgraph import Ground, draw
from graphlift.serving.kernels.walk import Paths as Paths
from graphlift.serving.kernels.walk import encode as encode
from graphlift.serving.kernels.walk import walk as walk
from graphlift.serving.query_lift import TINY


@compiled
def score(
    first: int,
    last: int,
    frozen: Array,
    lifted: Array,
    walked: Array,
    past: Array,
    ground: Ground,
    num_recalled: int,
    num_past_nodes: int,
    weights: Weights,
    rows: Array,
    scores: Array,
) -> None:
    """Candidates, best first, and their scores for queries first to last, into rows and scores, as wide as can be."""
    for query in range(first, last):
        drawn = draw(frozen[query], lifted[query], walked[query], past[query], ground, num_recalled, num_past_nodes)
        put_best_first(drawn.rows, rank(drawn, weights), rows[query], scores[query])


@compiled
def lift(queries: Array, matrix: Array, shift: Array, channels: int, behind: int, normalised: bool, out: Array) -> None:
    """Queries (B, C) times a matrix plus a shift, into ``out`` (B, C + 2 D); its first C columns get unit length, and
    what is made of them, from the column ``behind`` on, is scaled alike."""
    out[:] = shift
    add_product(queries, matrix, out)
    if normalised:
        for row in out:
            lifted = row[:channels]
            factor = F4(1) / max(F4(math.sqrt(dot(lifted, lifted))), TINY)
            lifted *= factor
            row[behind:] *= factor


@compiled
def nearest(queries: Array, vectors: Array, by_distance: bool, near: Array, numbers: Array) -> None:
    """The most similar of ``vectors`` (N, D) for each query (B, D), best first: how similar, and which, both (B, k)."""
    everyone, found = np.arange(len(vectors)), np.empty(len(vectors), F4)
    for query in range(len(queries)):
        if by_distance:
            for row in everyone:
                found[row] = -distance(queries[query], vectors[row])
        else:
            dots(queries[query], vectors, everyone, found)
        keep_best(found, near[query], numbers[query])
