"""A scan ranks like NumPy."""

import numpy as np
import pytest

from graphlift.index.flat import FlatIndex
from graphlift.metric import Metric


@pytest.mark.parametrize("metric", list(Metric))
def test_ranks_like_numpy(rng, metric):
    vectors, queries = (metric.prepare(rng.normal(size=(n, 5)), "vectors") for n in (23, 7))
    index = FlatIndex(vectors, metric)
    similarities, rows = index.search_rows(queries, k=3)
    expected = queries @ vectors.T
    if metric is Metric.L2:
        expected = -((queries[:, None] - vectors) ** 2).sum(axis=2)
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :3])
    np.testing.assert_allclose(similarities, -np.sort(-expected, axis=1)[:, :3], atol=1e-5)
    assert len(index) == 23
