"""``graphlift feedback``: what answered a query, and what did not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphlift.cli.console import say
from graphlift.cli.documents import ids_of
from graphlift.cli.options import QueryVectors, Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import read_qrels, read_texts
from graphlift.errors import InputError
from graphlift.lift import open


def feedback(
    store: Store,
    query: Annotated[str | None, typer.Argument(help="One query, as a text.", show_default=False)] = None,
    relevant: Annotated[
        list[str] | None, typer.Option("--relevant", help="Id of a document that answered it.", show_default=False)
    ] = None,
    irrelevant: Annotated[
        list[str] | None, typer.Option("--irrelevant", help="Id of one that did not.", show_default=False)
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="Many queries: queries.jsonl, one object a line with _id and text.", show_default=False),
    ] = None,
    vectors: QueryVectors = None,
    qrels: Annotated[
        Path | None,
        typer.Option(help="Their documents as TSV, BEIR or TREC form; grade 0 did not answer.", show_default=False),
    ] = None,
) -> None:
    """Tell a store what answered a query and what did not. The next search knows; nothing is trained."""
    if (query is None) == (queries is None) or (queries is None) != (qrels is None):
        raise InputError("a query, or `--queries` with `--qrels`, is needed.")
    with open(store) as lift:
        if query is not None:
            x = vectors_of([query], vectors, lift.embedder)
            yes, no = [ids_of(lift, relevant or [])], [ids_of(lift, irrelevant or [])]
        else:
            assert queries is not None
            assert qrels is not None
            texts, judged = read_texts(queries), read_qrels(qrels)
            place = {name: row for row, name in enumerate(texts.ids)}
            unknown = next((name for name in judged if name not in place), None)
            if unknown is not None:
                raise InputError(f"`--qrels` must judge queries of `--queries`, got {unknown!r}.")
            x = vectors_of(texts.texts, vectors, lift.embedder)[[place[name] for name in judged]]
            yes, no = (
                [ids_of(lift, [d for d, grade in ds.items() if (grade > 0) == good]) for ds in judged.values()]
                for good in (True, False)
            )
        lift.feedback(x, yes, no)
        told = f"{sum(map(len, yes))} relevant, {sum(map(len, no))} irrelevant"
        say(f"{store}: {len(x)} {'query' if len(x) == 1 else 'queries'}, {told}")
