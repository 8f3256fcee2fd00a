"""Telling kinds of vectors apart by a linear boundary, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHRINKAGE = 0.01
"""So much of the mean variance is added to all, so that directions in which few vectors differ do not decide."""


def discriminant(x: Tensor, kind: Tensor, count: int) -> Tensor:
    """The linear boundary between kinds of vectors whose spread is alike; `told` says on whose side vectors are.

    All kinds count the same, however many there are of each.

    Args:
        x: vectors (n, C).
        kind: of each, in [0, count), (n,). One that nobody is of never wins.
        count: how many kinds there are.

    Returns:
        Weights and, in the last column, offsets, (count, C + 1).

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
        >>> boundary = discriminant(x, torch.tensor([0, 0, 1, 1]), 2)
        >>> told(boundary, torch.tensor([[1.9, 5.0], [2.1, -5.0]])).tolist()
        [0, 1]
    """
    size = torch.bincount(kind, minlength=count)
    exact = x.double()
    mean = exact.new_zeros(count, x.shape[1]).index_add_(0, kind, exact) / size.clamp(min=1).unsqueeze(1)
    apart = (exact - mean[kind]) / size[kind].sqrt().unsqueeze(1)
    covariance = apart.T @ apart
    least = torch.finfo(x.dtype).eps * exact.square().mean().clamp(min=torch.finfo(x.dtype).tiny)
    covariance.diagonal().add_(SHRINKAGE * covariance.diagonal().mean().clamp(min=least))
    weight = torch.linalg.solve(covariance, mean.T).T
    offset = (-0.5 * (weight * mean).sum(dim=1)).masked_fill(size == 0, -torch.inf)
    return torch.cat([weight, offset.unsqueeze(1)], dim=1).to(x.dtype)


def told(boundary: Tensor, x: Tensor) -> Tensor:
    """The kind on whose side of a boundary (T, C + 1) each of vectors (n, C) is: the largest of its sums, (n,)."""
    return F.linear(x, boundary[:, :-1], boundary[:, -1]).argmax(dim=1)
