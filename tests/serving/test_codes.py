"""A scan by codes finds what FAISS's scan finds."""

import numpy as np
import pytest

from graphlift.index.flat import FlatIndex
from graphlift.metric import Metric
from graphlift.serving.codes import codes_of

kernels = pytest.importorskip("graphlift.serving.kernels", exc_type=ImportError)


def scanned(index, queries, k):
    near, found = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    codes = kernels.Pinned(codes_of(kernels, index.vectors, index.metric))
    kernels.scan(queries, codes, near, found)
    return near, found


@pytest.mark.parametrize("metric", [Metric.INNER_PRODUCT, Metric.L2])
@pytest.mark.parametrize(("count", "k"), [(1, 1), (7, 7), (8, 3), (50, 13), (3000, 32)])
def test_scans_as_faiss_does(rng, metric, count, k):
    index = FlatIndex(rng.normal(size=(count, 6)).astype(np.float32), metric)
    queries = rng.normal(size=(3, 6)).astype(np.float32)
    for found, expected in zip(scanned(index, queries, k), index.search_rows(queries, k), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_distances_far_from_the_origin(rng):
    """A product less two squares would lose what tells the vectors apart."""
    vectors = (rng.normal(size=(200, 16)) + 1000).astype(np.float32)
    index = FlatIndex(vectors, Metric.L2)
    assert (scanned(index, vectors[:5], 8)[1] == index.search_rows(vectors[:5], 8)[1]).mean() > 0.95


def test_of_equally_near_the_first():
    vectors = np.ones((99, 4), dtype=np.float32)
    assert scanned(FlatIndex(vectors, Metric.L2), vectors[:1], 3)[1].tolist() == [[0, 1, 2]]


def test_one_far_away_hides_nobody(rng):
    """Values are halved between the smallest and the largest; all but one lie in a sliver of that."""
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors[7] = 1e6
    index = FlatIndex(vectors, Metric.L2)
    assert 7 not in scanned(index, vectors[:4], 10)[1]
    assert (scanned(index, vectors[:4], 10)[0][:, 0] == 0).all()


@pytest.mark.parametrize("metric", list(Metric))
def test_codes_are_within_half_a_step(rng, metric):
    vectors = metric.prepare(rng.normal(size=(400, 70)) * np.geomspace(0.1, 10, 70) + 3, "vectors")
    vectors[:, 5] = vectors[0, 5]
    codes = codes_of(kernels, vectors, metric)
    assert codes.codes.shape == (400, 128)
    assert codes.codes.ctypes.data % 64 == 0
    assert not codes.codes[:, 70:].any()
    means = codes.center + codes.scale * codes.codes[:, :70]
    inside = np.abs(codes.codes[:, :70]) < 127  # what lies far out gets the outermost code
    assert inside.mean() > 0.99
    assert (np.abs(means - vectors) <= 0.501 * codes.scale + 1e-6)[inside].all()
