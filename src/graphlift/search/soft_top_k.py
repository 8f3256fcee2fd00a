"""Differentiable selection of the k best candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.search.membership import dftopk, lapsum


class SoftTopK(NamedTuple):
    """Weights that sum to 1 (B, k) and the columns they belong to (B, k), largest first."""

    weights: Tensor
    indices: Tensor


def soft_top_k(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None = None) -> SoftTopK:
    r"""Softmax over the scores, cut to the k largest and renormalised over them.

    .. math::
        w_i = \frac{\exp(s_i / \tau)}{\sum_{j \in \mathrm{top}_k} \exp(s_j / \tau)}, \qquad i \in \mathrm{top}_k

    As :math:`\tau \to 0` the weight gathers on the best candidate, as :math:`\tau \to \infty` it spreads evenly
    over the k. The gradient reaches every kept score, and through it the query and the candidates.

    Args:
        scores: similarities (B, n), large is near.
        k: how many to keep; all n where k is larger.
        temperature: positive, a number or a tensor that gets a gradient too.
        mask: True where a candidate exists, (B, n); a masked candidate gets weight 0, and a row without any
            candidate weight 0 throughout.

    Raises:
        InputError: k is less than 1, or temperature is not positive.

    Source: section 4.1 of the RuVector paper, whose weights are not renormalised.

    Example:
        >>> soft_top_k(torch.tensor([[0.1, 0.9, 0.5]]), k=2, temperature=0.01).indices
        tensor([[1, 2]])
    """
    indices = _best(scores, k, temperature, mask)
    lowest = torch.finfo(scores.dtype).min
    top = scores.gather(1, indices)
    logits = (top - top[:, :1]) / temperature
    if mask is None:
        return SoftTopK(logits.softmax(dim=1), indices)
    real = mask.gather(1, indices)
    # Filled after the division, or the temperature's gradient would be 0 * inf.
    return SoftTopK(logits.masked_fill(~real, lowest).softmax(dim=1) * real, indices)


def lapsum_top_k(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None = None) -> SoftTopK:
    """The k best by their `lapsum` memberships, as shares of 1; called as `soft_top_k`.

    As the temperature falls all k weigh the same, where `soft_top_k` leaves all weight to the best: a softmax tends to
    one choice, memberships to a set. The gradient reaches candidates that are not kept, too, through the threshold.

    Example:
        >>> lapsum_top_k(torch.tensor([[0.1, 0.9, 0.5]]), k=2, temperature=0.01).weights
        tensor([[0.5000, 0.5000]])
    """
    return _by_membership(lapsum, scores, k, temperature, mask)


def dftopk_top_k(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None = None) -> SoftTopK:
    """The k best by their `dftopk` memberships, as shares of 1; otherwise as `lapsum_top_k`.

    Example:
        >>> dftopk_top_k(torch.tensor([[0.1, 0.9, 0.5]]), k=2, temperature=0.01).weights
        tensor([[0.5000, 0.5000]])
    """
    return _by_membership(dftopk, scores, k, temperature, mask)


Selection = Callable[[Tensor, int, float | Tensor, Tensor | None], SoftTopK]
"""What `soft_top_k` and its siblings are."""


def _by_membership(
    membership: Callable[[Tensor, int, float | Tensor, Tensor | None], Tensor],
    scores: Tensor,
    k: int,
    temperature: float | Tensor,
    mask: Tensor | None,
) -> SoftTopK:
    indices = _best(scores, k, temperature, mask)
    kept = membership(scores, k, temperature, mask).gather(1, indices)
    total = kept.sum(dim=1, keepdim=True)
    return SoftTopK(kept / total.masked_fill(total == 0, 1), indices)


def _best(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None) -> Tensor:
    """Columns of the k largest scores, (B, k), once the arguments have been checked."""
    if k < 1:
        raise InputError(f"`k` must be at least 1, got {k}.")
    value = float(torch.as_tensor(temperature).detach())
    if not value > 0:
        raise InputError(f"`temperature` must be positive, got {value}.")
    ranked = scores if mask is None else scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return ranked.topk(min(k, scores.shape[1]), dim=1).indices


def differentiable_search(queries: Tensor, candidates: Tensor, k: int, temperature: float | Tensor) -> SoftTopK:
    """Soft top-k of candidates (n, C) for queries (B, C) by cosine, section 4.1 of the RuVector paper.

    Example:
        >>> query = torch.tensor([[1.0, 0.0]], requires_grad=True)
        >>> found = differentiable_search(query, torch.eye(2), k=2, temperature=1.0)
        >>> found.indices.tolist(), round(found.weights[0, 0].item(), 3)
        ([[0, 1]], 0.731)
    """
    scores = F.normalize(queries, dim=-1) @ F.normalize(candidates, dim=-1).T
    return soft_top_k(scores, k, temperature)
