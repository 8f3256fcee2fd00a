"""Which of several rankers scores a query: the one that learned with the past queries near it."""

from __future__ import annotations

import torch
from torch import Tensor


def ranker_of_past(turns: Tensor, count: int, past: Tensor) -> Tensor:
    """Which ranker each past query belongs to, in the shape of ``past``.

    Args:
        turns: (T, 2); past queries with numbers below ``turns[t, 0]``, and in no turn before, belong to ranker
            ``turns[t, 1]``, all others to the last ranker.
        count: how many rankers there are.
        past: numbers of past queries.

    Example:
        >>> ranker_of_past(torch.tensor([[3, 0], [5, 2]]), 3, torch.tensor([0, 2, 3, 7])).tolist()
        [0, 0, 2, 2]
    """
    rankers = torch.cat([turns[:, 1], turns.new_tensor([count - 1])])
    return rankers[torch.bucketize(past, turns[:, 0].contiguous(), right=True)]


def whose_turn(rankers: Tensor, count: int) -> Tensor:
    """The ranker of each query, (B,): past queries vote for theirs, a nearer one by more.

    Args:
        rankers: the ranker of each past query near, nearest first, (B, P).
        count: how many rankers there are; the last one's turn it is where nobody is near.

    Example:
        >>> whose_turn(torch.tensor([[0, 1, 1], [1, 0, 0]]), 2).tolist()
        [0, 1]
    """
    votes = torch.zeros(len(rankers), count)
    weight = 1 / (1 + torch.arange(rankers.shape[1]))
    votes.scatter_add_(1, rankers, weight.expand(rankers.shape))
    return count - 1 - votes.flip(1).argmax(dim=1)
