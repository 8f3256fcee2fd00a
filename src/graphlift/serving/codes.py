"""Vectors as codes of a byte a channel, for the compiled walk and scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.metric import Metric, Vectors
from graphlift.nn import fast

SAMPLED, DROPPED = 2048, 512
"""So many vectors say how far codes reach; of so many the largest and the smallest value of a channel do not count."""
LINE = 64
"""Bytes of a cache line: codes start at its beginning and fill it."""


def codes_of(kernels: Any, vectors: Vectors, metric: Metric) -> Any:
    """The ``Codes`` of vectors (N, C) in the metric's form, N at least 1.

    A channel's code is a byte for where its value lies among those of all vectors. Rows are padded to whole cache
    lines, so codes take a quarter of the vectors' memory, or a little more; the vectors are shared.

    Args:
        kernels: `graphlift.serving.kernels`.
    """
    center, scale = _steps(vectors)
    count, channels = vectors.shape
    codes = _aligned(count, -(-channels // LINE) * LINE)
    fast.run(kernels.encode, count, vectors, center, scale, codes)
    by_distance = metric is Metric.L2
    half = _half_squares(codes[:, :channels], scale) if by_distance else np.empty(0, dtype=np.float32)
    return kernels.Codes(codes, center, scale, half, vectors, by_distance)


def _steps(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """The middle of every channel, and what a step of its code means, (C,).

    One vector far from all others must not leave the others a few codes alone. So codes reach as far as a sample does
    without its few largest and smallest values, and half as far again; what lies beyond gets the outermost code.
    """
    sample = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), SAMPLED)).astype(np.int64)]
    beyond = len(sample) // DROPPED
    ordered = np.partition(sample, (beyond, len(sample) - 1 - beyond), axis=0)
    low, high = ordered[beyond], ordered[len(sample) - 1 - beyond]
    center, reach = (high + low) / 2, (high - low) * np.float32(0.75)
    reach = np.minimum(reach, np.maximum(vectors.max(axis=0) - center, center - vectors.min(axis=0)))
    return center, np.maximum(reach / 127, np.float32(1e-30))


def _aligned(rows: int, width: int) -> npt.NDArray[np.int8]:
    """Zeros (rows, width) that start with a cache line."""
    memory = np.zeros(rows * width + LINE, dtype=np.int8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + rows * width].reshape(rows, width)


def _half_squares(codes: npt.NDArray[np.int8], scale: Vectors) -> Vectors:
    """Half the squared length of what codes (N, C) mean, (N,)."""
    halves = [np.square(part * scale).sum(axis=1) / 2 for part in np.array_split(codes, len(codes) // 65536 + 1)]
    return np.concatenate(halves)
