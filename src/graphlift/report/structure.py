"""What the report says about the graph that serves."""

from __future__ import annotations

from dataclasses import dataclass

from graphlift.graph import HnswGraph
from graphlift.lift import Lift
from graphlift.report.wording import counted


@dataclass(frozen=True)
class Structure:
    """The graph and what is worth saying of it.

    Attributes:
        graph: of the index that serves.
        unreachable: nodes that no link of any level leads to.
        remarks: sentences on reach, recall and links.
    """

    graph: HnswGraph
    unreachable: int
    remarks: list[str]


def structure(lift: Lift) -> Structure:
    """The graph that serves now."""
    graph = (lift.index if lift.lifted is None else lift.lifted.walk_index).graph
    lonely = (graph.in_degrees == 0) & (graph.level_of_node == 0)
    lonely[graph.entry_point] = False  # where every walk starts
    unreachable = int(lonely.sum())
    remarks = [
        "Every document can be reached."
        if not unreachable
        else f"{counted(unreachable, 'document has', 'documents have')} no incoming link: no walk reaches "
        + ("it." if unreachable == 1 else "them.")
    ]
    report = lift.report
    if report is not None and report.recall is not None:
        links = "over new links" if report.relinked else "over the links of the frozen index, which are kept"
        remarks.append(
            f"The walk finds {100 * report.recall:.1f}\N{NO-BREAK SPACE}% "
            f"of the true ten nearest lifted documents, {links}."
        )
        if report.relinked:
            remarks.append("The old links lost too much, so the lifted documents were linked anew.")
    return Structure(graph, unreachable, remarks)
