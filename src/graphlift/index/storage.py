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


def search(index: Any, metric: Metric, queries: Vectors, k: int, params: Any = None) -> tuple[Vectors, Rows]:
    """Similarities, large is near, and rows of what a FAISS index returns, both (Q, k); row -1 for nothing."""
    values, rows = index.search(queries, k, params=params)
    if metric is Metric.L2:  # squared distances
        np.negative(values, out=values)
    return values, rows
