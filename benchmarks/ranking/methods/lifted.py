"""graphlift, with its defaults."""

from __future__ import annotations

from benchmarks.ranking.methods.served import Served, Walked
from benchmarks.ranking.task import Task
from graphlift import FitConfig
from graphlift.training.fit import fit


def graphlift(task: Task, seed: int) -> Served:
    """What serves after a fit: the lifted index if the gate let it pass, the frozen one if not."""
    result = fit(task.index, task.train, FitConfig(seed=seed), dev=task.given_dev)
    return Walked(result.lifted or task.index)
