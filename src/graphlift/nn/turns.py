"""Whose turn it is to serve a query: of several rankers with their query maps, that which learned with the past queries
near it."""

from __future__ import annotations

import torch
from torch import Tensor


def turn_of_past(turns: Tensor, newest: int, past: Tensor) -> Tensor:
    """Whose turn past queries came in, in the shape of ``past``.

    Args:
        turns: (T, 2); past queries with numbers below ``turns[t, 0]``, and in no turn before, belong to
            ``turns[t, 1]``, all others to the newest.
        newest: its number.
        past: numbers of past queries.

    Example:
        >>> turn_of_past(torch.tensor([[3, 0], [5, 2]]), 2, torch.tensor([0, 2, 3, 7])).tolist()
        [0, 0, 2, 2]
    """
    turn = torch.cat([turns[:, 1], turns.new_tensor([newest])])
    return turn[torch.bucketize(past, turns[:, 0].contiguous(), right=True)]


def whose_turn(past: Tensor, newest: int) -> Tensor:
    """Whose turn each query is, (B,): past queries vote for the turn that they came in, a nearer one by more.

    Args:
        past: the turns of the past queries near, nearest first, (B, P).
        newest: the last turn, which it is where nobody is near.

    Example:
        >>> whose_turn(torch.tensor([[0, 1, 1], [1, 0, 0]]), newest=1).tolist()
        [0, 1]
    """
    votes = torch.zeros(len(past), newest + 1)
    weight = 1 / (1 + torch.arange(past.shape[1]))
    votes.scatter_add_(1, past, weight.expand(past.shape))
    return newest - votes.flip(1).argmax(dim=1)
