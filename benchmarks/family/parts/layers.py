"""The paper's table: every layer on Cora and CiteSeer, same budget.

Accuracy in percent on the test nodes of the public split, mean and deviation over 2 seeds. The same network around
every layer: words projected to 32 channels, two layers of 32 channels and 4 heads, a linear classifier; dropout 0.5,
Adam at 0.01 with decay 5e-4, at most 80 epochs, patience 30, of which one is kept as in `papers`. Nothing was tuned for
any layer. `none` has no layer: the words alone.

Cost is that of one layer of 64 channels without gradient, on one thread, on 10,000 nodes of 16 neighbors each; memory
is what a process of its own grows by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from benchmarks.family.nodes import CITATIONS, Schedule, citations, train
from benchmarks.family.show import dots, markdown, spread
from benchmarks.family.speed import CHANNELS, HEADS, cost
from graphlift.nn.buckets import DegreeBuckets
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.family import CONVS, member
from graphlift.nn.tasks import NodeClassifier

SEEDS, WIDTH, NUM_LAYERS = range(2), 32, 2
SCHEDULE = Schedule(epochs=80, patience=30)
NONE = "none"


def layer(name: str) -> nn.Module:
    """One layer of the network, computed for some degrees at a time where it can be."""
    conv = member(name).build(WIDTH, WIDTH, heads=HEADS)
    return conv if CONVS[name].whole else DegreeBuckets(conv)


def classifier(name: str, words: int, classes: int) -> NodeClassifier:
    """The network around a layer."""
    convs = [] if name == NONE else [layer(name) for _ in range(NUM_LAYERS)]
    encoder = GraphEncoder(convs, project=nn.Linear(words, WIDTH), dropout=0.5)
    return NodeClassifier(encoder, nn.Linear(WIDTH, classes))


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Costs first, then every seed of every layer on every graph."""
    for name in CONVS:
        kept = results.setdefault(name, {})
        if "cost" not in kept:
            kept["cost"] = cost(member(name).build(CHANNELS, CHANNELS, heads=HEADS))
            yield f"{name}: {kept['cost']}"
    graphs = {name: citations(data, name) for name in CITATIONS}
    for name in [*CONVS, NONE]:
        for graph_name, graph in graphs.items():
            runs = results.setdefault(name, {}).setdefault(graph_name, [])
            for seed in SEEDS[len(runs) :]:
                outcome = train(
                    lambda name=name, graph=graph: classifier(name, graph.x.shape[1], graph.num_classes),
                    graph,
                    SCHEDULE,
                    seed,
                )
                runs.append(round(100 * outcome.test, 2))
                yield f"{graph_name} {name} seed {seed}: {runs[-1]:.1f} ({outcome.seconds:.0f} s)"


def table(results: dict[str, Any]) -> str:
    """Quality and cost of every layer."""
    rows = []
    for name, found in results.items():
        paid = found.get("cost", {})
        costs = [f"{paid[key]:,}" if paid else "-" for key in ("parameters", "nodes a second", "megabytes")]
        rows.append([f"`{name}`", *(spread(found.get(graph, [])) for graph in CITATIONS), *costs])
    return markdown(["layer", *CITATIONS, "parameters", "nodes a second", "MB"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Accuracy of every seed."""
    figure.set_figheight(0.8 + 0.25 * len(results))
    for axes, graph in zip(figure.subplots(1, 2, sharey=True), CITATIONS, strict=True):
        dots(axes, {name: found.get(graph, []) for name, found in results.items()}, f"{graph}: accuracy, %")
