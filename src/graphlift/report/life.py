"""The life of a store: what became of every fit, and what each did to queries that were learned before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphlift.report import plots
from graphlift.store import Event

SHOWN = 30
"""Events that are listed, the last ones."""


@dataclass(frozen=True)
class Forgetting:
    """How well each batch of queries is answered after each fit.

    Attributes:
        batches: names of the batches.
        rows: a fit each: its name, whether it was published, and nDCG@10 by batch, as far as they had come.
    """

    batches: list[str]
    rows: list[tuple[str, bool, list[float]]]


@dataclass(frozen=True)
class Life:
    """What the page shows of it.

    Attributes:
        plot: the gain of every fit, as SVG; None where there was no fit.
        forgetting: None where no fit went on from another.
        lines: the last events, newest first.
    """

    plot: str | None
    forgetting: Forgetting | None
    lines: list[str]


def life_of(events: Sequence[Event]) -> Life | None:
    """The life of a store from its events, oldest first; None where nothing happened."""
    if not events:
        return None
    fits = [event.said for event in events if event.event == "fit"]
    names = [f"fit {number}" for number in range(1, len(fits) + 1)]
    return Life(
        plot=plots.steps(
            names,
            [(_ends(fit["dev_ndcg"]), _ends(fit["past_ndcg"])) for fit in fits],
            [fit["published"] for fit in fits],
        )
        if fits
        else None,
        forgetting=_forgetting(names, fits),
        lines=[event.summary() for event in reversed(events[-SHOWN:])],
    )


def _ends(scores: dict[str, float]) -> tuple[float, float] | None:
    """The first and the last of some scores: before and after."""
    values = list(scores.values())
    return (values[0], values[-1]) if values else None


def _forgetting(names: list[str], fits: list[dict[str, Any]]) -> Forgetting | None:
    rows = []
    for name, fit in zip(names, fits, strict=True):
        new, old = _ends(fit["dev_ndcg"]), fit.get("past_batches", [])
        published = fit["published"]
        scores = [batch["after"] if published else batch["before"] for batch in old]
        if new is not None:
            scores.append(new[1] if published else new[0])
        rows.append((name, published, scores))
    most = max((len(scores) for _, _, scores in rows), default=0)
    if most < 2:
        return None
    batches = ["before the first fit", *(f"batch {number}" for number in range(2, most + 1))]
    return Forgetting(batches, rows)
