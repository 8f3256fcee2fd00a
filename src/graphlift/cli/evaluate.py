"""``graphlift eval``: frozen against lifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphlift.cli.console import err, print_comparison, print_json
from graphlift.cli.html import write_html
from graphlift.cli.options import AsJson, ColdBonus, EfSearch, Queries, QueryVectors, Report, Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import read_qrels, read_texts
from graphlift.lift import load
from graphlift.store import read_history


def evaluate(
    store: Store,
    queries: Queries,
    qrels: Annotated[Path, typer.Option(help="Judgments as TSV, BEIR or TREC form.", show_default=False)],
    vectors: QueryVectors = None,
    ef_search: EfSearch = None,
    cold_bonus: ColdBonus = None,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Compare the lifted index with the frozen one on judged queries, warm and cold ones apart."""
    lift = load(store)
    texts = read_texts(queries)
    judged = read_qrels(qrels)
    x = vectors_of(texts.texts, vectors, lift.embedder)
    comparison = lift.evaluate(x, judged, query_ids=texts.ids, ef_search=ef_search, cold_bonus=cold_bonus)
    if as_json:
        print_json(comparison.to_dict())
    else:
        print_comparison(comparison)
    if lift.lifted is None:
        err.print("nothing has been learned yet: the frozen index serves (see `graphlift fit`)")
    if report is not None:
        write_html(report, store.name, lift, comparison, texts, x, judged, read_history(store))
        err.print(f"report: {report}", soft_wrap=True)
