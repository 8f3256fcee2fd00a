"""The door to the compiled search: subgraphs of queries and the ranker's scores in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from graphlift.index.storage import Rows
from graphlift.metric import Vectors
from graphlift.nn import fast
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import Space


class Scorer:
    """Draws the subgraphs of queries and scores their candidates, as `build_subgraphs` and `SubgraphRanker` do.

    The first call on a machine compiles the loops, which takes some ten seconds; later processes load them.

    Args:
        score: the loops.
        ground: what the loops know of documents and past queries.
        weights: the ranker's, as they were when the scorer was made.
        num_recalled, num_past_nodes: as in `build_subgraphs`.
    """

    def __init__(
        self, score: Callable[..., None], ground: Any, weights: Any, num_recalled: int, num_past_nodes: int
    ) -> None:
        self.score, self.ground, self.weights = score, ground, weights
        self.num_recalled, self.num_past_nodes = num_recalled, num_past_nodes

    @classmethod
    def of(cls, space: Space, ranker: SubgraphRanker, num_recalled: int, num_past_nodes: int) -> Self | None:
        """A scorer, or None where there is no compiler (the extra ``fast``) or no loop for the ranker's layers."""
        kernels = fast.loops("graphlift.serving.kernels")
        if kernels is None or not all(type(conv) is RuvectorConv for conv in ranker.convs):
            return None
        return cls(kernels.score, kernels.Ground.of(space), kernels.fold(ranker), num_recalled, num_past_nodes)

    def __call__(self, frozen: Vectors, lifted: Vectors, walked: Rows, past: Rows) -> tuple[Rows, Vectors]:
        """Rows of candidates, best first, and their scores, minus infinity where there is none, both (B, n).

        Shapes: frozen and lifted (B, C), walked (B, m), past (B, P), as in `build_subgraphs`.
        """
        size = len(walked), walked.shape[1] + self.num_recalled
        rows, scores = np.zeros(size, dtype=np.int64), np.full(size, -np.inf, dtype=np.float32)
        given = map(np.ascontiguousarray, (frozen, lifted, walked, past))
        counts = self.num_recalled, self.num_past_nodes
        fast.run(self.score, len(walked), *given, self.ground, *counts, self.weights, rows, scores)
        return rows, scores
