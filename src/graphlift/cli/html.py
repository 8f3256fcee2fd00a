"""The HTML report of a comparison that the command line made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphlift.data import Qrels, Texts
from graphlift.evaluation.comparison import Comparison
from graphlift.lift import Lift
from graphlift.report import Example, pick_examples, write_report
from graphlift.store import Event

EXPLAINED = 2
"""Examples whose attention the report shows."""


def write_html(
    path: Path,
    title: str,
    lift: Lift,
    comparison: Comparison,
    queries: Texts,
    vectors: npt.NDArray[np.float32],
    qrels: Qrels,
    life: Sequence[Event] = (),
) -> list[Example]:
    """Write the report, and return the examples that it shows."""
    examples = pick_examples(lift, comparison, vectors, qrels, queries.ids, queries.texts)
    attention = {example.query: vectors[example.row] for example in examples[:EXPLAINED]}
    write_report(path, lift=lift, comparison=comparison, title=title, examples=examples, attention=attention, life=life)
    return examples
