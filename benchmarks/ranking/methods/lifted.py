"""graphlift, with its defaults."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.ranking.task import Task
from graphlift import FitConfig
from graphlift.training.fit import fit


def graphlift(task: Task, seed: int) -> Tensor:
    """What serves after a fit: the lifted index if the gate let it pass, the frozen one if not."""
    result = fit(task.index, task.train, FitConfig(seed=seed), dev=task.given_dev)
    searcher = result.lifted or task.index
    return torch.from_numpy(searcher.search_rows(task.test.queries.numpy(), min(100, len(task.x)), 128)[1])
