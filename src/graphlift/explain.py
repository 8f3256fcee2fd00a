"""What moved a hit: effects of past queries and of other candidates, each left out once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from graphlift.index.hits import Explanation, Neighbor, PastQuery
from graphlift.index.hnsw import HnswIndex
from graphlift.index.storage import Rows
from graphlift.lifted import LiftedIndex
from graphlift.metric import Vectors
from graphlift.search.subgraph import Subgraphs

Influence = TypeVar("Influence", PastQuery, Neighbor)

FROZEN_RANKS = 100
"""A hit's place in the frozen index is looked for among so many."""
NAMED = 3
"""Past queries, and other candidates, that are named for a hit."""
NEGLIGIBLE = 0.01
"""Effects on a score below this are not named; the differences between hits are larger."""


def explain(
    index: HnswIndex,
    lifted: LiftedIndex | None,
    queries: Vectors,
    found: tuple[Vectors, Rows],
    ef_search: int | None,
    cold_bonus: float,
) -> tuple[tuple[Explanation, ...], ...]:
    """What moved the hits of a search.

    Two things are left out, one at a time. A past query is left out of the memory: the query's subgraph is drawn anew
    as if it had never been asked, so that its vote, its share in every count and the candidates that it brought are
    gone, and the next past query takes its place. The weights stay as they were trained. Another candidate is left out
    of what the hit listens to; what is known of either document stays.

    Args:
        index: the frozen index.
        lifted: what served; None where the frozen index did.
        queries: in the metric's form, (Q, C).
        found: scores and rows of the hits, both (Q, k).
        ef_search: that the search was given.
        cold_bonus: that the search added.
    """
    scores, rows = found
    if lifted is None:
        ranks = _frozen_ranks(index, queries, rows, index.checked_ef(ef_search))
        return tuple(
            tuple(Explanation(rank, before, score) for rank, (before, score) in enumerate(zip(*hits, strict=True), 1))
            for hits in zip(ranks, scores.tolist(), strict=True)
        )
    beam = max(lifted.beam(ef_search), rows.shape[1])  # so wide was the search's walk
    ranks = _frozen_ranks(index, queries, rows, lifted.beam(ef_search))
    with torch.inference_mode():
        return tuple(
            _explain_one(lifted, query, hits, was, beam, cold_bonus)
            for query, hits, was in zip(torch.from_numpy(queries).split(1), torch.from_numpy(rows), ranks, strict=True)
        )


def _frozen_ranks(index: HnswIndex, queries: Vectors, rows: Rows, ef_search: int) -> list[list[int | None]]:
    """The places of documents, rows (Q, k), in the frozen index, 1 the best; None behind the first `FROZEN_RANKS`."""
    found = index.search_rows(queries, min(max(FROZEN_RANKS, rows.shape[1]), len(index)), ef_search)[1]
    ranks: list[list[int | None]] = []
    for before, hits in zip(found.tolist(), rows.tolist(), strict=True):
        place = {row: rank for rank, row in enumerate(before, 1)}
        ranks.append([place.get(row) for row in hits])
    return ranks


def _explain_one(
    lifted: LiftedIndex, query: Tensor, hits: Tensor, ranks: list[int | None], ef_search: int, cold_bonus: float
) -> tuple[Explanation, ...]:
    if bool(lifted.is_strange(query)):  # then it gets no bonus
        lifted, cold_bonus = lifted.strangers, 0.0
    subgraph = lifted.subgraphs(query, ef_search=ef_search)
    parts = _parts(lifted, query, subgraph, hits, cold_bonus)
    past = _effects_of_past(lifted, query, subgraph, hits, ef_search, cold_bonus)
    neighbors = _effects_of_candidates(lifted, subgraph, hits, cold_bonus)
    return tuple(
        Explanation(place + 1, before, *parts[place], past[place], neighbors[place])
        for place, before in enumerate(ranks)
    )


