"""``graphlift build``: a store from texts or vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphlift.cli.console import counting, say
from graphlift.cli.options import Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import read_texts, read_vectors
from graphlift.errors import InputError
from graphlift.index.hnsw import HnswIndex
from graphlift.lift import Lift
from graphlift.metric import Metric
from graphlift.store.folder import check_target, is_store


def build(
    store: Store,
    corpus: Annotated[
        Path | None,
        typer.Option(help="corpus.jsonl: one object a line with _id, text and perhaps title.", show_default=False),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help=".npy or .parquet, one row a document in the order of --corpus; embedded from text where left out.",
            show_default=False,
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="wordllama, or a model of sentence-transformers; with --vectors, what made them.",
            show_default="wordllama, if there are no --vectors",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="How near two vectors are.")] = Metric.COSINE,
    m: Annotated[int, typer.Option("--m", min=2, help="Links a node on the upper levels; twice that below.")] = 16,
    ef_construction: Annotated[
        int, typer.Option("--ef-construction", min=1, help="Beam of the walk that finds links.")
    ] = 200,
    ef_search: Annotated[int, typer.Option("--ef-search", min=1, help="Default beam of a search.")] = 64,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
) -> None:
    """Build an HNSW index over documents and write it as a store. It ranks as any frozen index, until `fit`."""
    if is_store(store) and not overwrite:
        raise InputError(f"`{store}` is a store already; add --overwrite to replace it.")
    check_target(store)
    if corpus is not None:
        texts = read_texts(corpus)
        embedder = embedder or (None if vectors else "wordllama")
        x = vectors_of(texts.texts, vectors, embedder)
    elif vectors is not None:
        texts, x = None, read_vectors(vectors)
    else:
        raise InputError("`--corpus` or `--vectors` is needed: there is nothing to index.")
    with counting("build the index", len(x)) as progress:
        index = HnswIndex.build(
            x,
            [str(row) for row in range(len(x))] if texts is None else texts.ids,  # as judgments in a file name them
            metric=metric,
            M=m,
            ef_construction=ef_construction,
            ef_search=ef_search,
            progress=progress,
        )
    Lift(index, texts=None if texts is None else texts.texts, embedder=embedder).save(store)
    say(f"{store}: {index}, {index.graph.num_levels} levels")
