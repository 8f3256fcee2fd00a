"""Vectors as codes of a byte a channel, which say nearly as well who is near and are read four times as fast."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from graphlift.nn.kernels.elementary import F4, I4, Array, compiled, inner
from graphlift.serving.kernels.best import find_large, keep_best
from graphlift.serving.kernels.prefetch import prefetch
from graphlift.serving.kernels.products import distance, dots

FINEST = 127
"""The largest code of a channel."""
FINEST_OF_QUERIES = 4095
"""A query's codes are larger, as only few of them are kept."""
SPARE = 16
"""At least so many more than are asked for are compared after a scan."""


class Codes(NamedTuple):
    """N vectors of D channels and their codes.

    Attributes:
        codes: int8 (N, W), padded with zeros, one cache line after another.
        center, scale: a vector is about ``center + scale * code``, (D,).
        half: half the squared length of ``scale * code``, (N,); empty where similarity is a product.
        vectors: (N, D).
        by_distance: whether similarity is a negative squared distance, else a product.
    """

    codes: Array
    center: Array
    scale: Array
    half: Array
    vectors: Array
    by_distance: bool


@compiled
def encode(first: int, last: int, vectors: Array, center: Array, scale: Array, codes: Array) -> None:
    """Codes of some vectors, into ``codes``."""
    for row in range(first, last):
        for c in range(len(center)):
            step = np.floor((vectors[row, c] - center[c]) / scale[c] + F4(0.5))
            codes[row, c] = np.int8(min(max(step, F4(-FINEST)), F4(FINEST)))


@inner
def encode_query(query: Array, known: Codes, code: Array) -> np.float32:
    """A query's code, into ``code`` (W,); its product with a vector's is their similarity in the unit returned."""
    largest = F4(1e-30)
    for c in range(len(query)):
        largest = max(largest, abs(_scaled(query, known, c)))
    finest = F4(min(FINEST_OF_QUERIES, (2**31 - 1) // (FINEST * len(code))))  # so that no sum overflows
    for c in range(len(query)):
        code[c] = np.int16(np.floor(_scaled(query, known, c) / largest * finest + F4(0.5)))
    return largest / finest


@inner
def _scaled(query: Array, known: Codes, c: int) -> np.float32:
    """A channel of a query, times that of a code; a center that is added to all vectors alike changes no order."""
    return (query[c] - (known.center[c] if known.by_distance else F4(0))) * known.scale[c]


@inner
def near(code: Array, unit: np.float32, known: Codes, row: int) -> np.float32:
    """How similar a vector is by its code, in an order that is that of similarity."""
    total = I4(0)
    for c in range(len(code)):  # 32 bits are enough, and twice as fast
        total = I4(total + I4(I4(code[c]) * I4(known.codes[row, c])))
    return unit * F4(total) - known.half[row] if known.by_distance else F4(total)


@inner
def compare(query: Array, known: Codes, rows: Array, best: Array, found: Array) -> None:
    """The most similar of some rows by their vectors, best first, into ``best`` and ``found`` (k,); -1 for none."""
    for row in rows:
        prefetch(known.vectors, row)
    similar, count = np.empty(len(rows), F4), min(len(rows), len(found))
    if known.by_distance:
        for place in range(len(rows)):
            similar[place] = -distance(query, known.vectors[rows[place]])
    else:
        dots(query, known.vectors, rows, similar)
    keep_best(similar, best[:count], found[:count])
    for place in range(count):
        found[place] = rows[found[place]]
    best[count:], found[count:] = F4(-math.inf), -1


@compiled
def scan(queries: Array, known: Codes, best: Array, found: Array) -> None:
    """The most similar of all vectors to each query, best first, into ``best`` and ``found`` (Q, k).

    Those that might be, some more than are asked for, are told by their codes and compared.
    """
    code, by_code = np.zeros(known.codes.shape[1], np.int16), np.empty(len(known.codes), F4)
    likely, wanted = np.empty(len(known.codes), np.int64), min(found.shape[1] + SPARE, len(known.codes))
    for query in range(len(queries)):
        unit = encode_query(queries[query], known, code)
        for row in range(len(by_code)):
            by_code[row] = near(code, unit, known, row)
        count = find_large(by_code, wanted, likely)
        compare(queries[query], known, likely[:count], best[query], found[query])
