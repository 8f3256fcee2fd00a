"""Loops of a lifted search for one query, compiled.

Importing this package needs Numba, the extra ``fast``. `graphlift.serving.scorer` imports it where it is there, and
everything here has a twin in torch that gives the same numbers.
"""

from __future__ import annotations

from graphlift.nn.kernels.elementary import Array, compiled
from graphlift.serving.kernels.folding import fold as fold
from graphlift.serving.kernels.ranker import Weights, rank
from graphlift.serving.kernels.subgraph import Ground, draw


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
    weights: Weights,
    rows: Array,
    scores: Array,
) -> None:
    """Candidates and their scores for queries first to last, into rows and scores, which are as wide as can be."""
    for query in range(first, last):
        drawn = draw(frozen[query], lifted[query], walked[query], past[query], ground, num_recalled)
        rows[query, : len(drawn.rows)] = drawn.rows
        rank(drawn, weights, scores[query])
