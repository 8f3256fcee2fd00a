"""Sparse attention: local and global.

One layer of 64 channels and 4 heads without gradient, on one thread. Nodes have 16 neighbors; the tokens are 64 nodes.
`neighbors` is RuvectorConv, `neighbors and tokens` LocalGlobalConv, `all` is torch's attention of every node to every
node. Milliseconds a call, by the number of nodes N.

Receptive field: how many nodes of an HNSW index (M = 8, 2,000 of the documents of clinc150, the nodes above the bottom
level as tokens) a node's output depends on, mean over 5 nodes, after one and two layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.show import markdown
from benchmarks.family.speed import random_graph, seconds
from graphlift.data import read_vectors
from graphlift.graph import NeighborTable
from graphlift.index import HnswIndex
from graphlift.nn import RuvectorConv
from graphlift.nn.experimental.local_global import LocalGlobalConv

CHANNELS, HEADS, SLOTS, TOKENS = 64, 4, 16, 64
SIZES = (1_000, 2_000, 4_000, 8_000, 16_000)
MOST_FOR_ALL = 8_000
DOCUMENTS, SAMPLE = 2_000, 5


class _All(nn.Module):
    """Every node listens to every node."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.lin_out = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor, neighbors: NeighborTable) -> Tensor:
        query, key, value = self.lin(x).unflatten(1, (3, HEADS, -1)).permute(1, 2, 0, 3).unsqueeze(1)
        return self.lin_out(F.scaled_dot_product_attention(query, key, value)[0].transpose(0, 1).flatten(1))


class _WithTokens(nn.Module):
    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.conv, self.tokens = LocalGlobalConv(CHANNELS, CHANNELS, HEADS), tokens

    def forward(self, x: Tensor, neighbors: NeighborTable) -> Tensor:
        return self.conv(x, neighbors, tokens=self.tokens)


def layers(tokens: Tensor) -> dict[str, nn.Module]:
    """What is compared."""
    local = RuvectorConv(CHANNELS, CHANNELS, HEADS)
    return {"neighbors": local, "neighbors and tokens": _WithTokens(tokens), "all": _All()}


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Times, then receptive fields."""
    torch.manual_seed(0)
    times = results.setdefault("milliseconds", {})
    for nodes in SIZES:
        x, neighbors = random_graph(nodes, SLOTS, CHANNELS)
        for name, conv in layers(torch.arange(TOKENS)).items():
            kept = times.setdefault(name, {})
            if str(nodes) in kept or (name == "all" and nodes > MOST_FOR_ALL):
                continue
            with torch.inference_mode():
                kept[str(nodes)] = round(1000 * seconds(partial(conv, x, neighbors), repeats=3), 1)
            yield f"{name}, {nodes} nodes: {kept[str(nodes)]} ms"
    if "receptive field" in results:
        return
    index = HnswIndex.build(read_vectors(data / "clinc150" / "corpus_emb.npy")[:DOCUMENTS], M=8)
    tokens = torch.from_numpy(index.graph.levels[1].nodes).long()
    fields = {
        name: [field(conv, index.graph.neighbors, depth) for depth in (1, 2)] for name, conv in layers(tokens).items()
    }
    results["receptive field"] = {"tokens": len(tokens), "nodes": DOCUMENTS, "fields": fields}
    yield f"receptive field of one and two layers: {fields}"


def field(conv: nn.Module, neighbors: NeighborTable, depth: int) -> float:
    """How many nodes a node depends on, mean over some nodes."""
    counts = []
    for node in torch.linspace(0, DOCUMENTS - 1, SAMPLE).long().tolist():
        x = torch.randn(DOCUMENTS, CHANNELS, requires_grad=True)
        out = x
        for _ in range(depth):
            out = conv(out, neighbors)
        [gradient] = torch.autograd.grad((out[node] * torch.randn(CHANNELS)).sum(), x)
        counts.append(int(gradient.any(dim=1).sum()))
    return sum(counts) / len(counts)


def table(results: dict[str, Any]) -> str:
    """Times and fields."""
    times = results.get("milliseconds", {})
    text = markdown(
        ["listens to", *(f"N = {n:,}" for n in SIZES)],
        [[name, *(kept.get(str(n), "-") for n in SIZES)] for name, kept in times.items()],
    )
    if "receptive field" not in results:
        return text
    found = results["receptive field"]
    rows = [[name, *values] for name, values in found["fields"].items()]
    head = ["listens to", f"nodes of {found['nodes']:,} after one layer", "after two"]
    return f"{text}\n\nWith {found['tokens']} tokens:\n\n{markdown(head, rows)}"


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Time over N."""
    axes = figure.subplots()
    for name, kept in results.get("milliseconds", {}).items():
        axes.loglog([int(n) for n in kept], list(kept.values()), "o-", label=name)
    axes.set_xlabel("nodes")
    axes.set_ylabel("milliseconds")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
