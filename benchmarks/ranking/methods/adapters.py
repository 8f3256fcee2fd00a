"""Embedding adapters: small networks on the vectors, trained by contrast with the other answers of a batch.

The first two have the mathematics of LlamaIndex's `EmbeddingAdapterFinetuneEngine` (a linear or two-layer network on
the query, multiple-negatives ranking loss with scale 20), whose package embeds texts itself and so cannot run on given
vectors. The third moves documents too, with a pull to identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.ranking.measure import dev_score, top_rows
from benchmarks.ranking.methods.served import Moved, Served
from benchmarks.ranking.task import Task
from graphlift import Memory
from graphlift.sampling import sample_pairs

EPOCHS, BATCH, SCALE, ANSWERS = 20, 256, 20.0, 4


class Linear(nn.Module):
    """A square matrix that starts as identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.move = nn.Linear(channels, channels, bias=False)
        nn.init.zeros_(self.move.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x + self.move(x), dim=1)


class TwoLayer(nn.Module):
    """A hidden layer of 512 units, added to its input, that starts as identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(channels, 512), nn.Linear(512, channels)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x + self.second(F.relu(self.first(x))), dim=1)


def linear(task: Task, seed: int) -> Served:
    """On the query; learning rate and epoch chosen on dev."""
    return _tuned(task, seed, Linear, nn.Identity, pulls=[0.0])


def two_layer(task: Task, seed: int) -> Served:
    """On the query; learning rate and epoch chosen on dev."""
    return _tuned(task, seed, TwoLayer, nn.Identity, pulls=[0.0])


def both_sides(task: Task, seed: int) -> Served:
    """On queries and documents; learning rate, pull to identity and epoch chosen on dev."""
    return _tuned(task, seed, Linear, Linear, pulls=[0.0, 0.3])


def _tuned(task: Task, seed: int, query_map: type, document_map: type, pulls: Iterable[float]) -> Served:
    train, dev = task.split(seed)
    best = (-1.0, None)
    for lr in (3e-4, 1e-3):
        for pull in pulls:
            torch.manual_seed(seed)
            maps = nn.ModuleList([query_map(task.x.shape[1]), document_map(task.x.shape[1])])
            best = max(best, _train(maps, task, train, dev, lr, pull, seed), key=lambda found: found[0])
    with torch.no_grad():
        return Moved(best[1][0], best[1][1](task.x))


def _train(
    maps: nn.ModuleList, task: Task, train: Memory, dev: Memory, lr: float, pull: float, seed: int
) -> tuple[float, nn.ModuleList]:
    """The best epoch's score on dev, and its maps."""
    generator = torch.Generator().manual_seed(seed)
    batch = BATCH if len(train.rows) >= 1000 else BATCH // 2
    optimizer = torch.optim.AdamW(maps.parameters(), lr=lr, weight_decay=pull)
    best = (-1.0, maps)
    for _ in range(EPOCHS):
        for pairs in sample_pairs(train, ANSWERS, generator).split(batch):
            query, row = pairs.unbind(dim=1)
            scores = SCALE * maps[0](train.queries[query]) @ maps[1](task.x[row]).T
            false = train.holds_each(query, row) & ~torch.eye(len(row), dtype=torch.bool)
            loss = F.cross_entropy(scores.masked_fill(false, -torch.inf), torch.arange(len(row)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            score = dev_score(top_rows(maps[0](dev.queries), maps[1](task.x), 10), dev)
        if score > best[0]:
            best = (score, deepcopy(maps))
    return best
