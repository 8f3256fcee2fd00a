"""The whole way of a query, from its vector to its candidates' scores, in one compiled call."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from graphlift.index.flat import FlatIndex
from graphlift.index.storage import Rows
from graphlift.metric import Vectors
from graphlift.model import LiftModel
from graphlift.nn import fast
from graphlift.nn.conv import RuvectorConv
from graphlift.search.familiarity import Familiarity, looked_around
from graphlift.search.subgraph import Space
from graphlift.serving.coded_walk import CodedWalk
from graphlift.serving.codes import codes_of


class Found(NamedTuple):
    """What a search found for B queries.

    Attributes:
        rows, scores: candidates, best first, and what the ranker makes of them, minus infinity where there is none,
            (B, n).
        walked, similarity: what the walk found, best first, (B, m).
        past, near: past queries that vote, nearest first, and how near they are, (B, P).
        strange: whose queries are unlike those that the lift was trained on, (B,).
    """

    rows: Rows
    scores: Vectors
    walked: Rows
    similarity: Vectors
    past: Rows
    near: Vectors
    strange: npt.NDArray[np.bool_]


class CompiledSearch:
    """Lifts queries, finds past ones, walks, draws subgraphs and scores candidates.

    Between these steps a single query would spend more time in Python than in some of the steps. The weights are
    multiplied ahead, as they are now. The first call on a machine compiles the loops, which takes up to a minute; later
    processes load them.

    Args:
        kernels: the loops.
        model: with ``query_encoder="linear"`` and `RuvectorConv`.
        space: documents and past queries.
        walk: through the lifted documents.
        past: a walk through the past queries, or an index to be scanned, of at least one.
        familiarity: what strange queries are told by.
        frozen: a walk through the documents before the lift, by which they are told, too; where there is none, the
            model must have no bounds.

    Attributes:
        walk: through the lifted documents.
        parts: what the loops are given once it is pinned.
    """

    def __init__(
        self,
        kernels: Any,
        model: LiftModel,
        space: Space,
        walk: CodedWalk,
        past: CodedWalk | FlatIndex,
        familiarity: Familiarity,
        frozen: CodedWalk | None,
    ) -> None:
        config, self._search, self.walk = model.config, kernels.search, walk
        self.num_walked, self.num_recalled = config.num_walked, config.num_recalled
        self.num_past = min(config.num_past, len(space.memory))
        weights, boundary = [kernels.fold(ranker) for ranker in model.rankers], model.query_boundary
        columns, offset = boundary[:, :-1].T.contiguous(), boundary[:, -1].contiguous()
        rankers = kernels.Rankers(weights, columns.numpy(), offset.numpy())
        counts = kernels.Counts(config.num_walked, config.num_recalled, config.num_past_nodes)
        past_queries, past_beam = _past(kernels, past, self.num_past)
        past_sketches = past_queries.codes.vectors  # what past queries are found by
        self.parts = kernels.Parts(
            maps=kernels.maps_of(model),
            documents=walk.terrain,
            past_queries=past_queries,
            past_beam=past_beam,
            scoring=kernels.Scoring(kernels.Ground.of(space, past_sketches), rankers, counts),
            stranger=_stranger(kernels, model, familiarity, frozen or walk),
        )
        self._pinned = kernels.Pinned(self.parts)

    @classmethod
    def of(
        cls, model: LiftModel, space: Space, walk: object, past: object, familiarity: Familiarity, frozen: object
    ) -> Self | None:
        """A search, or None without a compiler (the extra ``fast``), and where a part has no loop."""
        kernels = fast.loops("graphlift.serving.kernels")
        has_loops = model.hierarchical is None and all(type(conv) is RuvectorConv for conv in model.ranker.convs)
        if kernels is None or not has_loops or not isinstance(walk, CodedWalk):
            return None
        if not isinstance(past, CodedWalk | FlatIndex) or not len(space.memory):
            return None
        return cls(kernels, model, space, walk, past, familiarity, frozen if isinstance(frozen, CodedWalk) else None)

    def __call__(self, queries: Vectors, num_walked: int, ef_search: int) -> Found | None:
        """What is found for queries (B, C), contiguous; None if a walk finds too few for one of them."""
        count, beam = len(queries), self.walk.beam(num_walked, ef_search)
        widths = min(num_walked, self.num_walked) + self.num_recalled, num_walked, self.num_past
        (rows, scores), (walked, similarity), (past, near) = (
            (np.empty((count, width), dtype=np.int64), np.empty((count, width), dtype=np.float32)) for width in widths
        )
        found = Found(rows, scores, walked, similarity, past, near, np.empty(count, dtype=np.bool_))
        if count == 1:
            self._search(0, 1, queries, beam, self._pinned, *found)
        else:
            fast.run(self._search, count, queries, beam, self._pinned, *found)
        return None if -np.inf in scores[:, 0].tolist() else found


def _past(kernels: Any, past: CodedWalk | FlatIndex, count: int) -> tuple[Any, ...]:
    """The terrain of past queries, which has no links if it is to be scanned, and the beam of a walk."""
    if isinstance(past, CodedWalk):
        return past.terrain, past.beam(count, past.index.ef_search)
    nowhere, nobody = np.empty((0, 1), dtype=np.int32), np.empty(0, dtype=np.int32)
    paths = kernels.Paths(nowhere, nowhere, nobody, nobody, entry=0, num_levels=0)
    return kernels.Terrain(codes_of(kernels, past.vectors, past.metric), paths, np.empty(0, dtype=np.bool_)), 0


def _stranger(kernels: Any, model: LiftModel, familiarity: Familiarity, frozen: CodedWalk) -> Any:
    """How strange queries are told; the model may still set its bounds."""
    around, ef_search = looked_around(frozen.index)
    beam = frozen.beam(around, ef_search)
    known = familiarity.learned, familiarity.warm, model.familiarity_bounds.numpy()
    return kernels.Stranger(*known, frozen.terrain, beam, around)
