"""What past queries say of candidates without any training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.memory import Memory
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
    if metric is Metric.INNER_PRODUCT:
        queries, past, nearest = (F.normalize(x, dim=-1) for x in (queries, past, nearest))
    to_past = (queries.unsqueeze(1) - past).square().sum(dim=2)
    to_document = (queries - nearest).square().sum(dim=1, keepdim=True)
    share = to_past / to_document.clamp(min=torch.finfo(torch.float32).tiny)
    return (1 - share).clamp(min=0)


def evidence(near: Tensor, past: Tensor, memory: Memory, rows: Tensor) -> Tensor:
    """The strongest past query that names each candidate, (B, n).

    Args:
        near: how much each past query speaks, (B, P).
        past: their numbers in the memory, (B, P).
        memory: what they name.
        rows: candidates, (B, n).

    Example:
        >>> memory = Memory.of(torch.eye(2), [{5: 1.0}, {5: 1.0, 7: 1.0}])
        >>> near = torch.tensor([[0.25, 0.75]])
        >>> evidence(near, torch.tensor([[0, 1]]), memory, torch.tensor([[4, 5, 7]]))
        tensor([[0.0000, 0.7500, 0.7500]])
    """
    if not past.shape[1]:
        return torch.zeros(rows.shape)
    held = memory.holds(past.unsqueeze(1), rows.unsqueeze(2))  # (B, n, P)
    return (near.unsqueeze(1) * held).amax(dim=2)


def raised(scores: Tensor, mask: Tensor, evidence: Tensor) -> Tensor:
    """Scores (B, n) drawn towards the top by evidence (B, n): with evidence 1 to one above the best of all."""
    top = scores.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    return scores + evidence * (top + 1 - scores)


def lowered(scores: Tensor, mask: Tensor, evidence: Tensor) -> Tensor:
    """Scores (B, n) drawn towards the bottom by evidence (B, n): with evidence 1 to one below the worst of all."""
    return -raised(-scores, mask, evidence)
