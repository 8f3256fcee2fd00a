"""Adaptive heads: how many heads a layer needs.

Two RuvectorConv layers of 64 channels on Cora, in the network of `layers`, 500 epochs, over 2 seeds: 8 heads, 8 gated
heads at two prices with the closed ones cut out after training, and 1 head from the start. Accuracy in percent on the
test nodes, of the pruned network where heads are gated; the number of heads that are left in each layer; and nodes a
second of both layers without gradient, on one thread, on 10,000 nodes of 32 neighbors each.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks.family.nodes import Schedule, accuracy, citations, train
from benchmarks.family.show import dots, markdown, spread
from benchmarks.family.speed import random_graph, seconds
from graphlift.nn import RuvectorConv
from graphlift.nn.buckets import DegreeBuckets
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.experimental.adaptive_heads import AdaptiveHeadsConv
from graphlift.nn.tasks import NodeClassifier

SEEDS, WIDTH, NODES, SLOTS = range(2), 64, 10_000, 32
PRICES = (0.02, 0.2)
SCHEDULE = Schedule(epochs=500, patience=500)
LAYERS = {
    "8 heads": lambda: RuvectorConv(WIDTH, WIDTH, heads=8),
    **{f"8 gated, price {price:g}": partial(AdaptiveHeadsConv, WIDTH, WIDTH, heads=8, price=price) for price in PRICES},
    "1 head": lambda: RuvectorConv(WIDTH, WIDTH, heads=1),
}


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Every seed of every layer."""
    graph = citations(data, "Cora")
    x, neighbors = random_graph(NODES, SLOTS, WIDTH)
    for name, layer in LAYERS.items():
        runs = results.setdefault(name, [])
        for seed in SEEDS[len(runs) :]:
            built: list[NodeClassifier] = []

            def build(layer: Any = layer, built: list[NodeClassifier] = built) -> NodeClassifier:
                convs = [DegreeBuckets(layer()) for _ in range(2)]
                encoder = GraphEncoder(convs, project=nn.Linear(graph.x.shape[1], WIDTH), dropout=0.5)
                built.append(NodeClassifier(encoder, nn.Linear(WIDTH, graph.num_classes)))
                return built[-1]

            outcome = train(build, graph, SCHEDULE, seed)
            model = built[-1].eval()
            convs = [bucket.conv for bucket in model.encoder.convs]
            convs = [conv.pruned() if isinstance(conv, AdaptiveHeadsConv) else conv for conv in convs]
            model.encoder.convs = nn.ModuleList(DegreeBuckets(conv) for conv in convs)
            test = accuracy(model.classify(graph.x, graph.neighbors), graph.y, graph.test)
            with torch.inference_mode():
                taken = sum(seconds(lambda conv=conv: conv(x, neighbors)) for conv in convs)
            runs.append(
                {
                    "accuracy": round(100 * test, 2),
                    "kept epoch": round(100 * outcome.test, 2),
                    "heads": [conv.heads for conv in convs],
                    "nodes a second": round(NODES / taken),
                }
            )
            yield f"{name}, seed {seed}: {runs[-1]}"


def table(results: dict[str, Any]) -> str:
    """Quality, heads and speed."""
    rows = [
        [
            name,
            spread([run["accuracy"] for run in runs]),
            "; ".join(" + ".join(map(str, run["heads"])) for run in runs),
            f"{max((run['nodes a second'] for run in runs), default=0):,}",
        ]
        for name, runs in results.items()
    ]
    return markdown(["layers", "accuracy, last epoch", "heads left, a seed each", "nodes a second, best"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Accuracy and speed of every seed."""
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, {name: [run["accuracy"] for run in runs] for name, runs in results.items()}, "accuracy, %")
    speeds = {name: [run["nodes a second"] / 1000 for run in runs] for name, runs in results.items()}
    dots(right, speeds, "thousand nodes a second")
    left.invert_yaxis()  # both share it, and each turned it around
