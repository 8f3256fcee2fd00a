"""Attention over the rows of a neighbor table, a program a node, and its gradients.

A program reads its neighbors' messages twice, some channels at a time: for the scores, and for the means. The second
time they come from the cache, and no tensor of all links is ever written. Heads, and the weighted mean as one more row,
make small matrices for the tensor cores.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BYTES = 256
"""So much of a neighbor's message at a time."""
SMALLEST = 16
"""Rows and columns of the smallest matrix that tensor cores multiply."""


def attend(
    first: int, last: int, query: Tensor, messages: Tensor, ids: Tensor, share: Tensor, bias: Tensor | None, out: Tensor
) -> None:
    """See `graphlift.nn.kernels.attend`."""
    _attend[(last - first,)](query, messages, ids, share, bias, out, **_sizes(query, ids, bias))


def attend_backward(
    first: int,
    last: int,
    grad_out: Tensor,
    query: Tensor,
    messages: Tensor,
    ids: Tensor,
    share: Tensor,
    bias: Tensor | None,
    out: Tensor,
    grad_query: Tensor,
    weights: Tensor,
    grad_weights: Tensor,
) -> None:
    """See `graphlift.nn.kernels.attend_backward`."""
    given = (grad_out, query, messages, ids, share, bias, out, grad_query, weights, grad_weights)
    _attend_backward[(last - first,)](*given, **_sizes(query, ids, bias))


def scatter(
    grad_out: Tensor, query: Tensor, ids: Tensor, weights: Tensor, grad_weights: Tensor, grad_messages: Tensor
) -> None:
    """See `graphlift.nn.kernels.scatter`; sums come in any order, so their last digits differ from run to run."""
    _scatter[(len(ids),)](grad_out, query, ids, weights, grad_weights, grad_messages, **_sizes(query, ids, None))


def _sizes(query: Tensor, ids: Tensor, bias: Tensor | None) -> dict[str, int | str]:
    """What kernels are compiled for: numbers of heads, channels and slots, what they fill up to, and the precision."""
    (_, heads, channels), slots = query.shape, ids.shape[1]
    rows, width = (max(triton.next_power_of_2(size), SMALLEST) for size in (heads + 1, slots))
    # three TF32 products add up to one in single precision
    precision = "tf32x3" if torch.get_float32_matmul_precision() == "highest" else "tf32"
    block = BYTES // query.element_size()
    numbers = {"H": heads, "C": channels, "D": slots, "ROWS": rows, "WIDTH": width, "BLOCK": block}
    return numbers | {"BIASED": bias is not None, "PRECISION": precision, "num_warps": 2}


