"""Documents that a verb was given: ids, vectors, and texts where there are some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
import typer

from graphlift.cli.vectors import vectors_of
from graphlift.data import read_texts, read_vectors
from graphlift.errors import DataFormatError, InputError
from graphlift.index.ids import Id
from graphlift.lift import Lift

Corpus: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="corpus.jsonl: one object a line with _id, text and perhaps title.", show_default=False),
]
IdFile: TypeAlias = Annotated[
    Path | None, typer.Option("--ids", help="Ids, one a line, where there is no --corpus.", show_default=False)
]
DocumentVectors: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help=".npy or .parquet, one row a document in the order of the ids; embedded from text where left out.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Documents:
    """Documents in the form that the verbs of `Lift` take."""

    ids: list[Id]
    vectors: npt.NDArray[np.float32]
    texts: list[str] | None


def read_documents(lift: Lift, corpus: Path | None, ids: Path | None, vectors: Path | None) -> Documents:
    """What the options of a verb name.

    Raises:
        InputError: they do not name documents.
        DataFormatError: a file is not what it should be.
    """
    if corpus is not None:
        texts = read_texts(corpus)
        x = vectors_of(texts.texts, vectors, lift.embedder)
        return Documents(ids_of(lift, texts.ids), x, None if lift.texts is None else texts.texts)
    if ids is None or vectors is None:
        raise InputError("`--corpus`, or `--ids` with `--vectors`, is needed: there are no documents.")
    names = read_ids(lift, ids)
    return Documents(names, read_vectors(vectors, rows=len(names)), None)


def read_ids(lift: Lift, path: Path) -> list[Id]:
    """Ids of a file, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFormatError(f"{path} cannot be read as a text of ids: {error}.") from error
    return ids_of(lift, [line.strip() for line in lines if line.strip()])


def ids_of(lift: Lift, names: list[str]) -> list[Id]:
    """Ids of the kind that the index has, from texts.

    Raises:
        InputError: the index has numbers, and a text is none.
    """
    if lift.index.ids.kind == "str":
        return list(names)
    wrong = next((name for name in names if not name.lstrip("-").isdecimal()), None)
    if wrong is not None:
        raise InputError(f"`ids` must be int like those of the index, got {wrong!r}.")
    return [int(name) for name in names]
