"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.graph import NeighborTable


def contrast(scores: Tensor, positive: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Cross entropy of picking each row's positive among its columns: the common core of contrastive losses.

    Args:
        scores: similarity over temperature, (B, n).
        positive: column of the positive, (B,).
        mask: False where a column does not count, (B, n).
        weight: how much each row counts in the mean, positive, (B,); all alike where left out.

    Example:
        >>> round(contrast(torch.zeros(1, 2), torch.tensor([0])).item(), 3)
        0.693
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    if weight is None:
        return F.cross_entropy(scores, positive)
    return (weight * F.cross_entropy(scores, positive, reduction="none")).sum() / weight.sum()


def info_nce(
    queries: Tensor, positives: Tensor, negatives: Tensor, mask: Tensor | None = None, temperature: float = 0.07
) -> Tensor:
    r"""InfoNCE with cosine similarity, mean over the batch.

    .. math::
        \mathcal{L} = -\log \frac{\exp(\cos(\mathbf{q}, \mathbf{p}) / \tau)}
        {\exp(\cos(\mathbf{q}, \mathbf{p}) / \tau) + \sum_n \exp(\cos(\mathbf{q}, \mathbf{n}) / \tau)}

    Args:
        queries: (B, C).
        positives: one relevant document a query, (B, C).
        negatives: documents of each query (B, n, C), or the same for all (n, C).
        mask: False where a negative is none, because it is relevant too, (B, n).
        temperature: positive.

    Source: van den Oord et al., 2018; section 8.1 of the RuVector paper.

    Example:
        >>> q = torch.eye(2)
        >>> round(info_nce(q, q, q.flip(0).unsqueeze(1), temperature=1.0).item(), 3)
        0.313
    """
    queries, positives, negatives = (F.normalize(z, dim=-1) for z in (queries, positives, negatives))
    positive = (queries * positives).sum(-1, keepdim=True)  # (B, 1)
    others = torch.einsum("bc,bnc->bn" if negatives.ndim == 3 else "bc,nc->bn", queries, negatives)
    if mask is not None:
        mask = F.pad(mask, (1, 0), value=True)
    logits = torch.cat([positive, others], dim=-1) / temperature
    return contrast(logits, logits.new_zeros(len(logits), dtype=torch.long), mask)


def local_contrastive(x: Tensor, neighbors: NeighborTable, negatives: Tensor, temperature: float = 0.07) -> Tensor:
    r"""Keeps a node near its graph neighbors and away from nodes that are none; mean over nodes with neighbors.

    .. math::
        \mathcal{L}_v = -\log \frac{\frac{1}{|\mathcal{N}(v)|}\sum_{u \in \mathcal{N}(v)} \exp(\cos(\mathbf{x}_v,
        \mathbf{x}_u) / \tau)}{\frac{1}{|\mathcal{N}(v)|}\sum_{u \in \mathcal{N}(v)} \exp(\cos(\mathbf{x}_v,
        \mathbf{x}_u) / \tau) + \sum_n \exp(\cos(\mathbf{x}_v, \mathbf{x}_n) / \tau)}

    Its job is to keep HNSW links navigable while vectors move.

    Args:
        x: node vectors (S, C).
        neighbors: rows are the first N nodes of x, ids point into x.
        negatives: ids (N, n) of nodes that are no neighbors of the row's node.
        temperature: positive.

    Source: section 8.1 of the RuVector paper.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> table = NeighborTable(torch.tensor([[1]]), num_sources=3)
        >>> round(local_contrastive(x, table, torch.tensor([[2]]), temperature=1.0).item(), 3)
        0.313
    """
    x = F.normalize(x, dim=-1)
    linked = neighbors.degree > 0
    center = x[: len(neighbors)]
    near = torch.einsum("vc,vdc->vd", center, F.embedding(neighbors.ids.clamp(min=0), x)) / temperature
    near = near.masked_fill(~neighbors.mask, -torch.inf)[linked].logsumexp(dim=1) - neighbors.degree[linked].log()
    far = torch.einsum("vc,vnc->vn", center, F.embedding(negatives, x))[linked] / temperature
    logits = torch.cat([near.unsqueeze(1), far], dim=1)
    if not len(logits):
        return x.sum() * 0
    return contrast(logits, logits.new_zeros(len(logits), dtype=torch.long))


def listwise_softmax(scores: Tensor, relevance: Tensor, mask: Tensor) -> Tensor:
    r"""Cross entropy between the softmax of scores and the share of each relevant candidate (ListNet's top-one loss).

    Args:
        scores: (B, n).
        relevance: non-negative grades (B, n); a query without any relevant candidate does not count.
        mask: True where a candidate exists, (B, n).

    Source: Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, 2007.

    Example:
        >>> scores = torch.zeros(1, 2)
        >>> round(listwise_softmax(scores, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool)).item(), 3)
        0.693
    """
    relevance = relevance * mask
    total = relevance.sum(dim=1, keepdim=True)
    log_share = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).log_softmax(dim=1)
    losses = -(relevance / total.clamp(min=1e-12) * log_share).sum(dim=1)
    judged = total.squeeze(1) > 0
    return losses[judged].mean() if bool(judged.any()) else scores.sum() * 0
