"""Intents of clinc150 as classes of nodes, and what edge attributes add.

Accuracy in percent, mean and deviation over 2 seeds. Nodes are utterances with their frozen vectors: 20 documents of
each of the 150 intents, of which 5 are labelled; 1,500 training queries to choose the epoch on; 1,500 test queries to
judge. Links are those of an HNSW index of all of them (M = 8), all levels, with the attributes of `hnsw_links`. The
network: vectors projected to 64 channels, one layer of 64 channels and 4 heads, a linear classifier; dropout 0.3, Adam
at 0.01 with decay 5e-4, 40 epochs, of which one is kept as in `papers`. `none` has no layer: the vectors alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.family.nodes import Schedule, train
from benchmarks.family.show import dots, markdown, spread
from graphlift import HnswIndex
from graphlift.data import read_collection, read_vectors
from graphlift.data.planetoid import CitationGraph
from graphlift.nn.buckets import DegreeBuckets
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.family import CONVS, member
from graphlift.nn.tasks import NodeClassifier
from graphlift.search.hnsw_links import LINK_ATTRS, hnsw_links
from graphlift.search.similarity import Similarity

SEEDS, WIDTH, HEADS, SCHEDULE = range(2), 64, 4, Schedule(epochs=40)
DOCUMENTS, LABELLED, QUERIES = 20, 5, 1500
NONE = "none"


class Kind(NamedTuple):
    """A layer, and which attributes it is given."""

    conv: str
    attrs: tuple[str, ...] = ()


KINDS = {
    NONE: None,
    **{name: Kind(name) for name in ("gcn", "sage-mean", "gat", "ruvector")},
    **{f"ruvector, {attr}": Kind("ruvector", (attr,)) for attr in LINK_ATTRS},
    "ruvector, all attributes": Kind("ruvector", LINK_ATTRS),
    "gat, all attributes": Kind("gat", LINK_ATTRS),
    "transformer-conv": Kind("transformer-conv"),
    "transformer-conv, all attributes": Kind("transformer-conv", LINK_ATTRS),
}


def utterances(folder: Path) -> tuple[CitationGraph, Tensor]:
    """The graph, in the form of a citation graph, and the attributes of its links."""
    collection = read_collection(folder)
    row_of = {document: row for row, document in enumerate(collection.corpus.ids)}
    vectors, queries = (read_vectors(folder / f"{part}_emb.npy") for part in ("corpus", "queries"))
    first_of = {
        query: min(row_of[d] for d in answers) for query, answers in (collection.train | collection.test).items()
    }
    names = sorted(set(first_of.values()))  # an intent is the set of documents that share it; the first names it
    members: dict[int, list[int]] = {}
    for query, answers in collection.test.items():
        members.setdefault(first_of[query], sorted(row_of[d] for d in answers)[:DOCUMENTS])
    documents = [row for name in names for row in members[name]]
    place = {query: row for row, query in enumerate(collection.queries.ids)}
    asked = [list(some)[:: len(some) // QUERIES][:QUERIES] for some in (collection.train, collection.test)]
    y = [names.index(name) for name in names for _ in members[name]]
    y += [names.index(first_of[query]) for some in asked for query in some]
    x = np.concatenate([vectors[documents], *(queries[[place[query] for query in some]] for some in asked)])
    index = HnswIndex.build(x, M=8)
    neighbors, attr = hnsw_links(index.graph, index.x, Similarity.of(index.metric, index.x))
    labelled = (torch.arange(len(documents)) % DOCUMENTS < LABELLED).nonzero().flatten()
    dev, test = (len(documents) + start + torch.arange(QUERIES) for start in (0, QUERIES))
    return CitationGraph(index.x, neighbors, torch.tensor(y), labelled, dev, test), attr


def classifier(kind: Kind | None, channels: int, classes: int) -> NodeClassifier:
    """The network around a layer."""
    convs = []
    if kind is not None:
        conv = member(kind.conv).build(WIDTH, WIDTH, HEADS, edge_dim=len(kind.attrs) or None)
        convs = [conv if CONVS[kind.conv].whole else DegreeBuckets(conv)]
    encoder = GraphEncoder(convs, project=nn.Linear(channels, WIDTH), dropout=0.3)
    return NodeClassifier(encoder, nn.Linear(WIDTH, classes))


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """Every seed of every kind of layer."""
    if all(len(results.get(name, [])) == len(SEEDS) for name in KINDS):
        return
    graph, attr = utterances(data / "clinc150")
    for name, kind in KINDS.items():
        runs = results.setdefault(name, [])
        columns = [LINK_ATTRS.index(known) for known in kind.attrs] if kind else []
        edges = (None, attr[..., columns] if columns else None)
        for seed in SEEDS[len(runs) :]:
            build = partial(classifier, kind, graph.x.shape[1], graph.num_classes)
            outcome = train(build, graph, SCHEDULE, seed, edges)
            runs.append(round(100 * outcome.test, 2))
            yield f"{name}, seed {seed}: {runs[-1]:.1f} ({outcome.seconds:.0f} s)"


def table(results: dict[str, Any]) -> str:
    """Accuracy of every kind of layer."""
    return markdown(["layer, attributes", "accuracy"], [[name, spread(runs)] for name, runs in results.items()])


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Accuracy of every seed."""
    dots(figure.subplots(), results, "accuracy on test queries, %")
