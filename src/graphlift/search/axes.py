"""The few axes along which vectors differ most, for looking near where exactness is not needed."""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLED = 16_384
"""Vectors that axes are measured on, spread evenly."""


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
    if len(x) > SAMPLED:
        x = x[torch.linspace(0, len(x) - 1, SAMPLED).long()]
    return torch.linalg.eigh((x.T @ x).double()).eigenvectors.flip(1)[:, :count].to(x.dtype).contiguous()
