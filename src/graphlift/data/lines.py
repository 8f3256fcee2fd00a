"""Numbered lines of a text file, plain or gzipped: the ground on which the text formats stand."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from graphlift.errors import DataFormatError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file that are not blank, each with its number, counted from 1.

    A name that ends in `.gz` is read as gzip; a byte order mark is skipped.

    Raises:
        DataFormatError: the file is missing, is not UTF-8 or is a damaged gzip file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "greeting.txt"
        ...     _ = path.write_text("hello\\n\\nworld\\n")
        ...     print(list(read_lines(path)))
        [(1, 'hello'), (3, 'world')]
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig")
        ) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataFormatError(f"{path}: expected a readable UTF-8 text file, got {error}") from error
