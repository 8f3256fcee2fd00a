"""Links of Cora and CiteSeer predicted.

Area under the ROC curve in percent, mean and deviation over 2 random splits: a tenth of the links and as many pairs
that are not linked are tested, a twentieth is chosen on, the rest is the graph. All encoders have two layers of 32 and
16 channels and learn 200 epochs at 0.01, with as many random pairs as links an epoch; the epoch that is best on the
links to choose on is kept. `GAE` is the network of Kipf and Welling (2016), who report 91.0 and 89.5; in the others the
words are projected to 32 channels first. `words` compares the projected words of both ends, without a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.nodes import CITATIONS, citations
from benchmarks.family.show import dots, markdown, spread
from graphlift.data.planetoid import CitationGraph
from graphlift.graph import NeighborTable
from graphlift.nn.buckets import DegreeBuckets
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.family import CONVS, member
from graphlift.nn.pyg import GCNConv
from graphlift.nn.tasks import LinkPredictor

SEEDS, EPOCHS = range(2), 200
TEST_SHARE, DEV_SHARE = 0.1, 0.05
LAYERS = ("ruvector", "gcn", "gat", "sage-mean")


class Split(NamedTuple):
    """Who is linked with whom: in the graph, and among pairs to choose on and to test, half of them linked."""

    neighbors: NeighborTable
    train: Tensor
    dev: Tensor
    test: Tensor


def split(graph: CitationGraph, seed: int) -> Split:
    """Links dealt by seed."""
    generator = torch.Generator().manual_seed(seed)
    edges = graph.neighbors.edge_index
    links = edges[:, edges[0] < edges[1]]
    links = links[:, torch.randperm(links.shape[1], generator=generator)]
    num_test, num_dev = int(TEST_SHARE * links.shape[1]), int(DEV_SHARE * links.shape[1])
    test, dev, train = links[:, :num_test], links[:, num_test : num_test + num_dev], links[:, num_test + num_dev :]
    both = torch.cat([train, train.flip(0)], dim=1)
    nodes = len(graph.neighbors)
    pairs = torch.randint(nodes, (2, 4 * (num_test + num_dev)), generator=generator)
    linked = torch.isin(pairs[0] * nodes + pairs[1], edges[0] * nodes + edges[1])
    pairs = pairs[:, ~linked & (pairs[0] != pairs[1])]
    return Split(
        NeighborTable.from_edge_index(both, nodes),
        train,
        torch.cat([dev, pairs[:, :num_dev]], dim=1),
        torch.cat([test, pairs[:, num_dev : num_dev + num_test]], dim=1),
    )


def auc(scores: Tensor) -> float:
    """Share of (linked, not linked) pairs in the right order; the first half of the scores is of the linked."""
    linked, others = scores.chunk(2)
    below = torch.searchsorted(others.sort().values, linked.contiguous())
    return 100 * float(below.double().mean()) / len(others)


def encoder(name: str, words: int) -> GraphEncoder:
    """Two layers of 32 and 16 channels."""
    if name == "GAE":
        return GraphEncoder([GCNConv(words, 32), GCNConv(32, 16)])
    if name == "words":
        return GraphEncoder([], project=nn.Linear(words, 32), activation=lambda x: x)
    convs = [member(name).build(32, width, heads=4) for width in (32, 16)]
    convs = convs if CONVS[name].whole else [DegreeBuckets(conv) for conv in convs]
    return GraphEncoder(convs, project=nn.Linear(words, 32))


def train(build: Callable[[], GraphEncoder], graph: CitationGraph, links: Split, seed: int) -> float:
    """AUC on the tested pairs."""
    torch.manual_seed(seed)
    model = LinkPredictor(build())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    count = links.train.shape[1]
    y = torch.cat([torch.ones(count), torch.zeros(count)])
    best, best_test = 0.0, 0.0
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        pairs = torch.cat([links.train, torch.randint(len(graph.neighbors), (2, count))], dim=1)
        F.binary_cross_entropy_with_logits(model(graph.x, links.neighbors, pairs), y).backward()
        optimizer.step()
        judged = model.predict_links(graph.x, links.neighbors, torch.cat([links.dev, links.test], dim=1))
        dev, test = judged.split([links.dev.shape[1], links.test.shape[1]])
        if auc(dev) > best:
            best, best_test = auc(dev), auc(test)
    return best_test


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Every split of every encoder on every graph."""
    for graph_name in CITATIONS:
        graph = citations(data, graph_name)
        for name in ("GAE", *LAYERS, "words"):
            runs = results.setdefault(name, {}).setdefault(graph_name, [])
            for seed in SEEDS[len(runs) :]:
                build = partial(encoder, name, graph.x.shape[1])
                runs.append(round(train(build, graph, split(graph, seed), seed), 2))
                yield f"{graph_name} {name} split {seed}: {runs[-1]:.1f}"


def table(results: dict[str, Any]) -> str:
    """AUC of every encoder."""
    rows = [[f"`{name}`", *(spread(found.get(graph, [])) for graph in CITATIONS)] for name, found in results.items()]
    return markdown(["encoder", *CITATIONS], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """AUC of every split."""
    for axes, graph in zip(figure.subplots(1, 2, sharey=True), CITATIONS, strict=True):
        dots(axes, {name: found.get(graph, []) for name, found in results.items()}, f"{graph}: AUC, %")
