"""Layer skips: how deep a stack still learns.

Accuracy in percent on the test nodes of Cora, mean and deviation over 2 seeds, of stacks of 2 and 8 GCN layers: words
projected to 32 channels, layers of 32 channels, a linear classifier; dropout 0.5, Adam at 0.01 with decay 5e-4, 80
epochs, of which one is kept as in `papers`. `none` is the plain stack; the others are the skips of `GraphEncoder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from matplotlib.figure import Figure
from torch import nn

from benchmarks.family.nodes import Schedule, citations, train
from benchmarks.family.show import markdown, spread
from graphlift.nn.encoder import GraphEncoder, Skip
from graphlift.nn.pyg import GCNConv
from graphlift.nn.tasks import NodeClassifier

SEEDS, WIDTH, DEPTHS, SKIPS = range(2), 32, (2, 8), get_args(Skip)


def classifier(skip: Skip, depth: int, words: int, classes: int) -> NodeClassifier:
    """The stack."""
    convs = [GCNConv(WIDTH, WIDTH) for _ in range(depth)]
    encoder = GraphEncoder(convs, project=nn.Linear(words, WIDTH), dropout=0.5, skip=skip)
    return NodeClassifier(encoder, nn.Linear(WIDTH, classes))


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Every seed of every depth of every skip."""
    graph = citations(data, "Cora")
    for skip in SKIPS:
        for depth in DEPTHS:
            runs = results.setdefault(skip, {}).setdefault(str(depth), [])
            for seed in SEEDS[len(runs) :]:
                outcome = train(
                    lambda skip=skip, depth=depth: classifier(skip, depth, graph.x.shape[1], graph.num_classes),
                    graph,
                    Schedule(epochs=80),
                    seed,
                )
                runs.append(round(100 * outcome.test, 2))
                yield f"{skip}, {depth} layers, seed {seed}: {runs[-1]:.1f} ({outcome.seconds:.0f} s)"


def table(results: dict[str, Any]) -> str:
    """Accuracy by skip and depth."""
    rows = [[f"`{skip}`", *(spread(found.get(str(d), [])) for d in DEPTHS)] for skip, found in results.items()]
    return markdown(["skip", *(f"{depth} layers" for depth in DEPTHS)], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Mean accuracy over depth."""
    axes = figure.subplots()
    for skip, found in results.items():
        axes.plot([int(d) for d in found], [fmean(runs) for runs in found.values() if runs], "o-", label=skip)
    axes.set_xticks(DEPTHS)
    axes.set_xlabel("GCN layers")
    axes.set_ylabel("accuracy on Cora, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
