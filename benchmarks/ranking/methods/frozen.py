"""No learning at all."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.ranking.measure import top_rows
from benchmarks.ranking.task import Task


def exact(task: Task, seed: int) -> Tensor:
    """A scan of all frozen vectors."""
    return top_rows(task.test.queries, task.x)


def hnsw(task: Task, seed: int) -> Tensor:
    """The frozen index."""
    return torch.from_numpy(task.index.search_rows(task.test.queries.numpy(), min(100, len(task.x)), 128)[1])
