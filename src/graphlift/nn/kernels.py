"""Compiled loops for the parts of a layer that matrix products cannot do well.

Importing this module needs Numba, the extra ``fast``. `graphlift.nn.fast` imports it where it pays, and everything here
has a twin in plain torch that gives the same numbers.

Loops over neighbors go eight rows at a time: eight sums fill the pipeline of the processor's multipliers, and eight
rows of memory are on their way at once. All arrays are contiguous, and of one floating type.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

Array = np.ndarray[Any, Any]

BLOCK = 8
F4 = np.float32
_compiled = njit(
    nogil=True,  # threads share the rows
    cache=True,
    error_model="numpy",  # a check for division by zero would keep loops from being vectorised
    fastmath={"reassoc", "contract", "nsz", "arcp"},  # sums in any order; NaN and infinity keep their meaning
)


@_compiled
def attend(
    first: int, last: int, query: Array, messages: Array, ids: Array, share: Array, bias: Array | None, out: Array
) -> None:
    """H attended means and the weighted mean of each node's neighbors, for nodes first to last.

    Shapes: query (n, H, C), messages (S, C), ids and share (n, d), bias (n, H, d) or None, out (n, H + 1, C).
    """
    near, slots, weights = _row_of(query, ids)
    for v in range(first, last):
        degree = _pack(ids[v], share[v], near, slots, weights)
        _weigh(query[v], messages, near, slots, degree, None if bias is None else bias[v], weights)
        _blend(weights, messages, near, degree, out[v])


@_compiled
def attend_backward(
    first: int,
    last: int,
    grad_out: Array,
    query: Array,
    messages: Array,
    ids: Array,
    share: Array,
    bias: Array | None,
    out: Array,
    grad_query: Array,
    weights: Array,
    grad_weights: Array,
) -> None:
    """What `attend` gave, and the gradients of all but the messages.

    Shapes: as in `attend`; grad_out like out, grad_query like query; weights and grad_weights (n, H + 1, d), the weight
    of each neighbor in each mean, and the gradient of its score (of its share in the last row).
    """
    near, slots, packed = _row_of(query, ids)
    grads = np.empty_like(packed)
    heads = query.shape[1]
    for v in range(first, last):
        degree = _pack(ids[v], share[v], near, slots, packed)
        _weigh(query[v], messages, near, slots, degree, None if bias is None else bias[v], packed)
        _blend(packed, messages, near, degree, out[v])
        for at in range(0, degree, BLOCK):
            _dot(grad_out[v], messages, near, at, grads)
        for h in range(heads):
            _softmax_backward(packed[h], grads[h], degree)
        _blend(grads[:heads], messages, near, degree, grad_query[v])
        weights[v] = 0
        grad_weights[v] = 0
        for h in range(heads + 1):
            for j in range(degree):
                weights[v, h, slots[j]] = packed[h, j]
                grad_weights[v, h, slots[j]] = grads[h, j]


@_compiled
def scatter(
    first: int,
    last: int,
    grad_out: Array,
    query: Array,
    ids: Array,
    weights: Array,
    grad_weights: Array,
    grad_messages: Array,
) -> None:
    """Add to the gradient of the messages, channels first to last, what `attend_backward` found."""
    heads = query.shape[1]
    for v in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            if ids[v, j] < 0:
                continue
            into = grad_messages[ids[v, j], first:last]
            for h in range(heads):
                _add_two(
                    weights[v, h, j], grad_out[v, h, first:last], grad_weights[v, h, j], query[v, h, first:last], into
                )
            mean, weight = grad_out[v, heads, first:last], weights[v, heads, j]
            for c in range(last - first):
                into[c] += weight * mean[c]


@_compiled
def reset(first: int, last: int, gates: Array, state: Array, out: Array) -> None:
    """The state after the GRU's reset gate, which is the second third of ``gates`` (n, 3 C) before its sigmoid."""
    channels, one = state.shape[1], state.dtype.type(1)
    for v in range(first, last):
        gate, old, new = gates[v, channels : 2 * channels], state[v], out[v]
        for c in range(channels):
            new[c] = old[c] / (one + _exp(-gate[c]))


@_compiled
def update(
    first: int,
    last: int,
    gates: Array,
    state: Array,
    linked: Array,
    keep: float,
    gain: Array,
    offset: Array,
    eps: float,
    out: Array,
) -> None:
    """The GRU's last line and the LayerNorm after it: update gate, candidate, mixture, normalisation."""
    channels, one, two = state.shape[1], state.dtype.type(1), state.dtype.type(2)
    for v in range(first, last):
        gate, candidate, old, new = gates[v, :channels], gates[v, 2 * channels :], state[v], out[v]
        for c in range(channels):
            tanh = two / (one + _exp(-two * candidate[c])) - one
            new[c] = (old[c] + (tanh - old[c]) / (one + _exp(-gate[c]))) * state.dtype.type(keep)
        if not linked[v]:
            for c in range(channels):
                new[c] = old[c]
        _normalise(new, gain, offset, eps)


@_compiled
def _normalise(row: Array, gain: Array, offset: Array, eps: float) -> None:
    mean = row.dtype.type(0)
    for c in range(len(row)):
        mean += row[c]
    mean /= row.dtype.type(len(row))
    variance = row.dtype.type(0)
    for c in range(len(row)):
        variance += (row[c] - mean) * (row[c] - mean)
    scale = row.dtype.type(1 / math.sqrt(variance / len(row) + eps))
    for c in range(len(row)):
        row[c] = (row[c] - mean) * scale * gain[c] + offset[c]


