"""Attention over the rows of a neighbor table, node by node, and its gradients.

Loops over neighbors go eight rows at a time: eight sums fill the pipeline of the processor's multipliers, and eight
rows of memory are on their way at once. All arrays are contiguous, and of one floating type.
"""

from __future__ import annotations

import numpy as np

from graphlift.nn.kernels.elementary import Array, compiled, exp

BLOCK = 8


@compiled
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


@compiled
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
            dot_block(grad_out[v], messages, near, at, grads)
        for h in range(heads):
            _softmax_backward(packed[h], grads[h], degree)
        _blend(grads[:heads], messages, near, degree, grad_query[v])
        weights[v] = 0
        grad_weights[v] = 0
        for h in range(heads + 1):
            for j in range(degree):
                weights[v, h, slots[j]] = packed[h, j]
                grad_weights[v, h, slots[j]] = grads[h, j]


@compiled
def scatter(
    grad_out: Array, query: Array, ids: Array, weights: Array, grad_weights: Array, grad_messages: Array
) -> None:
    """Add to the gradient of the messages what `attend_backward` found."""
    heads = query.shape[1]
    for v in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            if ids[v, j] < 0:
                continue
            into = grad_messages[ids[v, j]]
            for h in range(0, heads - 3, 4):
                _add_four(weights[v], grad_out[v], grad_weights[v], query[v], j, h, into)
            for h in range(heads // 4 * 4, heads):
                a, x, b, y = weights[v, h, j], grad_out[v, h], grad_weights[v, h, j], query[v, h]
                for c in range(len(into)):
                    into[c] += a * x[c] + b * y[c]
            weight, mean = weights[v, heads, j], grad_out[v, heads]
            for c in range(len(into)):
                into[c] += weight * mean[c]


@compiled
def _row_of(query: Array, ids: Array) -> tuple[Array, Array, Array]:
    """Room for one node's neighbors without gaps: their ids, their slots, and H + 1 rows of weights."""
    width = max((ids.shape[1] + BLOCK - 1) // BLOCK, 1) * BLOCK
    return np.empty(width, np.int64), np.empty(width, np.int64), np.empty((query.shape[1] + 1, width), query.dtype)


@compiled
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


@compiled
def _weigh(
    query: Array, messages: Array, near: Array, slots: Array, degree: int, bias: Array | None, weights: Array
) -> None:
    """Attention weights of one node, over what is there."""
    for at in range(0, degree, BLOCK):
        dot_block(query, messages, near, at, weights)
    for h in range(len(query)):
        if bias is not None:
            for j in range(degree):
                weights[h, j] += bias[h, slots[j]]
        _softmax(weights[h], degree)


@compiled
def dot_block(x: Array, rows: Array, near: Array, at: int, out: Array) -> None:
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


@compiled
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


@compiled
def _add_four(a: Array, x: Array, b: Array, y: Array, j: int, h: int, into: Array) -> None:
    """Add rows h to h + 3 of x and of y, weighed by column j of a and b: one trip over ``into`` for eight products."""
    x0, x1, x2, x3 = x[h], x[h + 1], x[h + 2], x[h + 3]
    y0, y1, y2, y3 = y[h], y[h + 1], y[h + 2], y[h + 3]
    a0, a1, a2, a3, b0, b1, b2, b3 = (
        a[h, j],
        a[h + 1, j],
        a[h + 2, j],
        a[h + 3, j],
        b[h, j],
        b[h + 1, j],
        b[h + 2, j],
        b[h + 3, j],
    )
    for c in range(len(into)):
        low = a0 * x0[c] + a1 * x1[c] + a2 * x2[c] + a3 * x3[c]
        into[c] += low + b0 * y0[c] + b1 * y1[c] + b2 * y2[c] + b3 * y3[c]


@compiled
def _softmax(scores: Array, degree: int) -> None:
    """Softmax of the first numbers of a row; the others become zero."""
    largest = scores[0]
    for j in range(1, degree):
        largest = max(largest, scores[j])
    for j in range(degree):
        scores[j] = exp(scores[j] - largest)
    total = scores.dtype.type(0)
    for j in range(degree):
        total += scores[j]
    for j in range(degree):
        scores[j] /= total
    scores[degree:] = 0


@compiled
def _softmax_backward(alpha: Array, grad: Array, degree: int) -> None:
    """Gradient of the scores from that of their softmax, in place."""
    mean = grad.dtype.type(0)
    for j in range(degree):
        mean += alpha[j] * grad[j]
    for j in range(degree):
        grad[j] = alpha[j] * (grad[j] - mean)
    grad[degree:] = 0
