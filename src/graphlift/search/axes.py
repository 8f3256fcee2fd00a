"""The few axes along which vectors differ most, for looking near where exactness is not needed."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.search.similarity import Similarity

SAMPLED = 16_384
"""Vectors that axes are measured on, spread evenly."""
FEWEST, STEP = 64, 32
"""So many axes are tried first, then so many more."""
ASKED, NEAREST, ENOUGH = 512, 32, 0.75
"""Of so many vectors, so many of those nearest to each, such a share must still be among the nearest along the axes."""


def axes_of_sketches(documents: Tensor, similarity: Similarity, count: int | None = None) -> Tensor:
    """The axes of sketches: so many, or as many as it takes, and at most the channels themselves, (C, D).

    Example:
        >>> from graphlift.metric import Metric
        >>> axes_of_sketches(torch.randn(9, 3), Similarity(Metric.COSINE), count=2).shape
        torch.Size([3, 2])
    """
    channels = documents.shape[1]
    if channels <= (FEWEST if count is None else count):
        return torch.eye(channels)
    return telling_axes(documents, similarity) if count is None else principal_axes(documents, count)


def telling_axes(x: Tensor, similarity: Similarity) -> Tensor:
    """As many `principal_axes` as it takes to tell who is near whom; the channels themselves if that takes all.

    Args:
        x: vectors (N, C).
        similarity: how they compare.

    Returns:
        Orthonormal columns, (C, D).

    Example:
        >>> from graphlift.metric import Metric
        >>> spread = torch.randn(500, 100) * 0.9 ** torch.arange(100)
        >>> telling_axes(spread, Similarity(Metric.INNER_PRODUCT)).shape
        torch.Size([100, 64])
    """
    x, channels = _spread(x, SAMPLED), x.shape[1]
    axes, nearest = principal_axes(x, channels), _nearest(x, similarity)
    for count in range(FEWEST, channels, STEP):
        some = axes[:, :count].contiguous()
        found = (_nearest(x @ some, similarity).unsqueeze(2) == nearest.unsqueeze(1)).any(dim=2)
        if float(found.float().mean()) >= ENOUGH:
            return some
    return torch.eye(channels)


def principal_axes(x: Tensor, count: int) -> Tensor:
    """The axes of most energy: products of vectors change least when both are taken along them only.

    Args:
        x: vectors (N, C).
        count: how many axes, at most C.

    Returns:
        Orthonormal columns, the strongest first, (C, count).

    Example:
        >>> x = torch.tensor([[0.0, 3.0, 0.0], [1.0, -2.0, 0.0]])
        >>> principal_axes(x, 1).abs().squeeze(1)
        tensor([0.1602, 0.9871, 0.0000])
    """
    x = _spread(x, SAMPLED)
    return torch.linalg.eigh((x.T @ x).double()).eigenvectors.flip(1)[:, :count].to(x.dtype).contiguous()


def _nearest(x: Tensor, similarity: Similarity) -> Tensor:
    """Rows nearest to each of some of the vectors, (n, k)."""
    return similarity.pairwise(_spread(x, ASKED), x).topk(min(NEAREST, len(x)), dim=1).indices


def _spread(x: Tensor, count: int) -> Tensor:
    """At most so many of the vectors, spread evenly."""
    return x if len(x) <= count else x[torch.linspace(0, len(x) - 1, count).long()]
