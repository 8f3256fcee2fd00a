"""Similarity of tensors ranks like the index and does not change with the unit of the vectors."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.metric import Metric
from graphlift.search.similarity import Similarity

METRICS = list(Metric)


def naive(metric, a, b):
    if metric is Metric.L2:
        return -float((a - b).square().sum())
    return float(a @ b / (a.norm() * b.norm() if metric is Metric.COSINE else 1))


@pytest.mark.parametrize("metric", METRICS)
def test_pairwise_equals_the_loop(metric):
    a, b = torch.randn(2, 3, 5, dtype=torch.float64), torch.randn(2, 7, 5, dtype=torch.float64)
    similarity = Similarity(metric, scale=2.0)
    expected = torch.tensor(
        [[[naive(metric, x, y) / 2 for y in b[g]] for x in a[g]] for g in range(2)], dtype=torch.float64
    )
    assert_close(similarity.pairwise(similarity.finish(a), similarity.finish(b)), expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_vectors_cancels(metric, unit):
    documents, queries = torch.randn(7, 5), torch.randn(3, 5)

    def measured(unit):
        similarity = Similarity.of(metric, documents * unit)
        return similarity.pairwise(similarity.finish(queries * unit), similarity.finish(documents * unit))

    assert_close(measured(unit), measured(1.0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_finish_is_what_the_metric_stores(metric):
    x = torch.randn(5, 7)
    stored = torch.from_numpy(metric.prepare(x.numpy(), "x"))
    assert_close(Similarity(metric).finish(x), stored)


@pytest.mark.parametrize("metric", METRICS)
def test_documents_that_are_all_zero(metric):
    similarity = Similarity.of(metric, torch.zeros(3, 5))
    assert similarity.pairwise(torch.zeros(1, 5), torch.zeros(3, 5)).isfinite().all()
