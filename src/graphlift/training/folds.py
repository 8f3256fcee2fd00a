"""Lifts that have not seen a query, so that its candidates look as those of a new query do."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.search.subgraph import Subgraphs
from graphlift.training.navigable import navigable
from graphlift.training.paraphrases import stand_ins


def fold_of(queries: Tensor, folds: int) -> Tensor:
    """The fold of each query, (Q,), by its vector alone.

    So a query is in the same fold whenever it is met, and no later fit teaches a fold's lift what it must not know.

    Example:
        >>> fold_of(torch.eye(4), folds=2).bincount(minlength=2).sum().item()
        4
    """
    return torch.tensor([zlib.crc32(query.tobytes()) % folds for query in queries.numpy()], dtype=torch.int64)


def cross_fitted(
    index: HnswIndex, models: Sequence[LiftModel], memory: Memory, numbers: Tensor, stand_in: int = 0
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

    Returns:
        Subgraphs, and the numbers (n,) of their queries in the subgraphs' order.
    """
    fold, generator = fold_of(memory.queries[numbers], len(models)), torch.Generator().manual_seed(0)
    fold_of_document = fold_of(index.x if stand_in else index.x[:0], len(models))
    drawn, owners = [], []
    for inside, model in enumerate(models):
        own = numbers[fold == inside]
        if not len(own):
            continue
        lifted = navigable(LiftedIndex(index, model, memory), memory.queries[own]).lifted  # as it would be served
        drawn.append(lifted.subgraphs(memory.queries[own], own=own))
        owners.append(own)
        for _ in range(stand_in):
            rows = stand_ins(memory, own, generator, may_ask=fold_of_document == inside)
            asking, asked_for = rows[rows >= 0], own[rows >= 0]
            if len(asking):
                drawn.append(lifted.subgraphs(index.x[asking], own=asked_for, hidden=asking))
                owners.append(asked_for)
    return Subgraphs.cat(drawn), torch.cat(owners)
