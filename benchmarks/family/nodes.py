"""Training a classifier of nodes on a whole graph, as every part does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.data.planetoid import CitationGraph, read_planetoid
from graphlift.nn.tasks import NodeClassifier

CITATIONS = {"Cora": "cora", "CiteSeer": "citeseer"}


@dataclass(frozen=True)
class Schedule:
    """Adam on all nodes at once, and which epoch is kept, as the authors of GAT do it.

    Dev accuracy and dev loss are watched. An epoch that is as good as any before in both is kept; training ends after
    ``patience`` epochs that are best in neither.
    """

    lr: float = 0.01
    weight_decay: float = 5e-4
    epochs: int = 200
    patience: int = 100
    decay_first_only: bool = False  # the papers' own way, for GCN


@dataclass(frozen=True)
class Outcome:
    """Accuracies at the kept epoch, and what it took."""

    dev: float
    test: float
    epochs: int
    seconds: float


def citations(data: Path, name: str) -> CitationGraph:
    """One of `CITATIONS`."""
    return read_planetoid(data / "planetoid" / name / "raw", CITATIONS[name])


def train(
    build: Callable[[], NodeClassifier],
    graph: CitationGraph,
    schedule: Schedule,
    seed: int,
    edges: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Outcome:
    """Train one classifier from one seed; ``edges`` are the weights and attributes of links."""
    torch.manual_seed(seed)
    model = build()
    parts = list(model.encoder.convs.children())
    decayed = list(parts[0].parameters()) if schedule.decay_first_only else list(model.parameters())
    ids = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in model.parameters() if id(parameter) not in ids]
    groups = [{"params": decayed, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.Adam(groups, lr=schedule.lr)
    best_accuracy, best_loss, kept, since, epochs, started = 0.0, float("inf"), (0.0, 0.0), 0, 0, time.perf_counter()
    while epochs < schedule.epochs and since < schedule.patience:
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(graph.x, graph.neighbors, *edges)[graph.train], graph.y[graph.train]).backward()
        optimizer.step()
        logits = model.classify(graph.x, graph.neighbors, *edges).log()
        loss = float(F.nll_loss(logits[graph.dev], graph.y[graph.dev]))
        dev = accuracy(logits, graph.y, graph.dev)
        if dev >= best_accuracy and loss <= best_loss:
            kept = dev, accuracy(logits, graph.y, graph.test)
        since = 0 if dev >= best_accuracy or loss <= best_loss else since + 1
        best_accuracy, best_loss, epochs = max(dev, best_accuracy), min(loss, best_loss), epochs + 1
    return Outcome(*kept, epochs, time.perf_counter() - started)


def accuracy(logits: Tensor, y: Tensor, nodes: Tensor) -> float:
    """Share of the nodes whose likeliest class is theirs."""
    return float((logits[nodes].argmax(dim=1) == y[nodes]).float().mean())
