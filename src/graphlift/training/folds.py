"""Lifts that have not seen a query, so that its candidates look as those of a new query do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.sampling import fold_of
from graphlift.search.subgraph import Subgraphs
from graphlift.training.navigable import navigable
from graphlift.training.paraphrases import stand_ins


def cross_fitted(
    index: HnswIndex,
    models: Sequence[LiftModel],
    memory: Memory,
    numbers: Tensor,
    stand_in: int = 0,
    role: Tensor | None = None,
) -> tuple[Subgraphs, Tensor]:
    """Subgraphs of some queries of a memory, each by the lift of its fold and without its own answers.

    Candidates from a lift that was trained on the query look better than those of any new query will.

    Args:
        index: the frozen index.
        models: one a fold, which has seen no query of that fold.
        memory: past queries.
        numbers: the queries to draw.
        stand_in: so many documents ask after each query in its place. They are answers of the query, no candidates of
            their own, and of the same fold, whose model has not seen them ask either.
        role: of documents, by `graphlift.training.paraphrases.roles`, (N,); needed where any ask.

    Returns:
        Subgraphs, and the numbers (n,) of their queries in the subgraphs' order.
    """
    fold, generator = fold_of(memory.queries[numbers], len(models)), torch.Generator().manual_seed(0)
    drawn, owners = [], []
    for inside, model in enumerate(models):
        own = numbers[fold == inside]
        if not len(own):
            continue
        lifted = navigable(LiftedIndex(index, model, memory), memory.queries[own]).lifted  # as it would be served
        drawn.append(lifted.subgraphs(memory.queries[own], own=own))
        owners.append(own)
        for _ in range(stand_in):
            rows = stand_ins(memory, own, generator, may_ask=None if role is None else role == inside)
            asking, asked_for = rows[rows >= 0], own[rows >= 0]
            if len(asking):
                drawn.append(lifted.subgraphs(index.x[asking], own=asked_for, hidden=asking))
                owners.append(asked_for)
    return Subgraphs.cat(drawn), torch.cat(owners)
