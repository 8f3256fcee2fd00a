"""Exact search, for sets too small for a graph to pay."""

from __future__ import annotations

import faiss

from graphlift.index.storage import Rows, faiss_metric, search
from graphlift.metric import Metric, Vectors


class FlatIndex:
    """A scan of all vectors (N, C), which must be in the metric's form.

    Example:
        >>> import numpy as np
        >>> vectors = np.eye(3, dtype=np.float32)
        >>> FlatIndex(vectors, Metric.L2).search_rows(vectors[:1], k=1)[1].tolist()
        [[0]]
    """

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self.vectors, self.metric = vectors, metric
        self._faiss = faiss.IndexFlat(vectors.shape[1], faiss_metric(metric))
        self._faiss.add(vectors)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    def search_rows(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """Similarities and rows of the k nearest, both (Q, k)."""
        return search(self._faiss, self.metric, queries, k)
