"""Loops of a lifted search, compiled.

Importing this package needs Numba, the extra ``fast``. `graphlift.serving` imports it where it is there, and everything
here has a twin in torch or FAISS that finds the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, compiled, inner
from graphlift.serving.kernels.best import put_best_first
from graphlift.serving.kernels.codes import Codes as Codes
from graphlift.serving.kernels.codes import encode as encode
from graphlift.serving.kernels.codes import scan
from graphlift.serving.kernels.folding import fold as fold
from graphlift.serving.kernels.maps import Maps, lift_in_turn
from graphlift.serving.kernels.maps import lift as lift
from graphlift.serving.kernels.maps import maps_of as maps_of
from graphlift.serving.kernels.pinned import Pinned as Pinned
from graphlift.serving.kernels.products import add_product
from graphlift.serving.kernels.ranker import Weights, rank
from graphlift.serving.kernels.subgraph import Ground, draw
from graphlift.serving.kernels.walk import Paths as Paths
from graphlift.serving.kernels.walk import Terrain as Terrain
from graphlift.serving.kernels.walk import look_around, walk
from graphlift.serving.kernels.walk import walk_span as walk_span


class Stranger(NamedTuple):
    """How strange queries are told (`graphlift.search.familiarity`).

    Attributes:
        learned: which past queries the lift was trained on, (Q,).
        warm: which documents answered one of those, (N,).
        bounds: a query is looked at if its nearest past one is less similar than the first, and is strange if no more
            warm documents are near it than the second; nobody is if that is negative.
        documents, beam: of the walk without the lift.
        num_around: how many documents are looked at.
    """

    learned: Array
    warm: Array
    bounds: Array
    documents: Terrain
    beam: int
    num_around: int


class Rankers(NamedTuple):
    """Rankers in turns.

    Attributes:
        weights: of each.
        boundary: `graphlift.model.LiftModel.query_boundary`, by columns, (C, T).
        offset: its offsets, (T,).
    """

    weights: list[Weights]
    boundary: Array
    offset: Array


class Counts(NamedTuple):
    """Of `graphlift.model.ModelConfig`."""

    num_walked: int
    num_recalled: int
    num_past_nodes: int


class Scoring(NamedTuple):
    """What candidates are drawn and scored by."""

    ground: Ground
    rankers: Rankers
    counts: Counts


class Parts(NamedTuple):
    """All that a search goes by; past queries without links are scanned."""

    maps: Maps
    documents: Terrain
    past_queries: Terrain
    past_beam: int
    scoring: Scoring
    stranger: Stranger


@compiled
def search(
    first: int,
    last: int,
    queries: Array,
    beam: int,
    parts: Parts,
    rows: Array,
    scores: Array,
    walked: Array,
    similarity: Array,
    past: Array,
    near: Array,
    strange: Array,
) -> None:
    """The whole way of queries first to last; what comes out is `graphlift.serving.compiled_search.Found`.

    Queries of which some walk finds too few are left without scores.
    """
    frozen, span = queries[first:last], slice(first, last)
    turn = turns(frozen, parts.scoring.rankers)
    lifted, sketches = lift_in_turn(frozen, parts.maps, turn)
    rows[span], scores[span] = 0, F4(-math.inf)
    recall(sketches, parts.past_queries, parts.past_beam, near[span], past[span])
    if find_strange(frozen, near[span], past[span], parts.stranger, strange[span]):
        walk(lifted, parts.documents, beam, similarity[span], walked[span])
        score(frozen, lifted, walked[span], past[span], turn, parts.scoring, rows[span], scores[span])


@compiled
def recall(vectors: Array, past_queries: Terrain, beam: int, near: Array, past: Array) -> None:
    """The past queries nearest to B vectors: by a walk, or by a scan where there are no links to walk along."""
    if len(past_queries.paths.links):
        walk(vectors, past_queries, beam, near, past)
    else:
        scan(vectors, past_queries.codes, near, past)


@compiled
def find_strange(queries: Array, near: Array, past: Array, stranger: Stranger, strange: Array) -> bool:
    """Which of B queries are strange, from what past ones are near them, (B, P) each; False if a walk finds too few."""
    rows = np.empty(stranger.num_around, np.int64)
    for query in range(len(queries)):
        nearest, num_warm = F4(-math.inf), 0
        for place in range(past.shape[1]):
            if past[query, place] >= 0 and stranger.learned[past[query, place]]:
                nearest = max(nearest, near[query, place])
        strange[query] = stranger.bounds[1] >= 0 and nearest < stranger.bounds[0]
        if strange[query]:
            look_around(queries[query], stranger.documents, stranger.beam, rows)
            if not _is_full(rows):
                return False
            for row in rows:
                num_warm += stranger.warm[row]
            strange[query] = num_warm <= stranger.bounds[1]
    return True


@compiled
def score(
    frozen: Array, lifted: Array, walked: Array, past: Array, turn: Array, scoring: Scoring, rows: Array, scores: Array
) -> None:
    """Candidates of B queries, best first, and their scores, into rows and scores (B, n), as wide as can be.

    What the walk found behind the first ``num_walked`` is no candidate. Where it found too few, nothing is.
    """
    ground, rankers, counts = scoring.ground, scoring.rankers, scoring.counts
    for query in range(len(frozen)):
        found, heard = walked[query, : counts.num_walked], past[query]
        if _is_full(walked[query]) and _is_full(heard):
            nodes = counts.num_past_nodes
            drawn = draw(frozen[query], lifted[query], found, heard, ground, counts.num_recalled, nodes)
            weights = rankers.weights[turn[query]]
            put_best_first(drawn.rows, rank(drawn, ground, weights), rows[query], scores[query])


@compiled
def turns(queries: Array, rankers: Rankers) -> Array:
    """Whose turn each of B queries is, (B,)."""
    turn = np.full(len(queries), len(rankers.weights) - 1)
    if len(rankers.offset):
        votes = np.empty((len(queries), len(rankers.offset)), F4)
        for query in range(len(queries)):
            for other in range(votes.shape[1]):
                votes[query, other] = rankers.offset[other]
        add_product(queries, rankers.boundary, votes)
        for query in range(len(queries)):
            turn[query] = votes[query].argmax()
    return turn


@inner
def _is_full(rows: Array) -> bool:
    """Whether as many were found as were wanted; what was not is -1, behind the others."""
    return len(rows) == 0 or rows[-1] >= 0
