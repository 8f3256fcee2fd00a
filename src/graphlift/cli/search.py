"""``graphlift search``: ask the store."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from graphlift.cli.console import out, print_json, shown
from graphlift.cli.explanation import as_objects, print_explanations
from graphlift.cli.options import AsJson, ColdBonus, EfSearch, Store
from graphlift.data import load_embedder
from graphlift.errors import InputError
from graphlift.lift import load


def search(
    store: Store,
    query: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    k: Annotated[int, typer.Option("-k", min=1, help="How many results.")] = 10,
    ef_search: EfSearch = None,
    cold_bonus: ColdBonus = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each result what moved it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search with a text; beside each result stands its rank in the frozen index.

    In a pipe, a result is a line of rank, frozen rank, id and text, with tabs between them.
    """
    lift = load(store)
    if lift.embedder is None:
        raise InputError(
            f"`{store}` was built from vectors and does not know what made them; "
            "`graphlift build --embedder NAME` would have recorded it. Search it from Python, with vectors."
        )
    k = min(k, len(lift.index))
    x = load_embedder(lift.embedder).embed([query])
    hits = lift.search(x, k, ef_search, cold_bonus=cold_bonus, explain=explain)
    beam = ef_search if lift.lifted is None else lift.lifted.beam(ef_search)
    before = lift.index.search(x, min(100, len(lift.index)), beam).ids[0].tolist()
    rank_before = {document: rank for rank, document in enumerate(before, 1)}
    rows = lift.index.ids.rows(hits.ids[0].tolist())
    results = [
        {
            "rank": rank,
            "frozen_rank": rank_before.get(document),
            "id": document,
            "score": round(score, 4),
            "text": None if lift.texts is None else lift.texts[row],
        }
        for rank, (document, score, row) in enumerate(
            zip(hits.ids[0].tolist(), hits.scores[0].tolist(), rows.tolist(), strict=True), 1
        )
    ]
    if as_json:
        if hits.explanations is not None:
            results = [hit | moved for hit, moved in zip(results, as_objects(hits.explanations[0]), strict=True)]
        print_json({"query": query, "lifted": lift.lifted is not None, "hits": results})
        return
    if hits.explanations is not None:
        print_explanations(lift, hits.ids[0].tolist(), hits.explanations[0])
        return
    lines = [
        (str(hit["rank"]), str(hit["frozen_rank"] or f">{len(before)}"), str(hit["id"]), shown(hit["text"] or ""))
        for hit in results
    ]
    if not out.is_terminal:
        print("\n".join("\t".join(line) for line in lines))
        return
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("was", justify="right", style="dim")
    table.add_column("id", overflow="fold")
    table.add_column("text", ratio=1, no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(*line)
    out.print(table)
