"""A report of one page: what a fit gained, what it cost, and what the network listened to."""

from graphlift.report.examples import Example, pick_examples
from graphlift.report.html import write_report

__all__ = ["Example", "pick_examples", "write_report"]