@triton.jit
def _attend(
    query,
    messages,
    ids,
    share,
    bias,
    out,
    H: tl.constexpr,
    C: tl.constexpr,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    v = tl.program_id(0).to(tl.int64)
    near = _load_row(ids + v * D, D, WIDTH, -1).to(tl.int64)
    weights = _weights(query, messages, share, bias, near, v, H, C, D, ROWS, WIDTH, BLOCK, BIASED, PRECISION)
    _blend(weights, messages, near, out + v * (H + 1) * C, H + 1, C, ROWS, BLOCK, PRECISION)


@triton.jit
def _attend_backward(
    grad_out,
    query,
    messages,
    ids,
    share,
    bias,
    out,
    grad_query,
    weights,
    grad_weights,
    H: tl.constexpr,
    C: tl.constexpr,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    v = tl.program_id(0).to(tl.int64)
    near = _load_row(ids + v * D, D, WIDTH, -1).to(tl.int64)
    alpha = _weights(query, messages, share, bias, near, v, H, C, D, ROWS, WIDTH, BLOCK, BIASED, PRECISION)
    grads = _products(grad_out + v * (H + 1) * C, messages, near, H + 1, C, ROWS, WIDTH, BLOCK, PRECISION)
    of_scores = alpha * (grads - tl.sum(alpha * grads, axis=1)[:, None])
    grads = tl.where(tl.arange(0, ROWS)[:, None] < H, of_scores, grads)  # what comes after the heads is no softmax
    _blend(alpha, messages, near, out + v * (H + 1) * C, H + 1, C, ROWS, BLOCK, PRECISION)
    _blend(grads, messages, near, grad_query + v * H * C, H, C, ROWS, BLOCK, PRECISION)
    _store(weights + v * (H + 1) * D, alpha, 0, H + 1, D, ROWS, WIDTH)
    _store(grad_weights + v * (H + 1) * D, grads, 0, H + 1, D, ROWS, WIDTH)


@triton.jit
def _scatter(
    grad_out,
    query,
    ids,
    weights,
    grad_weights,
    grad_messages,
    H: tl.constexpr,
    C: tl.constexpr,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    v = tl.program_id(0).to(tl.int64)
    near = _load_row(ids + v * D, D, WIDTH, -1).to(tl.int64)
    alpha = tl.trans(_load(weights + v * (H + 1) * D, 0, H + 1, D, ROWS, WIDTH))
    grads = tl.trans(_load(grad_weights + v * (H + 1) * D, 0, H, D, ROWS, WIDTH))
    for start in range(0, C, BLOCK):
        channel = start + tl.arange(0, BLOCK)
        of_means = _load(grad_out + v * (H + 1) * C, start, H + 1, C, ROWS, BLOCK)
        asked = _load(query + v * H * C, start, H, C, ROWS, BLOCK)
        added = tl.dot(alpha, of_means, input_precision=PRECISION)
        added = tl.dot(grads, asked, acc=added, input_precision=PRECISION)
        inside = (near >= 0)[:, None] & (channel < C)[None]
        tl.atomic_add(grad_messages + near[:, None] * C + channel[None], added, mask=inside, sem="relaxed")


@triton.jit
def _products(
    x,
    messages,
    near,
    H: tl.constexpr,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Products of each of H vectors with every neighbor, (ROWS, WIDTH)."""
    sums = tl.zeros((ROWS, WIDTH), tl.float32)
    for start in range(0, C, BLOCK):
        rows = _neighbors(messages, near, start, C, BLOCK)
        sums = tl.dot(_load(x, start, H, C, ROWS, BLOCK), tl.trans(rows), acc=sums, input_precision=PRECISION)
    return sums


@triton.jit
def _blend(
    weights,
    messages,
    near,
    out,
    H: tl.constexpr,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write H weighted sums of the neighbors."""
    for start in range(0, C, BLOCK):
        rows = _neighbors(messages, near, start, C, BLOCK)
        blended = tl.dot(weights.to(rows.dtype), rows, input_precision=PRECISION)
        _store(out, blended, start, H, C, ROWS, BLOCK)


@triton.jit
def _weights(
    query,
    messages,
    share,
    bias,
    near,
    v,
    H: tl.constexpr,
    C: tl.constexpr,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """H rows of a node's attention weights, one of shares, and zeros; zero where there is nobody."""
    scores = _products(query + v * H * C, messages, near, H, C, ROWS, WIDTH, BLOCK, PRECISION)
    if BIASED:
        scores += _load(bias + v * H * D, 0, H, D, ROWS, WIDTH).to(tl.float32)
    scores = tl.where((near >= 0)[None], scores, float("-inf"))
    largest = tl.max(scores, axis=1)
    powers = tl.exp(scores - tl.where(largest == float("-inf"), 0.0, largest)[:, None])
    total = tl.sum(powers, axis=1)
    alpha = powers / tl.where(total == 0, 1.0, total)[:, None]
    row, part = tl.arange(0, ROWS)[:, None], _load_row(share + v * D, D, WIDTH, 0.0).to(tl.float32)
    return tl.where(row < H, alpha, tl.where(row == H, part[None], 0.0))


@triton.jit
def _neighbors(messages, near, start, C: tl.constexpr, BLOCK: tl.constexpr):
    """Some channels of all neighbors, (WIDTH, BLOCK)."""
    channel = start + tl.arange(0, BLOCK)
    inside = (near >= 0)[:, None] & (channel < C)[None]
    return tl.load(messages + near[:, None] * C + channel[None], mask=inside, other=0)


@triton.jit
def _load_row(x, D: tl.constexpr, WIDTH: tl.constexpr, other):
    slot = tl.arange(0, WIDTH)
    return tl.load(x + slot, mask=slot < D, other=other)


@triton.jit
def _load(x, start, H: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """H rows of a matrix with C columns, some of them, with zeros around."""
    row, column = tl.arange(0, ROWS)[:, None], start + tl.arange(0, BLOCK)[None]
    return tl.load(x + row * C + column, mask=(row < H) & (column < C), other=0)


@triton.jit
def _store(out, values, start, H: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Write H rows of values to a matrix with C columns, some of them."""
    row, column = tl.arange(0, ROWS)[:, None], start + tl.arange(0, BLOCK)[None]
    tl.store(out + row * C + column, values.to(out.dtype.element_ty), mask=(row < H) & (column < C))
