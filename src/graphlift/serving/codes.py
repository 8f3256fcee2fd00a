"""Vectors as codes of a byte a channel, for the compiled walk and scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.metric import Metric, Vectors
from graphlift.nn import fast

LINE = 64
"""Bytes of a cache line: codes start at its beginning and fill it."""


def codes_of(kernels: Any, vectors: Vectors, metric: Metric) -> Any:
    """The ``Codes`` of vectors (N, C) in the metric's form, N at least 1.

    A channel's code is a byte for what lies between the smallest and the largest value of that channel. Codes take a
    quarter of the vectors' memory; the vectors are shared.

    Args:
        kernels: `graphlift.serving.kernels`.
    """
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    center, scale = (high + low) / 2, np.maximum((high - low) / 254, np.float32(1e-30))
    count, channels = vectors.shape
    codes = _aligned(count, -(-channels // LINE) * LINE)
    fast.run(kernels.encode, count, vectors, center, scale, codes)
    by_distance = metric is Metric.L2
    half = _half_squares(codes[:, :channels], scale) if by_distance else np.empty(0, dtype=np.float32)
    return kernels.Codes(codes, center, scale, half, vectors, by_distance)


def _aligned(rows: int, width: int) -> npt.NDArray[np.int8]:
    """Zeros (rows, width) that start with a cache line."""
    memory = np.zeros(rows * width + LINE, dtype=np.int8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + rows * width].reshape(rows, width)


def _half_squares(codes: npt.NDArray[np.int8], scale: Vectors) -> Vectors:
    """Half the squared length of what codes (N, C) mean, (N,)."""
    halves = [np.square(part * scale).sum(axis=1) / 2 for part in np.array_split(codes, len(codes) // 65536 + 1)]
    return np.concatenate(halves)
