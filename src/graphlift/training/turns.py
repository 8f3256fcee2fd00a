"""Which maps and which ranker serve queries and documents of old kinds, after a fit went on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.search.discriminant import discriminant, told

MAX_EARLIER = 7
"""So many earlier turns are kept, each with its maps and its ranker."""
APART = 0.02
"""Kinds are apart if no more than this share of either falls to the other."""


def share_turns(
    before: Sequence[LiftModel],
    after: Sequence[LiftModel],
    documents: Tensor,
    learned: Memory,
    batch: Tensor,
    last: int,
) -> None:
    """Leave queries of other kinds than the new ones to what served them, and so documents of other kinds.

    Maps and a ranker that learned from many kinds of queries are a compromise. Those that learned with a kind mostly
    stay the better ones for it. Kinds are what a linear boundary tells apart; where none does, the new maps and ranker
    serve.

    Args:
        before: the model that served, and those of its folds.
        after: the same after more training, without turns; they get those that are to be.
        documents: of the index, (N, C).
        learned: what taught.
        batch: before which fit each of its queries came, (Q,).
        last: the batch of the new ones.
    """
    newest = len(before[0].earlier) + 1
    served = _serving(before[0], learned.queries, batch)
    served[batch == last] = newest
    kind = kinds_apart(learned.queries, served, newest)
    kept = sorted(set(kind.unique().tolist()) - {newest})[-MAX_EARLIER:]
    if not kept:
        return
    places = torch.full((newest + 1,), len(kept))
    places[kept] = torch.arange(len(kept))
    kind, count = places[kind], len(kept) + 1
    asked = torch.stack([learned.rows, kind[learned.query_of_answer]], dim=1).unique(dim=0)
    x, of_document = documents[asked[:, 0]], asked[:, 1]
    of_queries, of_documents = discriminant(learned.queries, kind, count), discriminant(x, of_document, count)
    if strays(of_documents, x, of_document).max() > APART:
        of_documents = of_documents[:0]  # kinds of queries ask for the same documents
    for old, new in zip(before, after, strict=True):
        all_of_old = [*old.earlier, old.served]
        new.take_turns([all_of_old[number] for number in kept], of_queries.clone(), of_documents.clone())


def kinds_apart(queries: Tensor, kind: Tensor, newest: int) -> Tensor:
    """The same kinds of queries (Q, C), those that no boundary tells from the newest made part of it, (Q,).

    Example:
        >>> queries = torch.tensor([[0.0, 0.1], [0.1, 0.0], [0.9, 5.0], [1.0, 5.1], [1.0, 5.0], [0.9, 5.1]])
        >>> kinds_apart(queries, torch.tensor([0, 0, 1, 1, 2, 2]), newest=2).tolist()
        [0, 0, 2, 2, 2, 2]
    """
    while True:
        share = strays(discriminant(queries, kind, newest + 1), queries, kind)
        with_newest = torch.maximum(share[:, newest], share[newest])
        with_newest[newest] = 0
        if with_newest.max() <= APART:
            return kind
        kind = torch.where(kind == with_newest.argmax(), newest, kind)


def strays(boundary: Tensor, x: Tensor, kind: Tensor) -> Tensor:
    """What share of the vectors (n, C) of each kind falls to each other kind, 0 to its own, (T, T)."""
    count = len(boundary)
    share = torch.bincount(kind * count + told(boundary, x), minlength=count * count).view(count, count).float()
    share /= share.sum(dim=1, keepdim=True).clamp(min=1)
    return share.fill_diagonal_(0)


def _serving(model: LiftModel, queries: Tensor, batch: Tensor) -> Tensor:
    """Which turn serves the batch of each query (Q, C): that of most of its queries, (Q,)."""
    votes = torch.zeros(int(batch.max()) + 1, len(model.earlier) + 1)
    votes.index_put_((batch, model.turn_of_queries(queries)), torch.tensor(1.0), accumulate=True)
    return votes.argmax(dim=1)[batch]
