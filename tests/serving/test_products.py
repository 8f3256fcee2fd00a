"""Products of small matrices and transposed blocks equal NumPy's, for every rest of rows and columns, and whatever the
strides."""

import numpy as np
import pytest

pytest.importorskip("numba")

from graphlift.nn.kernels.elementary import compiled
from graphlift.serving.kernels.blocks import transpose
from graphlift.serving.kernels.products import add_product


@compiled
def add(a, b, out):
    add_product(a, b, out)


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 48, 64])
@pytest.mark.parametrize("depth", [0, 1, 8, 33])
def test_equal_to_numpy_and_added_to_what_is_there(columns, depth):
    rng = np.random.default_rng(columns + depth)
    for rows in (*range(14), 64):
        wide = rng.normal(size=(rows, 2 * depth + 1)).astype(np.float32)
        b = rng.normal(size=(depth, columns)).astype(np.float32)
        for a in (np.ascontiguousarray(wide[:, :depth]), wide[:, 1::2], np.asfortranarray(wide[:, :depth])):
            before = rng.normal(size=(rows, columns)).astype(np.float32)
            out = before.copy()
            add(a, b, out)
            np.testing.assert_allclose(out, before + a @ b, rtol=1e-4, atol=1e-4)


@compiled
def turn(a, out, row, column):
    transpose(a, out, row, column)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (16, 0), (5, 32)])
def test_a_block_is_transposed_and_nothing_else_is_written(row, column):
    a = np.arange(40 * 50, dtype=np.float32).reshape(40, 50)
    out = np.full((60, 45), -1, dtype=np.float32)
    turn(a, out, row, column)
    expected = np.full_like(out, -1)
    expected[column : column + 16, row : row + 16] = a[row : row + 16, column : column + 16].T
    np.testing.assert_array_equal(out, expected)
