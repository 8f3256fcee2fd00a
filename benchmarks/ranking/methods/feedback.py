"""Rocchio's feedback in vector space: a query moves towards what answered past queries like it."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.ranking.measure import dev_score, top_rows
from benchmarks.ranking.task import Task
from graphlift import Memory

NEIGHBORS = 16


def rocchio(task: Task, seed: int) -> Tensor:
    """Mix and temperature are chosen on dev; the past queries then include all training queries."""
    memory, dev = task.split(seed)
    grid = product((0.0, 0.2, 0.4, 0.6), (0.02, 0.05, 0.1))
    best = max(grid, key=lambda choice: dev_score(top_rows(_moved(dev.queries, memory, task.x, *choice), task.x), dev))
    return top_rows(_moved(task.test.queries, task.train, task.x, *best), task.x)


def _moved(queries: Tensor, memory: Memory, x: Tensor, mix: float, temperature: float) -> Tensor:
    answers = torch.zeros(len(memory), x.shape[1]).index_add_(0, memory.query_of_answer, x[memory.rows])
    answers = F.normalize(answers)
    near = (queries @ memory.queries.T).topk(min(NEIGHBORS, len(memory)))
    weights = (near.values / temperature).softmax(dim=1)
    pull = torch.einsum("qk,qkc->qc", weights, answers[near.indices])
    return F.normalize((1 - mix) * queries + mix * F.normalize(pull))
