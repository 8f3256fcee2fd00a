"""Taking queries aside, to choose and to judge on."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.memory import Memory

COLD_SHARE = 0.1
"""At least this share of the held-out queries is made cold, where that can be done."""
LARGEST_GROUP = 0.02
"""No more than this share of all queries goes along to make one query cold."""


def hold_out(memory: Memory, fraction: float, seed: int, eligible: Tensor | None = None) -> tuple[Memory, Memory]:
    """Split queries into a training part and a held-out part, with some cold queries in the latter.

    A query is cold when no training query shares a relevant document with it. So part of the held-out queries are
    taken together with all queries that share an answer with them; a split at random would say little about
    documents that no one has asked for yet.

    Args:
        memory: all queries.
        fraction: share to hold out; at most 1,000 queries, and half of the eligible ones.
        seed: fixes the split.
        eligible: which queries may be held out, (Q,); all where left out.

    Returns:
        Training part and held-out part.

    Example:
        >>> memory = Memory.of(torch.eye(30), [{query // 3: 1.0} for query in range(30)])
        >>> train, dev = hold_out(memory, fraction=0.3, seed=0)
        >>> len(train), len(dev)
        (21, 9)
        >>> cold = [query for query in range(len(dev)) if not torch.isin(dev.answers(query), train.warm_rows).any()]
        >>> len(cold) >= 1
        True
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(memory), generator=generator)
    eligible = torch.ones(len(memory), dtype=torch.bool) if eligible is None else eligible
    order = order[eligible[order]]
    budget = min(round(len(memory) * fraction), len(order) // 2, 1000)
    held = torch.zeros(len(memory), dtype=torch.bool)
    largest = max(3, round(LARGEST_GROUP * len(memory)))
    by_row = torch.argsort(memory.rows, stable=True)
    sorted_rows, asked = memory.rows[by_row], memory.query_of_answer[by_row]
    for query in order.tolist():
        if int(held.sum()) >= budget * COLD_SHARE:
            break
        answers = memory.answers(query)
        first = torch.searchsorted(sorted_rows, answers)
        last = torch.searchsorted(sorted_rows, answers, right=True)
        if int((last - first).sum()) > largest:
            continue
        group = torch.cat([asked[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)])
        if bool(eligible[group].all()):
            held[group] = True
    rest = order[~held[order]]
    held[rest[: max(budget - int(held.sum()), 0)]] = True
    return memory.select((~held).nonzero().flatten()), memory.select(held.nonzero().flatten())
