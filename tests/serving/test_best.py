"""The best of what was found, against NumPy."""

import numpy as np
import pytest

pytest.importorskip("numba")

from graphlift.nn.kernels.elementary import compiled
from graphlift.serving.kernels import best


@compiled
def extremes(values):
    return best._extremes(values)


@compiled
def large(values, count, places):
    return best.find_large(values, count, places)


@pytest.mark.parametrize(
    "values", [[3.0], [-2.5, -0.0, 0.0], [1e-38, -1e-38, 5e30, -5e30], [-7.0, -3.0], [2.0, np.inf, -np.inf]]
)
def test_extremes(values):
    values = np.array(values, dtype=np.float32)
    assert extremes(values) == (values.min(), values.max())


@pytest.mark.parametrize("shift", [-100, 0, 100])
@pytest.mark.parametrize("count", [1, 40, 900])
def test_large_values_are_the_largest(rng, shift, count):
    values, places = rng.normal(loc=shift, size=1000).astype(np.float32), np.empty(1000, dtype=np.int64)
    found = places[: large(values, count, places)]
    assert count <= len(found) <= 2 * count
    assert set(np.argsort(-values)[: len(found)]) == set(found)
