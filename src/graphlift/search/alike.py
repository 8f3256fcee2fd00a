"""Votes of candidates for those that answered the same past queries."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.memory import STRIDE


def votes_of_alike(weights: Tensor, asked: Tensor) -> Tensor:
    r"""What candidates that are near the query say of those that answered the same past queries, however far these are.

    .. math::
        v_c = \sum_d w_d \frac{|Q_c \cap Q_d|}{\sqrt{|Q_c|\,|Q_d|}}

    with the weights w of the candidates, and the past queries :math:`Q_c` that a candidate answered. A candidate that
    answered none is like itself alone. Messages go over past queries, to and fro, so the time grows with the number of
    their answers, and not with the number of pairs.

    Args:
        weights: of candidates, 0 where there is none, (S, B, n).
        asked: numbers of the past queries that each answered, -1 where there is none, (B, n, L).

    Returns:
        (S, B, n).

    Example:
        >>> asked = torch.tensor([[[7, 8], [7, -1], [-1, -1]]])
        >>> votes_of_alike(torch.tensor([[[0.5, 0.3, 0.2]]]), asked)
        tensor([[[0.7121, 0.6536, 0.2000]]])
    """
    real = asked >= 0
    share = weights / real.sum(dim=2).clamp(min=1).sqrt()
    keys = (torch.arange(len(asked)).view(-1, 1, 1) * STRIDE + asked)[real]
    keys, place = keys.unique(return_inverse=True)
    given = share.unsqueeze(3).expand(-1, *asked.shape)[:, real]
    told = weights.new_zeros(len(weights), len(keys)).index_add_(1, place, given)
    heard = weights.new_zeros(len(weights), *asked.shape)
    heard[:, real] = told[:, place]
    votes = heard.sum(dim=3) / real.sum(dim=2).clamp(min=1).sqrt()
    return torch.where(real.any(dim=2), votes, weights)
