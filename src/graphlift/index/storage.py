"""FAISS's own words for a metric, and its search in ours."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from graphlift.metric import Metric, Vectors

Rows = npt.NDArray[np.int64]


def faiss_metric(metric: Metric) -> int:
    """FAISS's constant for a metric."""
    return int(faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT)


def share(index: Any, vectors: Vectors) -> None:
    """Make vectors (N, C) the storage of a FAISS index without a copy; they must not be written to any more.

    They may be mapped from a file, and are then read as searches need them. FAISS cannot add to such an index.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    flat = faiss.downcast_index(index.storage)
    if hasattr(faiss, "MaybeOwnedVectorUInt8"):
        memory, view = faiss.swig_ptr(vectors.view(np.uint8).reshape(-1)), faiss.MaybeOwnedVectorUInt8()
        view.is_owned = False
        view.view_data = view.c_ptr = memory
        view.view_size = view.c_size = vectors.nbytes
        flat.codes, flat.ntotal = view, len(vectors)
        faiss.add_to_referenced_objects(index, vectors)  # alive as long as the index is
    else:  # FAISS as it was before it could hold memory of others
        flat.reset()
        flat.add(vectors)
    index.ntotal = len(vectors)


def search(index: Any, metric: Metric, queries: Vectors, k: int, params: Any = None) -> tuple[Vectors, Rows]:
    """Similarities, large is near, and rows of what a FAISS index returns, both (Q, k); row -1 for nothing."""
    if not k:
        return np.empty((len(queries), 0), dtype=np.float32), np.empty((len(queries), 0), dtype=np.int64)
    values, rows = index.search(queries, k, params=params)
    if metric is Metric.L2:  # squared distances
        np.negative(values, out=values)
    return values, rows


def scan(vectors: Vectors, metric: Metric, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
    """Like `search`, over an array (N, C) of at least k vectors."""
    if not k or not len(queries):
        return np.empty((len(queries), 0), dtype=np.float32), np.empty((len(queries), 0), dtype=np.int64)
    values, rows = faiss.knn(queries, vectors, k, metric=faiss_metric(metric))
    if metric is Metric.L2:
        np.negative(values, out=values)
    return values, rows
