"""Whose turn it is to serve a query: of several rankers with their query maps, that which learned with the past queries
near it."""

from __future__ import annotations

import torch
from torch import Tensor


def turn_of_past(turns: Tensor, newest: int, past: Tensor) -> Tensor:
    """Whose turn past queries came in, in the shape of ``past``.

    Args:
        turns: (T, 2); past queries with numbers below ``turns[t, 0]``, and in no row before, belong to
            ``turns[t, 1]``, all others to the newest.
        newest: its number.
        past: numbers of past queries.

    Example:
        >>> turn_of_past(torch.tensor([[3, 0], [5, 2]]), 2, torch.tensor([0, 2, 3, 7])).tolist()
        [0, 0, 2, 2]
    """
    turn = torch.cat([turns[:, 1], turns.new_tensor([newest])])
    return turn[torch.bucketize(past, turns[:, 0].contiguous(), right=True)]


def weight_of_turns(turns: Tensor, newest: int) -> Tensor:
    """What a past query's vote weighs by the turn that it came in, 1 / how many came in that, (newest + 1,).

    Without it a few hundred queries would be outvoted on their own ground by thousands of another turn.

    Args:
        turns, newest: as in `turn_of_past`.

    Example:
        >>> weight_of_turns(torch.tensor([[4, 0], [6, 1], [10, 0]]), 1).tolist()
        [0.125, 0.5]
    """
    sizes = torch.zeros(newest + 1).index_add(0, turns[:, 1], turns[:, 0].diff(prepend=turns.new_zeros(1)).float())
    return 1 / sizes.clamp(min=1)


def whose_turn(past: Tensor, weight: Tensor) -> Tensor:
    """Whose turn each query is, (B,): past queries vote for the turn that they came in, a nearer one by more.

    Args:
        past: the turns of the past queries near, nearest first, (B, P).
        weight: of each turn's votes, (T,); where nobody is near, it is the last one's turn.

    Example:
        >>> near = torch.tensor([[0, 1, 1], [1, 0, 0]])
        >>> whose_turn(near, torch.tensor([1.0, 1.0])).tolist(), whose_turn(near, torch.tensor([1.0, 9.0])).tolist()
        ([0, 1], [1, 1])
    """
    votes = torch.zeros(len(past), len(weight))
    near = weight[past] / (1 + torch.arange(past.shape[1]))
    votes.scatter_add_(1, past, near)
    return len(weight) - 1 - votes.flip(1).argmax(dim=1)
