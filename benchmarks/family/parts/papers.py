"""GCN and GAT as in their papers.

Accuracy in percent on the test nodes of the public split, mean and deviation over 10 seeds, with the papers' own
widths, dropout and optimiser. The epoch that is kept is as good as any before in accuracy and in loss on the dev nodes,
as the authors of GAT choose it. GCN: two layers, 16 channels, dropout 0.5, 200 epochs at 0.01, weight decay on the
first layer. GAT: 8 heads of 8 channels, then one head, dropout 0.6 on states and attention, up to 300 epochs at 0.005,
patience 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.nn import functional as F

from benchmarks.family.nodes import CITATIONS, Schedule, citations, train
from benchmarks.family.show import BLUE, markdown, spread
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.pyg import GCNConv
from graphlift.nn.pyg_attention import GATConv
from graphlift.nn.tasks import NodeClassifier

SEEDS = range(10)
PUBLISHED = {"GCN": {"Cora": 81.5, "CiteSeer": 70.3}, "GAT": {"Cora": 83.0, "CiteSeer": 72.5}}
SCHEDULES = {"GCN": Schedule(decay_first_only=True), "GAT": Schedule(lr=0.005, epochs=300, patience=100)}


def classifier(name: str, words: int, classes: int) -> NodeClassifier:
    """The network of the paper."""
    if name == "GCN":
        return NodeClassifier(GraphEncoder([GCNConv(words, 16), GCNConv(16, classes)], dropout=0.5))
    convs = [GATConv(words, 64, heads=8, dropout=0.6), GATConv(64, classes, heads=1, dropout=0.6)]
    return NodeClassifier(GraphEncoder(convs, activation=F.elu, dropout=0.6))


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Every seed of every network on every graph."""
    graphs = {name: citations(data, name) for name in CITATIONS}
    for name in PUBLISHED:
        for graph_name, graph in graphs.items():
            runs = results.setdefault(graph_name, {}).setdefault(name, [])
            for seed in SEEDS[len(runs) :]:
                build = partial(classifier, name, graph.x.shape[1], graph.num_classes)
                outcome = train(build, graph, SCHEDULES[name], seed)
                runs.append(round(100 * outcome.test, 2))
                yield f"{graph_name} {name} seed {seed}: {runs[-1]:.1f} ({outcome.epochs} epochs)"


def table(results: dict[str, Any]) -> str:
    """Published beside measured."""
    head = ["", *(f"{graph}, {which}" for graph in results for which in ("published", f"here, {len(SEEDS)} seeds"))]
    rows = [
        [name, *(cell for g, runs in results.items() for cell in (published[g], _counted(runs.get(name, []))))]
        for name, published in PUBLISHED.items()
    ]
    return markdown(head, rows)


def _counted(runs: list[float]) -> str:
    return spread(runs) + (f" ({len(runs)} so far)" if 0 < len(runs) < len(SEEDS) else "")


def draw(results: dict[str, Any], figure: Figure) -> None:
    """A dot for each seed, a line for what was published."""
    axes = figure.subplots()
    rows = [(g, name) for g in results for name in PUBLISHED]
    for y, (g, name) in enumerate(rows):
        runs = results[g].get(name, [])
        axes.plot(runs, [y] * len(runs), "o", color=BLUE, alpha=0.5, label="one seed" if y == 0 else None)
        axes.plot(PUBLISHED[name][g], y, "|", color="black", markersize=18, label="published" if y == 0 else None)
    axes.set_yticks(range(len(rows)), [f"{name}, {g}" for g, name in rows])
    axes.set_xlabel("accuracy on the test nodes, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
