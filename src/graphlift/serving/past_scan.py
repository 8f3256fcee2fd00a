"""A scan of past queries for a few new ones, in compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from graphlift.index.flat import FlatIndex
from graphlift.index.storage import Rows
from graphlift.metric import Metric, Vectors
from graphlift.nn import fast


class PastScan:
    """`FlatIndex.search_rows` for a few queries, where calling FAISS takes longer than the scan."""

    def __init__(self, nearest: Callable[..., None], index: FlatIndex) -> None:
        self.nearest, self.vectors = nearest, index.vectors
        self.by_distance = index.metric is Metric.L2

    @classmethod
    def of(cls, index: object) -> Self | None:
        """A scan of an index, or None without a compiler (the extra ``fast``), and of an index that is walked."""
        kernels = fast.loops("graphlift.serving.kernels")
        return cls(kernels.nearest, index) if kernels is not None and isinstance(index, FlatIndex) else None

    def search_rows(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """Similarities and numbers of the k nearest, both (Q, k)."""
        near, past = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        self.nearest(queries, self.vectors, self.by_distance, near, past)
        return near, past
