"""Measuring rankings: metrics for every query, two runs compared, and how sure the difference is."""

from graphlift.evaluation.bootstrap import paired_interval
from graphlift.evaluation.comparison import Comparison, QueryChange, Slice, compare
from graphlift.evaluation.metrics import METRICS, PerQuery, evaluate
from graphlift.evaluation.runs import Run, run_from_rankings

__all__ = [
    "METRICS",
    "Comparison",
    "PerQuery",
    "QueryChange",
    "Run",
    "Slice",
    "compare",
    "evaluate",
    "paired_interval",
    "run_from_rankings",
]
