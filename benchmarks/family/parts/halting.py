"""Adaptive depth: quality for computation

Cora, 16 links a node at most, words projected to 32 channels, one `AdaptiveDepthConv` of 32 channels and up to 4
steps, a linear classifier; dropout 0.5, Adam at 0.01 with decay 5e-4, 60 epochs, the epoch that is best on the dev
nodes. The weight of the mean number of steps in the loss goes from 0 to 0.3. The rivals repeat the same layer a fixed
number of times for every node. Accuracy in percent on the test nodes, one seed; cost is in
evaluations of the layer a node.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from benchmarks.family.nodes import accuracy, citations
from benchmarks.family.show import markdown, spread
from graphlift.data.planetoid import CitationGraph
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.halting import AdaptiveDepthConv

WEIGHTS, DEPTHS, SEEDS, EPOCHS, WIDTH, MAX_LINKS = (0.0, 0.03, 0.3), (1, 2, 4), range(1), 60, 32, 16
ALWAYS = -100.0
"""A bias of the halting unit that never lets a node halt before the last step."""


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each setting and seed."""
    graph = citations(data, "Cora")
    neighbors = NeighborTable(graph.neighbors.ids[:, :MAX_LINKS])
    settings = [("fixed", depth) for depth in DEPTHS] + [("adaptive", weight) for weight in WEIGHTS]
    for kind, setting in settings:
        runs = results.setdefault(f"{kind}|{setting}", [])
        for seed in SEEDS[len(runs) :]:
            torch.manual_seed(seed)
            conv = AdaptiveDepthConv(WIDTH, WIDTH, max_steps=int(setting) if kind == "fixed" else max(DEPTHS))
            if kind == "fixed":
                conv.lin_halt.bias.data.fill_(ALWAYS)
            runs.append(run(conv, graph, neighbors, setting if kind == "adaptive" else 0.0))
            yield f"{kind} {setting}, seed {seed}: {runs[-1]}"


def run(conv: AdaptiveDepthConv, graph: CitationGraph, neighbors: NeighborTable, weight: float) -> dict[str, float]:
    """Train once: test accuracy and evaluations a node at the best epoch on dev."""
    embed, head = nn.Linear(graph.x.shape[1], WIDTH), nn.Linear(WIDTH, graph.num_classes)
    optimizer = torch.optim.Adam([p for m in (embed, conv, head) for p in m.parameters()], lr=0.01, weight_decay=5e-4)
    best, computed = {"dev": 0.0}, []
    conv.conv.register_forward_hook(lambda *call: computed.append(len(call[2])))
    for _ in range(EPOCHS):
        state = F.dropout(F.relu(embed(graph.x)), 0.5)
        out, ponder = conv.halt(state, neighbors)
        loss = F.cross_entropy(head(out)[graph.train], graph.y[graph.train]) + weight * ponder.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        computed.clear()
        with torch.no_grad():
            logits = head(conv(F.relu(embed(graph.x)), neighbors))
        dev = accuracy(logits, graph.y, graph.dev)
        if dev > best["dev"]:
            test = 100 * accuracy(logits, graph.y, graph.test)
            best = {"dev": dev, "test": test, "cost": sum(computed) / len(graph.y)}
    return best


def table(results: dict[str, Any]) -> str:
    """A line for each setting."""
    rows = []
    for name, runs in results.items():
        kind, setting = name.split("|")
        label = f"{setting} steps" if kind == "fixed" else f"adaptive, weight {setting}"
        if runs:
            rows.append([label, spread([run["test"] for run in runs]), f"{fmean(run['cost'] for run in runs):.2f}"])
    return markdown(["depth", "accuracy", "evaluations a node"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Accuracy over cost, adaptive and fixed."""
    axes = figure.subplots()
    for kind in ("fixed", "adaptive"):
        groups = [runs for name, runs in results.items() if name.startswith(kind) and runs]
        points = sorted((fmean(r["cost"] for r in runs), fmean(r["test"] for r in runs)) for runs in groups)
        axes.plot(*zip(*points, strict=True) if points else ([], []), "o-", label=kind)
    axes.set_xlabel("evaluations of the layer a node")
    axes.set_ylabel("accuracy on Cora, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
