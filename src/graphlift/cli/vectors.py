"""Vectors for texts: read from a file, or embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphlift.cli.console import counting
from graphlift.data import load_embedder, read_vectors
from graphlift.errors import InputError


def vectors_of(texts: list[str], file: Path | None, embedder: str | None) -> npt.NDArray[np.float32]:
    """One vector a text, (N, C).

    Raises:
        InputError: there is neither a file nor an embedder.
        DataFormatError: the file is no such table.
    """
    if file is not None:
        return read_vectors(file, rows=len(texts))
    if embedder is None:
        raise InputError(
            "`--vectors` is needed: the store was built from vectors, and does not know what made them "
            "(`graphlift build --embedder NAME` would have recorded it)."
        )
    model = load_embedder(embedder)
    with counting(f"embed with {embedder}", len(texts)) as progress:
        return model.embed(texts, progress)
