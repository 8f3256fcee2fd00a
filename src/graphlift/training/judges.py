"""Who chooses the epoch of a ranker, and what they find by it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.search.subgraph import Subgraphs
from graphlift.training.gate import Scores, ndcg_of_scores
from graphlift.training.paraphrases import JUDGES, stand_ins
from graphlift.training.ranking import Ranker, candidate_scores

Judges = Sequence[tuple[Subgraphs, Memory]]
"""Queries that judge with their subgraphs, one pair for each kind."""


def judges_of(lifted: LiftedIndex, dev: Memory, role: Tensor | None, seed: int) -> Judges:
    """Dev queries as a lifted index draws them, and documents in their places if any ask.

    Dev queries may be nearer to what was learned than the texts of the corpus are, and say nothing of others.

    Args:
        lifted: has not learned from dev queries.
        dev: queries that judge.
        role: of documents, by `graphlift.training.paraphrases.roles`, (N,); None where none ask.
        seed: fixes which documents ask.
    """
    queries = [(lifted.subgraphs(dev.queries), dev)]
    if role is None:
        return queries
    rows = stand_ins(dev, torch.arange(len(dev)), torch.Generator().manual_seed(seed), may_ask=role == JUDGES)
    asked = ((rows >= 0) & (dev.counts > 1)).nonzero().flatten()  # with one answer there is nothing else to find
    if not len(asked):
        return queries
    rows, asking = rows[asked], dev.select(asked)
    others = asking.without(Memory.of(asking.queries, [{row: 1.0} for row in rows.tolist()]))
    return [*queries, (lifted.subgraphs(lifted.index.x[rows], hidden=rows), others)]


def judged_ndcg(ranker: Ranker, judges: Judges) -> float:
    """Mean nDCG@10 of what a ranker makes of queries that judge, those of every kind as much as those of another."""
    return sum(float(ranked_ndcg(ranker, *judge).mean()) for judge in judges) / len(judges)


def ranked_ndcg(ranker: Ranker, subgraphs: Subgraphs, queries: Memory) -> Scores:
    """nDCG@10 of every query by what a ranker makes of subgraphs that are drawn already."""
    return ndcg_of_scores(candidate_scores(ranker, subgraphs), subgraphs, queries)