def _parts(
    lifted: LiftedIndex, query: Tensor, subgraph: Subgraphs, hits: Tensor, cold_bonus: float
) -> list[tuple[float, float | None, float, float]]:
    """The parts of each hit's score: similarity, what was learned, cold bonus, what was told."""
    similarity = lifted.model.similarity.pairwise(lifted.lift_queries(query), lifted.walk_index.x[hits])[0]
    scaled = similarity * (lifted.model.ranker_of_one(subgraph).scale if lifted.learned else 1.0)
    learned = _of_hits(lifted.scores(subgraph, 0.0), subgraph, hits)[0] - scaled
    bonus = cold_bonus * lifted.is_cold(hits)
    scores = lifted.scores(subgraph, cold_bonus)
    moved = lifted.told_outright(query, subgraph.rows, subgraph.rows[:, 0], subgraph.mask, scores) - scores
    told = _of_hits(moved, subgraph, hits)[0]
    return [
        (part, None, 0.0, 0.0) if math.isnan(rest) else (part, rest, *added)
        for part, rest, *added in zip(*(each.tolist() for each in (scaled, learned, bonus, told)), strict=True)
    ]


def _effects_of_past(
    lifted: LiftedIndex, query: Tensor, subgraph: Subgraphs, hits: Tensor, ef_search: int, cold_bonus: float
) -> list[tuple[PastQuery, ...]]:
    """The past queries that moved each hit most."""
    past = subgraph.past[0]
    if not len(past):
        return [()] * len(hits)
    without = lifted.subgraphs(query.expand(len(past), -1), own=past, ef_search=ef_search)
    now = _of_hits(lifted.scores(subgraph, cold_bonus), subgraph, hits)
    then = _of_hits(lifted.scores(without, cold_bonus), without, hits)
    near = lifted.model.similarity.pairwise(query, lifted.memory.queries[past])[0] * lifted.model.similarity.scale
    ids = lifted.index.ids.array

    def named(place: int, effect: float) -> PastQuery:
        number = int(past[place])
        answers = tuple(ids[lifted.memory.answers(number).numpy()].tolist())
        return PastQuery(number, float(near[place]), answers, None if math.isnan(effect) else effect)

    effects = torch.where(now.isnan(), 0.0, now - then)  # a hit that is no candidate anyway is moved by nobody
    return [_largest(each, named) for each in effects.T]


def _effects_of_candidates(
    lifted: LiftedIndex, subgraph: Subgraphs, hits: Tensor, cold_bonus: float
) -> list[tuple[Neighbor, ...]]:
    """The other candidates that moved each hit most."""
    real = subgraph.mask[0].nonzero().flatten()
    mask = subgraph.mask.repeat(len(real), 1)
    mask[torch.arange(len(real)), real] = False
    without = replace(subgraph[torch.zeros(len(real), dtype=torch.int64)], mask=mask)
    now = _of_hits(lifted.scores(subgraph, cold_bonus), subgraph, hits)
    then = _of_hits(lifted.scores(without, cold_bonus), subgraph, hits)
    rows = subgraph.rows[0, real]
    effects = (now - then).nan_to_num(0.0).masked_fill(rows.unsqueeze(1) == hits, 0.0)  # not on itself
    ids = lifted.index.ids.array
    return [_largest(each, lambda place, effect: Neighbor(ids[rows[place]], effect)) for each in effects.T]


def _of_hits(values: Tensor, subgraphs: Subgraphs, hits: Tensor) -> Tensor:
    """Of values of candidates (B, n) those of some documents (h,); NaN where one is no candidate, (B, h)."""
    match = (subgraphs.rows.unsqueeze(2) == hits) & subgraphs.mask.unsqueeze(2)
    found = torch.where(match, values.unsqueeze(2).float(), 0.0).sum(dim=1)
    return found.masked_fill(~match.any(dim=1), torch.nan)


def _largest(effects: Tensor, named: Callable[[int, float], Influence]) -> tuple[Influence, ...]:
    """The nodes with the largest effects (nodes,), those without which there would be no hit first."""
    order = effects.abs().nan_to_num(torch.inf).argsort(descending=True, stable=True)[:NAMED].tolist()
    return tuple(named(place, float(effects[place])) for place in order if not abs(effects[place]) < NEGLIGIBLE)
