"""Vectors from `.npy` and `.parquet` files, checked before anything is built on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphlift.errors import DataFormatError, require

VECTOR_COLUMNS = ("vector", "embedding", "emb")
"""Names under which a parquet file may keep its vectors."""

FLOATS = (np.float16, np.float32, np.float64)


def read_vectors(path: str | Path, rows: int | None = None) -> NDArray[np.float32]:
    """Read a matrix of vectors, one a row.

    Args:
        path: a `.npy` file with a float matrix, or a `.parquet` file with a column of equally long lists,
            which is called `vector`, `embedding` or `emb` or is the only column of lists.
        rows: how many vectors there must be, if that is known.

    Shapes:
        - **output:** (N, C), C-contiguous float32

    Raises:
        DataFormatError: the file is unreadable, is not a float matrix, has another number of rows, or holds
            a value that is not finite as float32.
        MissingExtraError: the file is parquet and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "vectors.npy"
        ...     np.save(path, np.ones((3, 2), dtype=np.float16))
        ...     read_vectors(path, rows=3).shape
        (3, 2)
    """
    path = Path(path)
    readers = {".npy": _read_npy, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise DataFormatError(f"{path}: expected a name that ends in {' or '.join(readers)}.")
    found = readers[path.suffix](path)
    if found.ndim != 2 or 0 in found.shape or found.dtype.type not in FLOATS:
        raise DataFormatError(
            f"{path}: expected a matrix of float16, float32 or float64 with at least one row and column, "
            f"got shape {found.shape} and dtype {found.dtype}."
        )
    if rows is not None and len(found) != rows:
        raise DataFormatError(f"{path}: expected {rows} rows, got {len(found)}.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is reported below
        vectors = np.array(found, dtype=np.float32, order="C")  # (N, C)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise DataFormatError(f"{path}: expected finite values, got NaN or inf in row {finite.argmin()}.")
    return vectors


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        return np.lib.format.open_memmap(path, mode="r")  # reads plain arrays alone: no pickle, no archive
    except (OSError, ValueError) as error:
        raise DataFormatError(f"{path}: expected a complete .npy file, got: {error}") from error


def _read_parquet(path: Path) -> NDArray[Any]:
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    try:
        file = parquet.ParquetFile(path)
        name = _vector_column(path, file.schema_arrow, arrow.types)
        lists = file.read(columns=[name]).column(name).combine_chunks()
    except (OSError, arrow.ArrowException) as error:
        raise DataFormatError(f"{path}: expected a complete .parquet file, got: {error}") from error
    lengths = set(lists.value_lengths().to_pylist())
    values = lists.flatten()
    if len(lengths) != 1 or None in lengths or values.null_count:
        raise DataFormatError(f"{path}: expected lists of one length without nulls in column {name!r}.")
    found: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    return found


def _vector_column(path: Path, schema: Any, types: Any) -> str:
    is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    lists = [field.name for field in schema if any(test(field.type) for test in is_list)]
    for name in VECTOR_COLUMNS:
        if name in lists:
            return name
    if len(lists) != 1:
        raise DataFormatError(
            f"{path}: expected a column of lists named {', '.join(VECTOR_COLUMNS)}, or a single one, got "
            f"{lists or 'none'} among the columns {schema.names}."
        )
    return str(lists[0])
