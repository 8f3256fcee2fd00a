"""Similarities as tensors, in the units that a model works in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.metric import Metric


@dataclass(frozen=True)
class Similarity:
    """The similarity of an index's metric, divided by the size of its vectors so that it has no unit.

    Attributes:
        metric: the index's.
        scale: median squared length of the documents; 1 under cosine.

    Example:
        >>> Similarity(Metric.L2, scale=2.0).pairwise(torch.zeros(1, 1, 2), torch.ones(1, 3, 2)).tolist()
        [[[-1.0, -1.0, -1.0]]]
    """

    metric: Metric
    scale: float = 1.0

    @classmethod
    def of(cls, metric: Metric, documents: Tensor) -> Similarity:
        """The similarity for these documents (N, C)."""
        if metric is Metric.COSINE:
            return cls(metric)
        scale = float(documents.square().sum(dim=1).median())
        return cls(metric, scale if scale > torch.finfo(torch.float32).tiny else 1.0)

    @property
    def unit(self) -> float:
        """Length of a usual vector: what is divided by it has no unit."""
        return math.sqrt(self.scale)

    def finish(self, x: Tensor) -> Tensor:
        """Vectors in the form that the metric compares: unit length for cosine, as they are otherwise."""
        return F.normalize(x, dim=-1) if self.metric is Metric.COSINE else x

    def pairwise(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity of finished vectors a (..., n, C) with b (..., m, C), (..., n, m)."""
        product = a @ b.mT
        if self.metric is Metric.L2:
            product = 2 * product - a.square().sum(-1).unsqueeze(-1) - b.square().sum(-1).unsqueeze(-2)
        return product / self.scale
