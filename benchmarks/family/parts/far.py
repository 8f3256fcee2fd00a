"""Graph transformer: news from the other side of a ring

A synthetic task where only what is far away matters (after Bodnar et al., 2021, RingTransfer). One node of a ring knows
which of 5 classes it is; the node opposite must say so. All others carry noise. Two layers of 32 channels and 4 heads
on rings of 4 to 16 nodes, so that the news is 2 to 8 links away; 200 steps of 8 rings, Adam at 0.003. Accuracy in
percent on 200 other rings, one seed; 20 is guessing. "Local" is the transformer masked to neighbors.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.show import markdown
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.transformer import GraphTransformerConv
from graphlift.nn.family import member

SIZES, CLASSES, WIDTH, STEPS, BATCH, TESTED, SEEDS = (4, 8, 16), 5, 32, 200, 8, 200, range(1)
LAYERS = ("ruvector", "transformer", "transformer, local")


class Network(nn.Module):
    """Two layers with a residual path, and a classifier of the first node."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.embed = nn.Linear(CLASSES + 2, WIDTH)
        self.convs = nn.ModuleList(
            GraphTransformerConv(WIDTH, WIDTH, local=True) if "local" in name else member(name).build(WIDTH, WIDTH)
            for _ in range(2)
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor, neighbors: NeighborTable) -> Tensor:
        """Logits of the first nodes of B rings (B, n, features), (B, classes)."""
        shift = x.shape[1] * torch.arange(len(x)).view(-1, 1, 1)
        together = NeighborTable((neighbors.ids + shift).flatten(0, 1))
        state = self.embed(x)
        for conv in self.convs:
            if isinstance(conv, GraphTransformerConv) and not conv.local:  # it would hear other rings, too
                heard = torch.stack([conv(one, neighbors) for one in state])
            else:
                heard = conv(state.flatten(0, 1), together).view_as(state)
            state = state + F.relu(heard)
        return self.head(state[:, 0])


def rings(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Features (count, n, classes + 2) of the nodes, and the classes that the opposite nodes know, (count,)."""
    x = torch.randn(count, size, CLASSES + 2, generator=generator)
    x[..., CLASSES:] = 0
    labels = torch.randint(CLASSES, (count,), generator=generator)
    x[:, size // 2] = F.one_hot(labels, CLASSES + 2).float()
    x[:, 0, CLASSES], x[:, size // 2, CLASSES + 1] = 1, 1  # who asks, and who knows
    return x, labels


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each layer, size and seed."""
    for size in SIZES:
        places = torch.arange(size)
        table = NeighborTable(torch.stack([(places - 1) % size, (places + 1) % size], dim=1))
        for layer in LAYERS:
            runs = results.setdefault(layer, {}).setdefault(str(size), [])
            for seed in SEEDS[len(runs) :]:
                torch.manual_seed(seed)
                generator = torch.Generator().manual_seed(seed)
                model = fit(Network(layer), size, table, generator)
                runs.append(accuracy(model, size, table, generator))
                yield f"{layer}, {size} nodes, seed {seed}: {runs[-1]:.1f}"


def fit(model: Network, size: int, neighbors: NeighborTable, generator: torch.Generator) -> Network:
    """Cross entropy on fresh rings."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        x, labels = rings(BATCH, size, generator)
        loss = F.cross_entropy(model(x, neighbors), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def accuracy(model: Network, size: int, neighbors: NeighborTable, generator: torch.Generator) -> float:
    """Percent of fresh rings whose news arrived."""
    x, labels = rings(TESTED, size, generator)
    return 100 * float((model(x, neighbors).argmax(dim=1) == labels).float().mean())


def table(results: dict[str, Any]) -> str:
    """Accuracy by layer and size."""
    rows = [
        [layer, *(f"{fmean(runs):.0f}" if (runs := found.get(str(size))) else "-" for size in SIZES)]
        for layer, found in results.items()
    ]
    return markdown(["layer", *(f"{size} nodes" for size in SIZES)], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Accuracy over the way that the news has to go."""
    axes = figure.subplots()
    for layer, found in results.items():
        kept = {int(size): fmean(runs) for size, runs in found.items() if runs}
        axes.plot([size // 2 for size in kept], list(kept.values()), "o-", label=layer)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("links to go")
    axes.set_ylabel("accuracy, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
