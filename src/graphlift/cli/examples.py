"""Queries side by side: what the frozen and the lifted index return."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from graphlift.cli.console import out, shown
from graphlift.report.examples import Example

SHOWN = 5
"""Results of an example."""
WIDTH = 40
"""Characters of a result."""


def print_examples(title: str, examples: list[Example]) -> None:
    """Queries with their first results, relevant ones marked."""
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("query")
    table.add_column("frozen", ratio=1)
    table.add_column("lifted", ratio=1)
    for example in examples:
        table.add_row(
            f"{shown(example.query)}\nnDCG@10 {example.frozen_ndcg:.2f} -> {example.lifted_ndcg:.2f}",
            _results(example.frozen, example.relevant),
            _results(example.lifted, example.relevant),
        )
    out.print(table)


def _results(texts: list[str], relevant: frozenset[str]) -> Text:
    return Text("\n").join(
        Text(f"✓ {_cut(text)}", "bold green") if text in relevant else Text(f"  {_cut(text)}", "dim")
        for text in texts[:SHOWN]
    )


def _cut(text: str) -> str:
    line = shown(text)
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
