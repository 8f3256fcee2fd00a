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
    whole, even = width - width % LANES, rows - rows % TALL
    for column in range(0, whole, LANES):  # outside, so that these columns of b stay in the first cache
        for row in range(0, even, TALL):
            tall(a, b, out, row, column)
        row = even
        if row + 4 <= rows:
            block_of_4(a, b, out, row, column)
            row += 4
        if row + 2 <= rows:
            block_of_2(a, b, out, row, column)
            row += 2
        if row < rows:
            block_of_1(a, b, out, row, column)
    for row in range(rows if whole < width else 0):
        for k in range(len(b)):
            factor = a[row, k]
            for column in range(whole, width):
                out[row, column] += factor * b[k, column]


@inner
def dot(a: Array, b: Array) -> np.float32:
    """The product of two vectors (C,)."""
    total = a.dtype.type(0)
    for c in range(len(a)):
        total += a[c] * b[c]
    return total


@inner
def dots(x: Array, vectors: Array, rows: Array, out: Array) -> None:
    """Products of a vector x (C,) with some rows of ``vectors``, into ``out``, which is contiguous."""
    whole = len(rows) - len(rows) % BLOCK
    for at in range(0, whole, BLOCK):
        dot_block(x.reshape(1, -1), vectors, rows, at, out.reshape(1, -1))
    for at in range(whole, len(rows)):
        out[at] = dot(x, vectors[rows[at]])


@inner
def products(a: Array, x: int, y: int, b: Array, rows: Array, first: int, out: Array, to_x: int, to_y: int) -> None:
    """Products of rows x and y of a with four of some rows of b, to the same places of rows ``to_x`` and ``to_y``.

    The four are those from ``first`` on; the last one again where there are no more, for outputs that are wide enough.
    Two by four is what fits the registers of a processor without AVX-512: six loads for eight sums. Rows are numbers
    here, as making views of them would take as long as the sums.
    """
    last = len(rows) - 1
    r0, r1, r2, r3 = rows[first], rows[min(first + 1, last)], rows[min(first + 2, last)], rows[min(first + 3, last)]
    x0 = x1 = x2 = x3 = y0 = y1 = y2 = y3 = a.dtype.type(0)
    for c in range(a.shape[1]):
        e, f, g0, g1, g2, g3 = a[x, c], a[y, c], b[r0, c], b[r1, c], b[r2, c], b[r3, c]
        x0 += e * g0
        x1 += e * g1
        x2 += e * g2
        x3 += e * g3
        y0 += f * g0
        y1 += f * g1
        y2 += f * g2
        y3 += f * g3
    out[to_x, first], out[to_x, first + 1], out[to_x, first + 2], out[to_x, first + 3] = x0, x1, x2, x3
    out[to_y, first], out[to_y, first + 1], out[to_y, first + 2], out[to_y, first + 3] = y0, y1, y2, y3


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
