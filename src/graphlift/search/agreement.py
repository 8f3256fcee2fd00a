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
    :math:`a \in \{0, 1\}`, the exponent is the likeliest under :math:`P(a = 1 \mid e) = e^\gamma`,

    .. math::
        \gamma = \arg\max_\gamma \sum_{i<j} a_{ij} \gamma \log e_{ij} + (1 - a_{ij}) \log\big(1 - e_{ij}^\gamma\big)

    over the pairs of past queries near a query that name any of its candidates. So feedback counts for similar queries
    where similar queries have had the same answers, and for the same query alone where they have not.

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
    agree = (named.mT @ named > 0).to(near.dtype)
    speaks = named.sum(dim=1) > 0
    counts = (near > APART) & speaks.unsqueeze(1) & speaks.unsqueeze(2)
    counts = counts.triu(diagonal=1)  # every pair once, and nobody with itself
    log_near = near.clamp(APART, 0.999).log()
    likelihoods = []
    for exponent in EXPONENTS:
        likelihood = _log_likelihood(log_near, agree, exponent)
        prior = _log_likelihood(torch.tensor(math.log(PRIOR_NEAR)), torch.tensor(PRIOR_AGREES), exponent)
        likelihoods.append((likelihood * counts).sum(dim=(1, 2)) + prior)
    return torch.tensor(EXPONENTS)[torch.stack(likelihoods).argmax(dim=0)]


def _log_likelihood(log_near: Tensor, agree: Tensor, exponent: float) -> Tensor:
    """Of agreement (1) or not (0) between two queries of this nearness, elementwise."""
    log_chance = exponent * log_near
    return agree * log_chance + (1 - agree) * torch.log(-torch.expm1(log_chance))
