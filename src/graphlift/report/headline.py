"""What was gained, in a sentence and a table."""

from __future__ import annotations

from dataclasses import dataclass

from graphlift.evaluation.comparison import Comparison, Slice
from graphlift.lift import Lift
from graphlift.report.wording import counted, signed
from graphlift.training.report import FitReport

MEASURES = {"nDCG@10": "nDCG@10", "R@10": "Recall@10", "RR@10": "MRR@10"}
"""Metric of a comparison -> what people call its mean."""
BEFORE, AFTER = "before", "lift and ranker"
"""What a fit's report calls the choices that the gate compares."""
FEW = 20
"""Fewer queries than this say little."""


@dataclass(frozen=True)
class Headline:
    """The report's first sentences.

    Attributes:
        finding: the one sentence to remember.
        detail: how sure it is, and for how many queries.
        warning: what must not be overlooked: nothing new was published, or nothing was learned at all.
        reason: the gate's own words on that.
    """

    finding: str
    detail: str
    warning: str | None
    reason: str | None


@dataclass(frozen=True)
class Cell:
    """One metric of one slice, before and after."""

    frozen: str
    lifted: str
    change: str


@dataclass(frozen=True)
class Row:
    """One slice of the queries; ``few`` where they are too few to say much."""

    name: str
    meaning: str
    part: Slice
    cells: list[Cell]
    few: bool


def headline(lift: Lift, comparison: Comparison | None) -> Headline:
    """What to say first."""
    warning, reason = _warning(lift.report)
    if comparison is not None:
        finding, detail = _compared(comparison.all)
    elif lift.report is not None:
        finding, detail = _fitted(lift.report)
    else:
        finding, detail = "Nothing was measured yet.", "Fit on relevance pairs and compare runs to fill this page."
    return Headline(finding, detail, warning, reason)


def rows(comparison: Comparison) -> list[Row]:
    """The slices that have queries."""
    slices = [
        ("All queries", "", comparison.all),
        ("Warm", "a right answer was an answer in training", comparison.warm),
        ("Cold", "no right answer was seen in training", comparison.cold),
    ]
    return [
        Row(name, meaning, part, [_cell(part, metric) for metric in MEASURES], part.queries < FEW)
        for name, meaning, part in slices
        if part is not None
    ]


def _cell(part: Slice, metric: str) -> Cell:
    before, after = part.frozen[metric], part.lifted[metric]
    return Cell(f"{before:.3f}", f"{after:.3f}", signed(after - before))


def _compared(part: Slice) -> tuple[str, str]:
    before, after = part.frozen["nDCG@10"], part.lifted["nDCG@10"]
    low, high = part.interval
    queries = counted(part.queries, "held-out query", "held-out queries")
    detail = f"That is {signed(after - before)}, {_interval(low, high)}. "
    if part.same == part.queries:
        return f"nDCG@10 stays at {after:.3f}, query by query.", f"Measured on {queries}."
    if low > 0:
        finding = f"nDCG@10 rises from {before:.3f} to {after:.3f}."
    elif high < 0:
        finding = f"nDCG@10 falls from {before:.3f} to {after:.3f}."
    else:
        finding = f"nDCG@10 goes from {before:.3f} to {after:.3f}, which may be chance."
    return finding, (
        detail + f"Of {queries}, {part.better:,} got better, {part.worse:,} worse, {part.same:,} stayed the same."
    )


def _fitted(report: FitReport) -> tuple[str, str]:
    before, after = report.dev_ndcg.get(BEFORE), report.dev_ndcg.get(AFTER)
    queries = counted(report.dev_queries, "held-out query", "held-out queries")
    if before is None or after is None:
        return "The fit was measured on held-out queries.", f"There are {report.dev_queries:,} of them."
    low, high = report.interval
    detail = f"That is {signed(after - before)}, {_interval(low, high)}, on {queries}."
    if report.published:
        finding = f"Held-out nDCG@10 rises from {before:.3f} to {after:.3f}."
        return finding, detail + " They chose the epoch, too, so a test set is the fairer judge."
    return f"The new model reached an nDCG@10 of {after:.3f}; what serves reaches {before:.3f}.", detail


def _interval(low: float, high: float) -> str:
    return f"with a 95\N{NO-BREAK SPACE}% interval of {signed(low)} to {signed(high)} (paired bootstrap)"


def _warning(report: FitReport | None) -> tuple[str | None, str | None]:
    if report is None:
        return "No fit yet: the frozen index serves.", None
    if not report.published:
        return "The last fit was not published: what served before it still serves.", report.reason
    return None, None
