"""Attention over the rows of a neighbor table, with keys and values that are never computed for a neighbor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from graphlift.graph import EMPTY
from graphlift.nn import fast
from graphlift.nn.side_by_side import chunks, side_by_side, threads_for

MAX_COPIES = 8
"""So many threads at most share a backward pass, as each of them adds up the gradient of all messages for itself."""


def neighbor_attention(
    query: Tensor,
    messages: Tensor,
    ids: Tensor,
    share: Tensor,
    bias: Tensor | None,
    key: Tensor,
    value: Tensor,
    chunk_size: int = 1024,
) -> tuple[Tensor, Tensor]:
    r"""What N nodes hear from their neighbors: by attention, and as a weighted mean.

    .. math::
        \mathbf{a}_{v,i} = \mathbf{V}_i \sum_u \alpha_{i,u} \mathbf{m}_u \qquad
        \alpha_{i,u} = \mathrm{softmax}_u\big((\mathbf{K}_i^{\top} \mathbf{q}_{v,i})^{\top} \mathbf{m}_u + b_{i,u}\big)
        \qquad \mathbf{g}_v = \sum_u s_u \mathbf{m}_u

    Same numbers and gradients as `plain`. The difference is memory and time: nodes are taken ``chunk_size`` at a time,
    also in the backward pass, which computes the attention again instead of keeping it. So nothing of N d C numbers
    is ever held, and what is held stays in the processor's cache. Loops over neighbors are compiled where the extra
    ``fast`` is installed, and on CUDA devices. Under autocast anywhere else it is `plain`, all nodes at once.

    Args:
        query: what each node asks, head by head.
        messages: what the sources have to say, keys and values at once.
        ids: rows of a `NeighborTable`.
        share: weight of each neighbor in the mean, zero in empty slots.
        bias: added to the scores.
        key: the key projection head by head, with the scale of the scores in it.
        value: the value projection head by head.
        chunk_size: nodes at a time.

    Shapes:
        - **input:** query (N, H, K), messages (S, C), ids and share (N, d), bias (N, H, d), key and value (H, K, C)
        - **output:** attended (N, H K), mean (N, C); both zero for a node without neighbors

    Example:
        >>> query, messages, key = torch.ones(2, 1, 3), torch.eye(3), torch.zeros(1, 3, 3)
        >>> ids, share = torch.tensor([[0, 1], [2, -1]]), torch.tensor([[1.0, 0], [1, 0]])
        >>> attended, mean = neighbor_attention(query, messages, ids, share, None, key, torch.eye(3)[None])
        >>> attended.tolist(), mean.tolist()
        ([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    """
    device = query.device.type
    if not torch.is_autocast_enabled(device):
        attended, mean = _InChunks.apply(query, messages, ids, share, bias, key, value, chunk_size)
        return attended, mean
    dtype = torch.get_autocast_dtype(device)
    if fast.kernels(0, messages.to(dtype)) is None:
        return plain(query, messages, ids, share, bias, key, value)
    query, messages, share, key, value = (x.to(dtype) for x in (query, messages, share, key, value))
    bias = None if bias is None else bias.to(dtype)
    with torch.autocast(device, enabled=False):
        return neighbor_attention(query, messages, ids, share, bias, key, value, chunk_size)


def plain(
    query: Tensor, messages: Tensor, ids: Tensor, share: Tensor, bias: Tensor | None, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor]:
    """`neighbor_attention` as one reads it: all nodes at once, differentiated by torch."""
    gathered = _gather(messages, ids)  # (N, d, C)
    absorbed = torch.einsum("nhk,hkc->nhc", query, key)
    weights = _weights(absorbed, gathered, ids, share, bias)
    mix = weights @ gathered  # H attended means, then the weighted one
    return torch.einsum("nhc,hkc->nhk", mix[:, :-1], value).flatten(1), mix[:, -1]


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over what the mask leaves; uniform, not NaN, where it leaves nothing. Overwrites the scores."""
    return scores.masked_fill_(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)


def _gather(messages: Tensor, ids: Tensor) -> Tensor:
    return F.embedding(ids.clamp(min=0), messages)


def _weights(absorbed: Tensor, gathered: Tensor, ids: Tensor, share: Tensor, bias: Tensor | None) -> Tensor:
    """H rows of attention weights and one of shares, (n, H + 1, d); zero in empty slots."""
    mask = (ids != EMPTY).unsqueeze(1)
    scores = absorbed @ gathered.mT
    alpha = masked_softmax(scores if bias is None else scores + bias, mask) * mask
    return torch.cat([alpha, share.unsqueeze(1)], dim=1)


class _InChunks(torch.autograd.Function):
    """`plain` in chunks, with the backward pass by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        messages: Tensor,
        ids: Tensor,
        share: Tensor,
        bias: Tensor | None,
        key: Tensor,
        value: Tensor,
        chunk_size: int,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(query, messages, ids, share, bias, key, value)
        ctx.chunk_size = chunk_size
        attended, mean = torch.empty_like(query), messages.new_empty(len(query), messages.shape[1])

        def compute(rows: slice) -> None:
            mix = _attend(_per_head(query[rows], key), messages, ids[rows], share[rows], _rows(bias, rows))
            _per_head(mix[:, :-1], value.mT, out=attended[rows])
            mean[rows] = mix[:, -1]

        side_by_side(compute, list(chunks(query, chunk_size)), threads_for(query))
        return attended.flatten(1), mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_attended: Tensor, grad_mean: Tensor) -> tuple[Tensor | None, ...]:
        query, messages, ids, share, bias, key, value = ctx.saved_tensors
        grad_attended = grad_attended.view_as(query)
        grad_query, grad_share = query.new_empty(query.shape), share.new_empty(share.shape)
        grad_bias = None if bias is None else torch.empty_like(bias)

        def compute(pieces: list[slice]) -> tuple[Tensor, Tensor, Tensor]:
            """What these rows add to the gradients that all rows share; their own are written in place."""
            grad_messages = messages.new_zeros(messages.shape, dtype=_sums(messages))
            grad_key, grad_value = key.new_zeros(key.shape), value.new_zeros(value.shape)
            for rows in pieces:
                absorbed = _per_head(query[rows], key)
                grad_mix = messages.new_empty(len(absorbed), absorbed.shape[1] + 1, absorbed.shape[2])
                _per_head(grad_attended[rows], value, out=grad_mix[:, :-1])
                grad_mix[:, -1] = grad_mean[rows]
                mix, grad_absorbed, grad_weights = _attend_backward(
                    grad_mix, absorbed, messages, ids[rows], share[rows], _rows(bias, rows), grad_messages
                )
                grad_share[rows] = grad_weights[:, -1]
                if grad_bias is not None:
                    grad_bias[rows] = grad_weights[:, :-1]
                _per_head(grad_absorbed, key.mT, out=grad_query[rows])
                grad_key.baddbmm_(query[rows].permute(1, 2, 0), grad_absorbed.transpose(0, 1))
                grad_value.baddbmm_(grad_attended[rows].permute(1, 2, 0), mix[:, :-1].transpose(0, 1))
            return grad_messages, grad_key, grad_value

        pieces = list(chunks(query, ctx.chunk_size))
        threads = max(min(threads_for(query), MAX_COPIES, len(pieces)), 1)
        first, *others = side_by_side(compute, [pieces[thread::threads] for thread in range(threads)], threads)
        for other in others:
            for whole, part in zip(first, other, strict=True):
                whole += part
        grad_messages, grad_key, grad_value = first
        return grad_query, grad_messages.to(messages), None, grad_share, grad_bias, grad_key, grad_value, None


def _attend(absorbed: Tensor, messages: Tensor, ids: Tensor, share: Tensor, bias: Tensor | None) -> Tensor:
    """H attended means and the weighted one, (n, H + 1, C)."""
    kernels = fast.kernels(ids.numel() * absorbed[0].numel(), absorbed, messages, share)
    if kernels is None:
        gathered = _gather(messages, ids)
        return _weights(absorbed, gathered, ids, share, bias) @ gathered
    mix = absorbed.new_empty(len(absorbed), absorbed.shape[1] + 1, absorbed.shape[2])
    fast.run(kernels.attend, len(absorbed), absorbed, messages, ids, share, bias, mix)
    return mix


def _attend_backward(
    grad_mix: Tensor,
    absorbed: Tensor,
    messages: Tensor,
    ids: Tensor,
    share: Tensor,
    bias: Tensor | None,
    grad_messages: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `_attend` gives, and the gradients of ``absorbed`` and of bias and share; adds to that of the messages."""
    kernels = fast.kernels(ids.numel() * absorbed[0].numel(), absorbed, messages, share)
    if kernels is None:
        gathered = _gather(messages, ids)
        weights = _weights(absorbed, gathered, ids, share, bias)
        grad_weights = grad_mix @ gathered.mT  # (n, H + 1, d)
        alpha, grad_scores = weights[:, :-1], grad_weights[:, :-1]
        grad_scores.sub_((alpha * grad_scores).sum(dim=-1, keepdim=True)).mul_(alpha)
        grad_gathered = weights.mT @ grad_mix + grad_scores.mT @ absorbed
        grad_messages.index_add_(0, ids.clamp(min=0).flatten(), grad_gathered.flatten(0, 1).to(grad_messages))
        return weights @ gathered, grad_scores @ gathered, grad_weights
    mix, grad_absorbed = torch.empty_like(grad_mix), torch.empty_like(absorbed)
    weights, grad_weights = (grad_mix.new_empty(len(ids), grad_mix.shape[1], ids.shape[1]) for _ in range(2))
    given = (grad_mix, absorbed, messages, ids, share, bias)
    fast.run(kernels.attend_backward, len(ids), *given, mix, grad_absorbed, weights, grad_weights)
    kernels.scatter(*(fast.array(x) for x in (grad_mix, absorbed, ids, weights, grad_weights, grad_messages)))
    return mix, grad_absorbed, grad_weights


def _per_head(x: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
    """A product for each head: (n, H, a) and (H, a, b) give (n, H, b)."""
    out = x.new_empty(*x.shape[:2], weight.shape[2]) if out is None else out
    torch.bmm(x.transpose(0, 1), weight, out=out.transpose(0, 1))
    return out


def _sums(x: Tensor) -> torch.dtype:
    """In what many numbers are added up: half precision would drop those that come late."""
    return torch.promote_types(x.dtype, torch.float32)


def _rows(bias: Tensor | None, rows: slice) -> Tensor | None:
    return None if bias is None else bias[rows]
