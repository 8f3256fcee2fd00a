"""Hyperbolic: the mammals of WordNet in few dimensions

Every pair (mammal, hypernym) of the transitive closure is a link; nodes become points, and a node's links are to be
read off its nearest points (reconstruction, after Nickel and Kiela, 2017). The loss is the softmax of a link's
negative distance against 50 random nodes that are not linked. Adam on both sides, Riemannian on the ball, each
geometry at the learning rate that was best for it in 5 dimensions among 0.01, 0.03, 0.1 and 0.3. MAP over the nodes
that have a hypernym, mean of 2 seeds. "Walk" is the share of the ten nearest points that an HNSW walk by inner product
finds, after `ball.as_inner_product`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from benchmarks.family.show import markdown
from graphlift import HnswIndex
from graphlift.errors import require
from graphlift.metric import Metric
from graphlift.nn.experimental import ball

DIMS = (2, 5, 10, 20)
SEEDS = range(2)
RATES = {"Poincaré": 0.1, "Euclid": 0.3, "Euclid, squared": 0.1}
EPOCHS, BATCH, NEGATIVES = 60, 256, 50
CURVATURE = torch.tensor(1.0, dtype=torch.float64)
DISTANCES = {
    "Poincaré": lambda a, b: ball.dist(a, b, CURVATURE),
    "Euclid": lambda a, b: (a - b).norm(dim=-1),
    "Euclid, squared": lambda a, b: (a - b).square().sum(dim=-1),
}


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each geometry, width and seed."""
    links, count = read_links(data / "wordnet" / "mammal_closure.tsv")
    for channels in DIMS:
        for geometry, rate in RATES.items():
            for seed in SEEDS:
                name = f"{geometry}|{channels}|{seed}"
                if name in results:
                    continue
                points = embed(links, count, geometry, channels, rate, seed)
                results[name] = scores(points, links, DISTANCES[geometry])
                if geometry == "Poincaré":
                    results[name]["walk"] = walk_recall(points)
                yield f"{name}: MAP {results[name]['map']:.3f}, mean rank {results[name]['rank']:.1f}"


def read_links(path: Path) -> tuple[Tensor, int]:
    """Pairs (node, hypernym) as numbers (E, 2), and the number of nodes."""
    pairs = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [(a, b) for a, b in pairs if a != b]
    number = {name: i for i, name in enumerate(sorted({name for pair in pairs for name in pair}))}
    return torch.tensor([[number[a], number[b]] for a, b in pairs]), len(number)


def embed(links: Tensor, count: int, geometry: str, channels: int, rate: float, seed: int) -> Tensor:
    """Points of all nodes, (N, C)."""
    geoopt = require("geoopt", extra="hyperbolic")
    generator = torch.Generator().manual_seed(seed)
    first = 1e-3 * torch.randn(count, channels, dtype=torch.float64, generator=generator)
    points = torch.nn.Parameter(first)
    if geometry == "Poincaré":
        points = geoopt.ManifoldParameter(first, manifold=geoopt.PoincareBall(c=1.0))
    optimizer = geoopt.optim.RiemannianAdam([points], lr=rate)
    linked = torch.zeros(count, count, dtype=torch.bool)
    linked[links[:, 0], links[:, 1]] = True
    linked.fill_diagonal_(True)
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:  # a slow start settles the angles before points move out
            group["lr"] = rate * (0.1 if epoch < 10 else 1 - 0.9 * epoch / EPOCHS)
        for batch in torch.randperm(len(links), generator=generator).split(BATCH):
            node, hypernym = links[batch].T
            others = torch.randint(count, (len(batch), NEGATIVES), generator=generator)
            apart = DISTANCES[geometry](points[node].unsqueeze(1), points[torch.cat([hypernym[:, None], others], 1)])
            logits = -apart
            wrong = linked[node.unsqueeze(1), others]
            logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(wrong, -torch.inf)], dim=1)
            loss = F.cross_entropy(logits, torch.zeros(len(batch), dtype=torch.int64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return points.detach().as_subclass(Tensor)


def scores(points: Tensor, links: Tensor, distance: Any) -> dict[str, float]:
    """Mean average precision, and mean rank of a link among the nodes that are not linked."""
    precisions, ranks = [], []
    for node in links[:, 0].unique():
        apart = distance(points[node], points)
        apart[node] = torch.inf
        relevant = torch.zeros(len(points), dtype=torch.bool)
        relevant[links[links[:, 0] == node, 1]] = True
        hit = relevant[apart.argsort()]
        place = hit.nonzero().squeeze(1) + 1.0
        found = torch.arange(1, len(place) + 1)
        precisions.append((found / place).mean())
        ranks.append(place - found + 1)
    return {"map": float(torch.stack(precisions).mean()), "rank": float(torch.cat(ranks).mean())}


def walk_recall(points: Tensor) -> float:
    """Share of the ten nearest points that a walk finds."""
    documents, queries = (part.float().numpy() for part in ball.as_inner_product(points, CURVATURE))
    links = HnswIndex.build(points.float().numpy(), metric="l2")
    sizes = {"M": links.M, "ef_construction": links.ef_construction, "ef_search": 64}
    index = HnswIndex.from_graph(documents, links.graph, links.ids, Metric.INNER_PRODUCT, **sizes)
    found = torch.from_numpy(index.search(queries, k=10).ids)
    true = ball.dist(points.unsqueeze(1), points, CURVATURE).topk(10, largest=False).indices
    return float((found.unsqueeze(2) == true.unsqueeze(1)).any(dim=2).double().mean())


def means(results: dict[str, Any]) -> dict[tuple[int, str], dict[str, float]]:
    """Means over seeds, by width and geometry."""
    runs: dict[tuple[int, str], list[dict[str, float]]] = {}
    for name, values in results.items():
        geometry, channels, _ = name.split("|")
        runs.setdefault((int(channels), geometry), []).append(values)
    return {key: {m: float(np.mean([run[m] for run in group])) for m in group[0]} for key, group in runs.items()}


def table(results: dict[str, Any]) -> str:
    """A line for each width and geometry."""
    rows = [
        [channels, geometry, f"{v['map']:.3f}", f"{v['rank']:.1f}", f"{v['walk']:.3f}" if "walk" in v else "-"]
        for (channels, geometry), v in sorted(means(results).items())
    ]
    return markdown(["dimensions", "geometry", "MAP", "mean rank", "walk"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """MAP by width, a line for each geometry."""
    axes, found = figure.subplots(), means(results)
    for geometry in RATES:
        dims = sorted(channels for channels, name in found if name == geometry)
        axes.plot(dims, [found[channels, geometry]["map"] for channels in dims], "o-", label=geometry)
    axes.set_xscale("log")
    axes.set_xticks(DIMS, [str(channels) for channels in DIMS])
    axes.set_xlabel("dimensions")
    axes.set_ylabel("MAP of reconstruction")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
