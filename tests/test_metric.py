"""Vectors in, vectors in the metric's form out, and nothing that cannot be compared."""

import numpy as np
import pytest

from graphlift.errors import InputError
from graphlift.metric import Metric

SIZES = {"tiny": 1e-30, "small": 1e-20, "plain": 1.0, "large": 1e20, "huge": 1e37}


@pytest.mark.parametrize("size", SIZES)
def test_cosine_keeps_direction_and_drops_length(rng, size):
    vectors = rng.normal(size=(7, 5))
    prepared = Metric.COSINE.prepare(vectors * SIZES[size], "vectors")
    np.testing.assert_allclose(prepared, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_any_number_becomes_contiguous_float32(rng, metric, dtype):
    vectors = rng.integers(1, 9, size=(5, 7)).astype(dtype).T
    before = vectors.copy()
    prepared = metric.prepare(vectors, "vectors", channels=5)
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous
    assert prepared.shape == (7, 5)
    np.testing.assert_array_equal(vectors, before)
    if metric is not Metric.COSINE:
        np.testing.assert_array_equal(prepared, before)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, np.nan, 0.0]], "finite"),
        ([[1.0, 0.0, 0.0], [0.0, -np.inf, 0.0]], "first in row 1"),
        ([[1e300, 0.0, 0.0]], "finite"),
        ([[1.0, 2.0]], "3 channels like the index, got 2"),
        ([1.0, 2.0, 3.0], "shape"),
        ([["a", "b", "c"]], "numbers"),
        ([[1, 2, 3], [4]], "shape"),
        ([[True, False, True]], "numbers"),
        ([[1j, 0, 0]], "numbers"),
    ],
)
def test_bad_vectors_are_refused_by_name(metric, vectors, message):
    with pytest.raises(InputError, match=f"`queries` .*{message}"):
        metric.prepare(vectors, "queries", channels=3)


def test_vectors_without_channels():
    with pytest.raises(InputError, match="`vectors` must have at least one channel"):
        Metric.L2.prepare(np.empty((3, 0)), "vectors")


def test_a_zero_vector_has_no_direction():
    vectors = [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(InputError, match=r"`vectors` must not be zero .* got 2 zero rows, first in row 1"):
        Metric.COSINE.prepare(vectors, "vectors")
    assert Metric.L2.prepare(vectors, "vectors").shape == (3, 2)
