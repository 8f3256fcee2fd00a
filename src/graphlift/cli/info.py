"""``graphlift info``: what a store holds."""

from __future__ import annotations

from rich.table import Table

from graphlift.cli.console import err, out, print_json, say
from graphlift.cli.options import AsJson, Report, Store
from graphlift.lift import load
from graphlift.report import write_report
from graphlift.store import read_history

SHOWN = 20
"""Events in the life of a store that are shown, the last ones."""


def info(
    store: Store,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Show what a store holds: index, graph, memory, what the last fit did, and the life of the store."""
    lift, history = load(store), read_history(store)
    if report is not None:
        write_report(report, lift=lift, comparison=None, title=store.name, life=history)
        err.print(f"report: {report}", soft_wrap=True)
    index, graph, lifted = lift.index, lift.index.graph, lift.lifted
    facts = {
        "documents": len(index),
        "channels": index.channels,
        "metric": index.metric.value,
        "M": index.M,
        "ef_construction": index.ef_construction,
        "ef_search": index.ef_search,
        "nodes a level": [len(level.nodes) for level in graph.levels],
        "mean degree": round(float(graph.levels[0].degrees.mean()), 2),
        "nodes no link leads to": int((graph.in_degrees == 0).sum()),
        "embedder": lift.embedder,
        "lifted": lifted is not None,
        "past queries": 0 if lifted is None else len(lifted.memory),
        "removed rows": index.removed.count,
        "rows not linked": index.num_rows - index.num_linked,
        "warm documents": 0 if lifted is None else len(lifted.memory.warm_rows),
        "parameters": sum(p.numel() for p in lifted.model.parameters()) if lifted is not None and lifted.learned else 0,
    }
    if as_json:
        life = [{"at": event.at, "event": event.event, **event.said} for event in history]
        fit = None if lift.report is None else lift.report.model_dump(mode="json")
        print_json(facts | {"fit": fit, "history": life})
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name, "yes" if value is True else "no" if value is False else str(value))
    out.print(table)
    if lift.report is not None:
        say(f"\n{lift.report.summary()}")
    if history:
        say("\n" + "\n".join(event.summary() for event in history[-SHOWN:]))
