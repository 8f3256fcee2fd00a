"""Queries side by side: what the frozen and the lifted index return."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from graphlift.cli.console import out
from graphlift.data import Qrels, Texts
from graphlift.evaluation.comparison import Comparison, QueryChange
from graphlift.lift import Lift
from graphlift.report.examples import Example

SHOWN = 5
"""Results of an example."""


def examples_of(
    lift: Lift,
    comparison: Comparison,
    queries: Texts,
    vectors: npt.NDArray[np.float32],
    qrels: Qrels,
    count: int = 5,
) -> tuple[list[Example], list[Example]]:
    """The queries that gained most and those that lost most."""
    row_of = {query: row for row, query in enumerate(queries.ids)}
    texts = lift.texts or [str(document) for document in lift.index.ids.array]
    shown = min(SHOWN, len(lift.index))

    def example(change: QueryChange) -> Example:
        row = row_of[change.query_id]
        relevant = [document for document, grade in qrels[change.query_id].items() if grade > 0]
        found = (
            lift.index.ids.rows(searcher.search(vectors[row : row + 1], shown).ids[0].tolist())
            for searcher in (lift.index, lift)
        )
        frozen, lifted = ([texts[document] for document in rows] for rows in found)
        names = frozenset(texts[document] for document in lift.index.ids.rows(relevant))
        return Example(queries.texts[row], names, frozen, lifted, change.frozen, change.lifted)

    return [example(c) for c in comparison.best(count)], [example(c) for c in comparison.worst(count)]


def print_examples(title: str, examples: list[Example]) -> None:
    """Queries with their first results, relevant ones marked."""
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("query")
    table.add_column("frozen", ratio=1)
    table.add_column("lifted", ratio=1)
    for example in examples:
        table.add_row(
            f"{example.query}\nnDCG@10 {example.frozen_ndcg:.2f} -> {example.lifted_ndcg:.2f}",
            _results(example.frozen, example.relevant),
            _results(example.lifted, example.relevant),
        )
    out.print(table)


def _results(texts: list[str], relevant: frozenset[str]) -> Text:
    lines = [
        Text(f"✓ {text}", style="bold green") if text in relevant else Text(f"  {text}", style="dim")
        for text in (text if len(text) < 60 else text[:57] + "..." for text in texts)
    ]
    return Text("\n").join(lines)
