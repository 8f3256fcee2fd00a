"""What is compared: each method is a function from a task and a seed to what would serve."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.ranking.methods import adapters, feedback, frozen, layers, lifted, nudge
from benchmarks.ranking.methods.served import Served
from benchmarks.ranking.task import Task

METHODS: dict[str, Callable[[Task, int], Served]] = {
    "frozen, exact": frozen.exact,
    "frozen, HNSW": frozen.hnsw,
    "vector feedback": feedback.rocchio,
    "linear adapter": adapters.linear,
    "two-layer adapter": adapters.two_layer,
    "linear maps, both sides": adapters.both_sides,
    "NUDGE-M": nudge.nudge_m,
    "NUDGE-N": nudge.nudge_n,
    "paper's layer": layers.ruvector,
    "GCN": layers.gcn,
    "GAT": layers.gat,
    "GraphSAGE": layers.graphsage,
    "graphlift": lifted.graphlift,
}
"""Name -> method; the last one is ours, the others are rivals."""
OURS = "graphlift"
