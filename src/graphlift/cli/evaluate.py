"""``graphlift eval``: frozen against lifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphlift.cli.console import err, print_comparison, print_json
from graphlift.cli.options import AsJson, EfSearch, Queries, QueryVectors, Store
from graphlift.cli.vectors import vectors_of
from graphlift.data import read_qrels, read_texts
from graphlift.lift import load
from graphlift.report import pick_examples, write_report


def evaluate(
    store: Store,
    queries: Queries,
    qrels: Annotated[Path, typer.Option(help="Judgments as TSV, BEIR or TREC form.", show_default=False)],
    vectors: QueryVectors = None,
    ef_search: EfSearch = None,
    as_json: AsJson = False,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML report to this file.", show_default=False)
    ] = None,
) -> None:
    """Compare the lifted index with the frozen one on judged queries, warm and cold ones apart."""
    lift = load(store)
    texts = read_texts(queries)
    judged = read_qrels(qrels)
    x = vectors_of(texts.texts, vectors, lift.embedder)
    comparison = lift.evaluate(x, judged, query_ids=texts.ids, ef_search=ef_search)
    if as_json:
        print_json(comparison.to_dict())
    else:
        print_comparison(comparison)
    if report is not None:
        examples = pick_examples(lift, comparison, x, judged, texts.ids, texts.texts)
        shown = {example.query: x[texts.texts.index(example.query)] for example in examples[:2]}
        write_report(report, lift=lift, comparison=comparison, title=store.name, examples=examples, attention=shown)
        err.print(f"report: {report}", highlight=False)
