"""What past queries say of candidates without any training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.metric import Metric


def nearness(metric: Metric, queries: Tensor, past: Tensor, nearest: Tensor) -> Tensor:
    r"""How near past queries are to queries: 1 for the same query, 0 from where a document is nearer than they are.

    .. math::
        e = \max\Big(0,\; 1 - \frac{\|\mathbf{q} - \mathbf{p}\|^2}{\|\mathbf{q} - \mathbf{x}_1\|^2}\Big)

    The nearest document :math:`\mathbf{x}_1` is the yardstick, as embedders differ in how near unrelated texts are.
    Under inner product the vectors' directions are compared, as long vectors are not nearer.

    Args:
        metric: the index's.
        queries: (B, C).
        past: their past queries, (B, P, C), or the same for all, (P, C).
        nearest: the nearest document of each query, (B, C).

    Returns:
        (B, P).
    """
    queries, past, nearest = _comparable(metric, queries, past, nearest)
    squares = (queries.unsqueeze(1) - past).square().sum(dim=2)
    return _by_yardstick(squares, queries, nearest)


def nearness_among(metric: Metric, queries: Tensor, past: Tensor, nearest: Tensor) -> Tensor:
    """How near past queries are to each other, by the yardstick of the query that they are near to.

    Args:
        metric: the index's.
        queries: (B, C).
        past: their past queries, (B, P, C).
        nearest: the nearest document of each query, (B, C).

    Returns:
        (B, P, P).
    """
    queries, past, nearest = _comparable(metric, queries, past, nearest)
    squares = torch.cdist(past, past, compute_mode="donot_use_mm_for_euclid_dist").square()  # a product loses digits
    return _by_yardstick(squares.flatten(1), queries, nearest).view_as(squares)


def _comparable(metric: Metric, *vectors: Tensor) -> tuple[Tensor, ...]:
    """Vectors whose distances mean something: their directions under inner product."""
    return tuple(F.normalize(x, dim=-1) for x in vectors) if metric is Metric.INNER_PRODUCT else vectors


def _by_yardstick(squares: Tensor, queries: Tensor, nearest: Tensor) -> Tensor:
    """Squared distances (B, m) as nearness: 0 from the distance to the nearest document on."""
    to_document = (queries - nearest).square().sum(dim=1, keepdim=True)
    return (1 - squares / to_document.clamp(min=torch.finfo(torch.float32).tiny)).clamp(min=0)


def evidence(near: Tensor, held: Tensor) -> Tensor:
    """The strongest past query that names each candidate, (B, n).

    Args:
        near: how much each past query speaks, (B, P).
        held: which candidates it names, (B, n, P).

    Example:
        >>> near, held = torch.tensor([[0.25, 0.75]]), torch.tensor([[[0, 0], [1, 1], [0, 1]]])
        >>> evidence(near, held)
        tensor([[0.0000, 0.7500, 0.7500]])
    """
    return (near.unsqueeze(1) * held).amax(dim=2)


def raised(scores: Tensor, mask: Tensor, evidence: Tensor) -> Tensor:
    """Scores (B, n) drawn towards the top by evidence (B, n): with evidence 1 to one above the best of all."""
    top = scores.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    return scores + evidence * (top + 1 - scores)


def lowered(scores: Tensor, mask: Tensor, evidence: Tensor) -> Tensor:
    """Scores (B, n) drawn towards the bottom by evidence (B, n): with evidence 1 to one below the worst of all."""
    return -raised(-scores, mask, evidence)
