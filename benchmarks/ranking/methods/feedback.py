"""Rocchio's feedback in vector space: a query moves towards what answered past queries like it."""

from __future__ import annotations

from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.ranking.measure import dev_score, top_rows
from benchmarks.ranking.methods.served import Moved, Served
from benchmarks.ranking.task import Task
from graphlift import Memory

NEIGHBORS = 16


def rocchio(task: Task, seed: int) -> Served:
    """Mix and temperature are chosen on dev; the past queries then include all training queries."""
    memory, dev = task.split(seed)
    grid = product((0.0, 0.2, 0.4, 0.6), (0.02, 0.05, 0.1))
    chosen = _Feedback(memory, task.x)
    best = max(grid, key=lambda choice: dev_score(top_rows(chosen.move(dev.queries, *choice), task.x), dev))
    mix, temperature = best
    move = partial(_Feedback(task.train, task.x).move, mix=mix, temperature=temperature)
    return Moved(move, task.x)


class _Feedback:
    """Past queries, each with the mean of what answered it."""

    def __init__(self, memory: Memory, x: Tensor) -> None:
        self.memory = memory
        answers = torch.zeros(len(memory), x.shape[1]).index_add_(0, memory.query_of_answer, x[memory.rows])
        self.answers = F.normalize(answers)

    def move(self, queries: Tensor, mix: float, temperature: float) -> Tensor:
        """Queries (Q, C) nearer to what answered the past queries near them."""
        near = (queries @ self.memory.queries.T).topk(min(NEIGHBORS, len(self.memory)))
        weights = (near.values / temperature).softmax(dim=1)
        pull = torch.einsum("qk,qkc->qc", weights, self.answers[near.indices])
        return F.normalize((1 - mix) * queries + mix * F.normalize(pull))
