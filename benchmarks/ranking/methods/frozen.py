"""No learning at all."""

from __future__ import annotations

from benchmarks.ranking.methods.served import Moved, Served, Walked
from benchmarks.ranking.task import Task


def exact(task: Task, seed: int) -> Served:
    """A scan of all frozen vectors."""
    return Moved(lambda queries: queries, task.x)


def hnsw(task: Task, seed: int) -> Served:
    """The frozen index."""
    return Walked(task.index)
