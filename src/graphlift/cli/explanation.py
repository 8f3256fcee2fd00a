"""What moved a hit, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from graphlift.cli.console import out, say, shown
from graphlift.index.hits import Explanation, PastQuery
from graphlift.index.ids import Id
from graphlift.lift import Lift

LONGEST = 48
"""Letters of a text that names a document."""


def as_objects(explanations: tuple[Explanation, ...]) -> list[dict[str, Any]]:
    """For each hit its explanation as JSON takes it, without the ranks."""
    objects = [asdict(explanation) for explanation in explanations]
    return [{key: value for key, value in one.items() if "rank" not in key} for one in objects]


def print_explanations(lift: Lift, ids: list[Id], explanations: tuple[Explanation, ...]) -> None:
    """A block a hit: its ranks and the parts of its score, and below it one line for each node that moved it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("was", justify="right", style="dim", no_wrap=True)
    for part in ("similar", "learned", "cold", "told"):
        table.add_column(part, justify="right", no_wrap=True)
    table.add_column("document, and what moved it", overflow="fold")
    for document, one in zip(ids, explanations, strict=True):
        was = ">" if one.frozen_rank is None else str(one.frozen_rank)
        parts = [f"{one.similarity:.2f}", "-" if one.learned is None else f"{one.learned:+.2f}"]
        parts += [f"{added:+.2f}" if added else "" for added in (one.cold_bonus, one.told)]
        table.add_row(str(one.rank), was, *parts, Text(_name(lift, document), "bold"))
        for past in one.past:
            table.add_row(*[""] * 6, f"  {_amount(past.effect)}  past query {_past_name(lift, past)}")
        for neighbor in one.neighbors:
            table.add_row(*[""] * 6, f"  {_amount(neighbor.effect)}  beside {_name(lift, neighbor.id)}")
    out.print(table)
    if lift.lifted is None:
        say("\nThe frozen index serves, so nothing has moved.")
    else:
        say("\nsimilar + learned + cold + told = score; an amount is what the score would lose without that node.")


def _amount(effect: float | None) -> str:
    return "found by" if effect is None else f"{effect:+.2f}"


def _past_name(lift: Lift, past: PastQuery) -> str:
    """A past query, whose text is not known, by how near it is and what answered it."""
    named = _name(lift, past.answers[0]) if past.answers else "nothing"
    more = f" and {len(past.answers) - 1} more" if len(past.answers) > 1 else ""
    return f"({past.similarity:.2f} near) answered by {named}{more}"


def _name(lift: Lift, document: Id) -> str:
    """A document by its text, or else by its id."""
    if lift.texts is None:
        return str(document)
    text = shown(lift.texts[int(lift.index.ids.rows([document])[0])])
    return f"{document} {text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}"
