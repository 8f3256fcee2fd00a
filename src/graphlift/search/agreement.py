"""Whether past queries that are near each other were answered by the same documents."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EXPONENTS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Tried for the exponent; in some corpora near queries share their answers, in others each has one of its own."""
APART = 0.05
"""Pairs that are less near than this say nothing."""
PRIOR_NEAR, PRIOR_AGREES = 0.5, 0.25
"""One pair that is always thought of: what it says alone is an exponent of 2."""


def agreement_exponent(near: Tensor, held: Tensor) -> Tensor:
    r"""The power of nearness that says how likely two past queries share an answer, around each query.

    With the nearness :math:`e` of two past queries (`graphlift.search.evidence.nearness_among`) and whether they agree,
    :math:`a` of 0 or 1, the exponent is the likeliest if the chance to agree is :math:`e^\gamma`,

    .. math::
        \sum_{i<j} a_{ij} \gamma \log e_{ij} + (1 - a_{ij}) \log (1 - e_{ij}^\gamma)

    being largest over the pairs of past queries near a query that name any of its candidates, and one more pair that
    stands for what is usual. Pairs less near than `APART` are left out. So feedback counts for similar queries where
    similar queries have had the same answers, and for the same query alone where they have not.

    Args:
        near: of past queries to each other, (B, P, P).
        held: which candidates each of them names, (B, n, P).

    Returns:
        One of `EXPONENTS` a query, (B,).

    Example:
        >>> near = torch.full((1, 4, 4), 0.8)
        >>> agreement_exponent(near, torch.ones(1, 2, 4)).item()  # all name the same two candidates
        1.0
        >>> agreement_exponent(near, torch.eye(4).unsqueeze(0)).item()  # each names one of its own
        8.0
    """
    named = held.to(near.dtype)
    agree = named.mT @ named > 0
    speaks = named.sum(dim=1) > 0
    pairs = ((near > APART) & speaks.unsqueeze(1) & speaks.unsqueeze(2)).triu(diagonal=1)
    log_near = near.clamp(APART, 0.999).log()
    exponents = near.new_tensor(EXPONENTS)
    agreed = exponents.unsqueeze(1) * (log_near * (pairs & agree)).sum(dim=(1, 2))
    disagreed = _log_rest(exponents.view(-1, 1, 1, 1) * log_near).mul_(pairs & ~agree).sum(dim=(2, 3))
    return exponents[(_prior(exponents).unsqueeze(1) + agreed + disagreed).argmax(dim=0)]


def _prior(exponents: Tensor) -> Tensor:
    """Log-likelihood of the pair that is always thought of."""
    log_chance = exponents * math.log(PRIOR_NEAR)
    return PRIOR_AGREES * log_chance + (1 - PRIOR_AGREES) * _log_rest(log_chance)


def _log_rest(log_chance: Tensor) -> Tensor:
    """The logarithm of what is missing to 1."""
    return torch.log(-torch.expm1(log_chance))
