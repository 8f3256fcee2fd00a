"""How much each candidate belongs to the k best: soft versions of a hard set."""

from __future__ import annotations

import torch
from torch import Tensor


def lapsum(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Memberships that sum to k: the Laplace distribution function around a threshold b.

    .. math::
        p_i = F\Big(\frac{s_i - b}{\tau}\Big), \qquad \sum_i p_i = k, \qquad
        F(z) = \begin{cases} \frac{1}{2} e^{z} & z < 0 \\ 1 - \frac{1}{2} e^{-z} & z \ge 0 \end{cases}

    The threshold has a closed form once the scores are sorted. Its gradient is that of the equation it solves, so
    that raising one score lowers all other memberships. As :math:`\tau \to 0` they become 1 for the k best and 0 for
    the rest.

    Args:
        scores: (B, n), large is near.
        k: how many to keep. Where a row has no more candidates than that, all belong.
        temperature: positive, a number or a tensor that gets a gradient too.
        mask: True where a candidate exists, (B, n); others do not belong.

    Returns:
        Memberships (B, n) in [0, 1].

    Source: Struski et al., "LapSum: One Method to Differentiate Them All", 2025.

    Example:
        >>> lapsum(torch.tensor([[0.1, 0.9, 0.5, 0.2]]), k=2, temperature=0.1).sum()
        tensor(2.)
    """
    real = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    if scores.shape[1] <= k:
        return real.to(scores)
    lowest = torch.finfo(scores.dtype).min
    # Memberships do not change where all scores move alike: counted from the k-th, those that matter keep their digits.
    kth = _ranked(scores, real, k)[:, -1:].detach()
    scaled = ((scores - kth) / temperature).masked_fill(~real, lowest)
    with torch.no_grad():
        start = _laplace_threshold(scaled.masked_fill(~real, -torch.inf), k)
        # The threshold follows the scores by their shares of the density around it: the gradient of the equation.
        share = (-(scaled - start).abs()).softmax(dim=1)
    z = scaled - (start + (share * (scaled - scaled.detach())).sum(dim=1, keepdim=True))
    tail = 0.5 * (-z.abs()).exp()
    return _all_of_few(torch.where(z < 0, tail, 1 - tail), real, k)


def dftopk(scores: Tensor, k: int, temperature: float | Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Memberships by a sigmoid around the middle between the k-th and the next best score.

    .. math::
        p_i = \sigma\Big(\frac{s_i - \theta}{\tau}\Big), \qquad \theta = \tfrac{1}{2} \big(s_{[k]} + s_{[k+1]}\big)

    They sum to k only as :math:`\tau \to 0`; in exchange nothing is solved, and of all other scores only the two at
    the border move a membership. Arguments and result are those of `lapsum`.

    Source: Zhu et al., "Differentiable Fast Top-K Selection for Large-Scale Recommendation", 2025.

    Example:
        >>> dftopk(torch.tensor([[0.1, 0.9, 0.5, 0.2]]), k=2, temperature=0.01)
        tensor([[0.0000, 1.0000, 1.0000, 0.0000]])
    """
    real = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    if scores.shape[1] <= k:
        return real.to(scores)
    border = _ranked(scores, real, k + 1)[:, -2:]
    z = (scores - border.mean(dim=1, keepdim=True)) / temperature
    return _all_of_few(z.sigmoid(), real, k)


def _ranked(scores: Tensor, real: Tensor, count: int) -> Tensor:
    """The largest scores of each row, (B, count), in order; 0 in place of those that do not exist."""
    ranked = scores.masked_fill(~real, torch.finfo(scores.dtype).min).topk(count, dim=1)
    return ranked.values.masked_fill(~real.gather(1, ranked.indices), 0)


def _all_of_few(membership: Tensor, real: Tensor, k: int) -> Tensor:
    """1 for every candidate of a row that has at most k; 0 where there is none."""
    few = real.sum(dim=1, keepdim=True) <= k
    return torch.where(real & ~few, membership, real.to(membership))


def _laplace_threshold(scores: Tensor, k: int) -> Tensor:
    r"""The threshold b of a unit Laplace distribution, (B, 1), for scores (B, n) with minus infinity for none.

    Let m scores lie above b, with :math:`A = \sum_{above} e^{-s_i}` and :math:`B = \sum_{below} e^{s_i}`. Memberships
    sum to :math:`m - \frac{1}{2} A e^{b} + \frac{1}{2} B e^{-b}`, and setting this to k gives a quadratic equation for
    :math:`e^b`. A and B are kept as logarithms, so that no temperature is too cold. A row with at most k scores has no
    threshold; what it gets is of no use.
    """
    ordered = scores.sort(dim=1, descending=True).values
    nothing = torch.full_like(ordered[:, :1], -torch.inf)
    log_a = torch.cat([nothing, (-ordered).logcumsumexp(dim=1)], dim=1)  # (B, n + 1), by m
    log_b = torch.cat([ordered.flip(1).logcumsumexp(dim=1).flip(1), nothing], dim=1)
    count = torch.arange(1, ordered.shape[1] + 1, device=scores.device)
    total = count - 0.5 * (log_a[:, 1:] + ordered).exp() + 0.5 * (log_b[:, 1:] - ordered).exp()  # with b at each score
    above = (total <= k).sum(dim=1, keepdim=True)  # NaN, where there is no score, is not
    log_a, log_b, excess = log_a.gather(1, above), log_b.gather(1, above), (above - k).to(scores)
    root = (excess.square() + (log_a + log_b).exp()).sqrt()
    few = log_b - (root - excess).log()
    many = (root + excess).log() - log_a
    even = (log_b - log_a) / 2
    return torch.where(excess < 0, few, torch.where(excess > 0, many, even)).nan_to_num(0.0, 0.0, 0.0)
