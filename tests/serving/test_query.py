"""A query's way to its walk, compiled for a few queries and as products for many."""

import numpy as np
import pytest
import torch

from graphlift.index.flat import FlatIndex
from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.similarity import Similarity
from graphlift.serving.past_scan import PastScan
from graphlift.serving.query_lift import FEW, QueryLift

pytest.importorskip("numba")


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW])
def test_lifts_as_the_model_does(metric, count):
    documents = 3 * torch.randn(40, 7)
    model = LiftModel(7, Similarity.of(metric, documents), ModelConfig(past_channels=4), documents).eval()
    for parameter in model.query_map.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    queries = torch.from_numpy(metric.prepare(torch.randn(max(count, 1), 7), "queries"))[:count]
    lifted, past_vectors = QueryLift(model)(queries.numpy())
    with torch.inference_mode():
        expected = model.lift_queries(queries, documents, descent=None)
        np.testing.assert_allclose(lifted, expected.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(past_vectors, model.past_vectors(queries, expected).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("metric", [Metric.INNER_PRODUCT, Metric.L2])
@pytest.mark.parametrize(("count", "k"), [(1, 1), (7, 7), (8, 3), (50, 13)])
def test_scans_as_faiss_does(rng, metric, count, k):
    index = FlatIndex(rng.normal(size=(count, 6)).astype(np.float32), metric)
    queries = rng.normal(size=(3, 6)).astype(np.float32)
    for found, expected in zip(PastScan.of(index).search_rows(queries, k), index.search_rows(queries, k), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_distances_far_from_the_origin(rng):
    """A product less two squares would lose what tells the vectors apart."""
    vectors = (rng.normal(size=(200, 16)) + 1000).astype(np.float32)
    index = FlatIndex(vectors, Metric.L2)
    assert (PastScan.of(index).search_rows(vectors[:5], 8)[1] == index.search_rows(vectors[:5], 8)[1]).mean() > 0.95


def test_of_equally_near_the_first(rng):
    vectors = np.ones((9, 4), dtype=np.float32)
    assert PastScan.of(FlatIndex(vectors, Metric.L2)).search_rows(vectors[:1], 3)[1].tolist() == [[0, 1, 2]]


def test_what_is_walked_is_not_scanned():
    assert PastScan.of(object()) is None
