"""Vectors come back as they were stored, and a file that is not a matrix of floats is named."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from graphlift.data import read_vectors
from graphlift.errors import DataFormatError

DTYPES = [np.float16, np.float32, np.float64, ">f4"]


@pytest.fixture
def matrix():
    return np.random.default_rng(0).standard_normal((7, 5))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_float_and_order(tmp_path, matrix, dtype, order):
    stored = np.array(matrix, dtype=dtype, order=order)
    np.save(tmp_path / "vectors.npy", stored)
    vectors = read_vectors(tmp_path / "vectors.npy", rows=7)
    assert type(vectors) is np.ndarray
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.flags.writeable
    np.testing.assert_array_equal(vectors, stored.astype(np.float32))


def list_types(value):
    return [pa.list_(value), pa.large_list(value), pa.list_(value, 5)]


@pytest.mark.parametrize("value", [pa.float16(), pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["list", "large_list", "fixed_size_list"])
def test_parquet_of_any_list(tmp_path, matrix, value, kind):
    stored = matrix.astype(value.to_pandas_dtype())
    table = pa.table({"id": range(7), "codes": pa.array(list(stored), type=list_types(value)[kind])})
    parquet.write_table(table, tmp_path / "vectors.parquet", row_group_size=3)
    vectors = read_vectors(tmp_path / "vectors.parquet", rows=7)
    assert vectors.flags.c_contiguous
    np.testing.assert_array_equal(vectors, stored.astype(np.float32))


@pytest.mark.parametrize("name", ["vector", "embedding", "emb"])
def test_parquet_column_goes_by_its_name(tmp_path, matrix, name):
    table = pa.table({"other": list(matrix * 2), name: list(matrix)})
    parquet.write_table(table, tmp_path / "vectors.parquet")
    np.testing.assert_array_equal(read_vectors(tmp_path / "vectors.parquet"), matrix.astype(np.float32))


def complains(path, complaint, rows=None):
    with pytest.raises(DataFormatError, match=rf"{path.name}: expected.*{complaint}"):
        read_vectors(path, rows)


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (np.ones(3), "matrix"),
        (np.ones((3, 5, 7)), "matrix"),
        (np.ones((0, 5)), "matrix"),
        (np.ones((3, 0)), "matrix"),
        (np.ones((3, 5), dtype=int), "int64"),
        (np.array([["a", "b"]]), "matrix"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "row 1"),
        (np.array([[0.0, -np.inf]]), "row 0"),
        (np.array([[0.0], [0.0], [1e300]]), "row 2"),
        (np.array([[None]]), "complete .npy"),
    ],
)
def test_npy_that_is_no_finite_float_matrix(tmp_path, stored, complaint):
    np.save(tmp_path / "bad.npy", stored, allow_pickle=True)
    complains(tmp_path / "bad.npy", complaint)


def test_wrong_number_of_rows(tmp_path, matrix):
    np.save(tmp_path / "seven.npy", matrix)
    complains(tmp_path / "seven.npy", "5 rows, got 7", rows=5)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_truncated_foreign_and_missing_files(tmp_path, matrix, suffix):
    whole, bad = tmp_path / f"whole{suffix}", tmp_path / f"bad{suffix}"
    complains(bad, "complete")
    if suffix == ".npy":
        np.save(whole, matrix)
    else:
        parquet.write_table(pa.table({"emb": list(matrix)}), whole)
    content = whole.read_bytes()
    for size in (0, 3, 20, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:size])
        complains(bad, "complete")
    bad.write_bytes(b"PK\x03\x04" + content)
    complains(bad, "complete")


def test_foreign_suffix(tmp_path):
    complains(tmp_path / "vectors.csv", r"\.npy or \.parquet")


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"id": [1, 2]}, "a column of lists"),
        ({"id": pa.array(["a", "b"]).dictionary_encode()}, "a column of lists"),
        ({"a": [[1.0], [2.0]], "b": [[1.0], [2.0]]}, "a single one"),
        ({"emb": [[1.0], [2.0, 3.0]]}, "one length"),
        ({"emb": [[1.0], None]}, "without nulls"),
        ({"emb": [[1.0], [None]]}, "without nulls"),
        ({"emb": pa.array([], type=pa.list_(pa.float32()))}, "one length"),
        ({"emb": [[1], [2]]}, "int64"),
        ({"emb": [["a"], ["b"]]}, "matrix"),
    ],
)
def test_parquet_without_equal_lists_of_floats(tmp_path, columns, complaint):
    parquet.write_table(pa.table(columns), tmp_path / "bad.parquet")
    complains(tmp_path / "bad.parquet", complaint)
