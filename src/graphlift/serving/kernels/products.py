"""Products of small matrices."""

from __future__ import annotations

import numpy as np

from graphlift.nn.kernels.attention import BLOCK, dot_block
from graphlift.nn.kernels.elementary import Array, inner
from graphlift.serving.kernels.blocks import LANES, TALL, block_of_1, block_of_2, block_of_4, tall


@inner
def add_product(a: Array, b: Array, out: Array) -> None:
    """Add the product of a (R, K) and b (K, n) to out (R, n); b and out contiguous, fastest where 16 divides n."""
    rows, width = out.shape
    if rows == 1:
        _add_to_row(a[0], b, out[0])
        return
    whole = width - width % LANES
    for column in range(0, whole, LANES):  # outside, so that these columns of b stay in the first cache
        add_to_block(a, b, out, 0, rows, column)
    for row in range(rows if whole < width else 0):
        for k in range(len(b)):
            factor = a[row, k]
            for column in range(whole, width):
                out[row, column] += factor * b[k, column]


@inner
def _add_to_row(a: Array, b: Array, out: Array) -> None:
    """`add_product` for a single row (K,): b is read once, from its beginning to its end."""
    whole = len(b) - len(b) % 4
    for k in range(0, whole, 4):
        u, v, w, x = a[k], a[k + 1], a[k + 2], a[k + 3]
        p, q, r, s = b[k], b[k + 1], b[k + 2], b[k + 3]
        for i in range(len(out)):
            out[i] += u * p[i] + v * q[i] + w * r[i] + x * s[i]
    for k in range(whole, len(b)):
        for i in range(len(out)):
            out[i] += a[k] * b[k, i]


@inner
def add_to_block(a: Array, b: Array, out: Array, first: int, last: int, column: int) -> None:
    """`add_product` for rows first to last and the `LANES` columns from ``column`` on."""
    row = first
    while row + TALL <= last:
        tall(a, b, out, row, column)
        row += TALL
    if row + 4 <= last:
        block_of_4(a, b, out, row, column)
        row += 4
    if row + 2 <= last:
        block_of_2(a, b, out, row, column)
        row += 2
    if row < last:
        block_of_1(a, b, out, row, column)


@inner
def dot(a: Array, b: Array) -> np.float32:
    """The product of two vectors (C,)."""
    total = a.dtype.type(0)
    for c in range(len(a)):
        total += a[c] * b[c]
    return total


@inner
def sum_of(x: Array) -> np.float32:
    """The sum of a vector; NumPy's own is computed one by one in compiled code."""
    out = x.dtype.type(0)
    for c in range(len(x)):
        out += x[c]
    return out


@inner
def dots(x: Array, vectors: Array, rows: Array, out: Array) -> None:
    """Products of a vector x (C,) with some rows of ``vectors``, into ``out``, which is contiguous."""
    whole = len(rows) - len(rows) % BLOCK
    for at in range(0, whole, BLOCK):
        dot_block(x.reshape(1, -1), vectors, rows, at, out.reshape(1, -1))
    for at in range(whole, len(rows)):
        out[at] = dot(x, vectors[rows[at]])


@inner
def similarities(x: Array, vectors: Array, rows: Array, by_distance: bool, out: Array) -> None:
    """Products of x (C,) with some rows of ``vectors``, or negative squared distances to them, into ``out``."""
    dots(x, vectors, rows, out)
    if by_distance:
        own = dot(x, x)
        for i in range(len(rows)):
            row = vectors[rows[i]]
            out[i] = 2 * out[i] - own - dot(row, row)


@inner
def distance(a: Array, b: Array) -> np.float32:
    """The squared distance of two vectors (C,); no digit is lost far from the origin."""
    total = a.dtype.type(0)
    for c in range(len(a)):
        total += (a[c] - b[c]) * (a[c] - b[c])
    return total