@_compiled
def _row_of(query: Array, ids: Array) -> tuple[Array, Array, Array]:
    """Room for one node's neighbors without gaps: their ids, their slots, and H + 1 rows of weights."""
    width = max((ids.shape[1] + BLOCK - 1) // BLOCK, 1) * BLOCK
    return np.empty(width, np.int64), np.empty(width, np.int64), np.empty((query.shape[1] + 1, width), query.dtype)


@_compiled
def _pack(ids: Array, share: Array, near: Array, slots: Array, weights: Array) -> int:
    """Close the gaps of a row and give the number of neighbors; what fills the last block weighs nothing."""
    degree = 0
    for j in range(len(ids)):
        if ids[j] >= 0:
            near[degree], slots[degree], weights[-1, degree] = ids[j], j, share[j]
            degree += 1
    near[degree:] = near[0]
    weights[-1, degree:] = 0
    return degree


@_compiled
def _weigh(
    query: Array, messages: Array, near: Array, slots: Array, degree: int, bias: Array | None, weights: Array
) -> None:
    """Attention weights of one node, over what is there."""
    for at in range(0, degree, BLOCK):
        _dot(query, messages, near, at, weights)
    for h in range(len(query)):
        if bias is not None:
            for j in range(degree):
                weights[h, j] += bias[h, slots[j]]
        _softmax(weights[h], degree)


@_compiled
def _dot(x: Array, rows: Array, near: Array, at: int, out: Array) -> None:
    """Products of each of H vectors with eight rows, into columns of ``out``."""
    r0, r1, r2, r3 = rows[near[at]], rows[near[at + 1]], rows[near[at + 2]], rows[near[at + 3]]
    r4, r5, r6, r7 = rows[near[at + 4]], rows[near[at + 5]], rows[near[at + 6]], rows[near[at + 7]]
    for h in range(len(x)):
        vector, sums = x[h], out[h, at : at + BLOCK]
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = x.dtype.type(0)
        for c in range(rows.shape[1]):
            e = vector[c]
            s0 += e * r0[c]
            s1 += e * r1[c]
            s2 += e * r2[c]
            s3 += e * r3[c]
            s4 += e * r4[c]
            s5 += e * r5[c]
            s6 += e * r6[c]
            s7 += e * r7[c]
        sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7] = s0, s1, s2, s3, s4, s5, s6, s7


@_compiled
def _blend(weights: Array, rows: Array, near: Array, degree: int, out: Array) -> None:
    """Weighted sums of rows, one for each row of weights."""
    out[:] = 0
    for at in range(0, degree, BLOCK):
        r0, r1, r2, r3 = rows[near[at]], rows[near[at + 1]], rows[near[at + 2]], rows[near[at + 3]]
        r4, r5, r6, r7 = rows[near[at + 4]], rows[near[at + 5]], rows[near[at + 6]], rows[near[at + 7]]
        for h in range(len(weights)):
            w, into = weights[h, at : at + BLOCK], out[h]
            w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
            for c in range(rows.shape[1]):
                low = w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
                into[c] += low + w4 * r4[c] + w5 * r5[c] + w6 * r6[c] + w7 * r7[c]


@_compiled
def _add_two(a: float, x: Array, b: float, y: Array, into: Array) -> None:
    for c in range(len(into)):
        into[c] += a * x[c] + b * y[c]


@_compiled
def _softmax(scores: Array, degree: int) -> None:
    """Softmax of the first numbers of a row; the others become zero."""
    largest = scores[0]
    for j in range(1, degree):
        largest = max(largest, scores[j])
    for j in range(degree):
        scores[j] = _exp(scores[j] - largest)
    total = scores.dtype.type(0)
    for j in range(degree):
        total += scores[j]
    for j in range(degree):
        scores[j] /= total
    scores[degree:] = 0


@_compiled
def _softmax_backward(alpha: Array, grad: Array, degree: int) -> None:
    """Gradient of the scores from that of their softmax, in place."""
    mean = grad.dtype.type(0)
    for j in range(degree):
        mean += alpha[j] * grad[j]
    for j in range(degree):
        grad[j] = alpha[j] * (grad[j] - mean)
    grad[degree:] = 0


def _exp(x: Any) -> Any:
    return math.exp(x)


@overload(_exp)
def _exp_of(x: Any) -> Any:
    """The exponential; of single precision as straight arithmetic, which the compiler can do eight at a time.

    With x = k ln 2 + r, exp(x) is 2^k, written into the exponent's bits, times a polynomial in r that was fitted to the
    smallest relative error between -ln(2) / 2 and ln(2) / 2. The result is off by 1.2e-7 at most, relative, one unit in
    the last place.
    """

    def double(x: Any) -> Any:
        return math.exp(x)

    def single(x: Any) -> Any:
        x = min(max(x, F4(-87)), F4(88))  # beyond it, 2^k leaves the normal numbers
        k = np.floor(x * F4(1.44269504) + F4(0.5))
        r = x - k * F4(0.693359375) + k * F4(2.12194440e-4)  # ln 2 in two parts, the first one exact
        p = F4(1.979029912e-4)
        p = p * r + F4(1.394470339e-3)
        p = p * r + F4(8.333497681e-3)
        p = p * r + F4(4.166629538e-2)
        p = p * r + F4(1.666666567e-1)
        p = p * r + F4(0.5)
        return (p * r * r + r + F4(1)) * np.int32((np.int32(k) + 127) << 23).view(F4)

    return single if x == types.float32 else double
