"""Indexes and lifts whose content does not matter, for what costs the same on any vectors and any links."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from graphlift import HnswIndex, Memory, ModelConfig
from graphlift.graph import HnswGraph, Level
from graphlift.index import Ids
from graphlift.lifted import LiftedIndex
from graphlift.metric import Metric
from graphlift.model import LiftModel
from graphlift.search.axes import axes_of_sketches
from graphlift.search.similarity import Similarity

M = 16
PAST = 2000
"""Past queries in the memory of a lift that is made up."""


def random_graph(nodes: int, seed: int = 0) -> HnswGraph:
    """Levels as thin as HNSW draws them, full of links to random nodes of the level."""
    rng = np.random.default_rng(seed)
    levels, reach = [], np.arange(nodes, dtype=np.int32)
    while len(reach) > 1 or not levels:
        width = M if levels else 2 * M
        places = np.arange(len(reach))[:, None] + rng.integers(1, max(len(reach), 2), (len(reach), width))
        levels.append(Level(reach, reach[places % len(reach)]))  # shifted by 1 or more: no node links to itself
        reach = np.sort(rng.choice(reach, len(reach) // M, replace=False))
    return HnswGraph(tuple(levels), entry_point=int(levels[-1].nodes[0]))


def random_index(nodes: int, channels: int, seed: int = 0) -> HnswIndex:
    """Random unit vectors under random links: it loads, lifts and writes as a real one, and finds nothing."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.empty(nodes, channels)
    for chunk in x.split(65536):  # in place, so that a measurement of memory sees no more than the vectors
        F.normalize(chunk.normal_(generator=generator), dim=1, out=chunk)
    settings = {"M": M, "ef_construction": 200, "ef_search": 64}
    return HnswIndex.from_graph(x.numpy(), random_graph(nodes, seed), Ids.counted(nodes), Metric.COSINE, **settings)


def random_model(index: HnswIndex, seed: int = 0) -> LiftModel:
    """A model with maps that move every vector a little."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        similarity = Similarity.of(index.metric, index.x)
        model = LiftModel(index.channels, similarity, ModelConfig(), axes_of_sketches(index.x, similarity)).eval()
        for linear in (model.query_map.lin, model.document_map.lin):
            torch.nn.init.normal_(linear.weight, std=0.1 / index.channels**0.5)
    return model


def small(lifted: LiftedIndex) -> LiftedIndex:
    """The same lift with `ModelConfig.small`, for which its ranker was not trained: only speed can be measured."""
    before = lifted.model
    model = LiftModel(before.channels, before.similarity, ModelConfig.small()).eval()
    model.load_state_dict(before.state_dict(), strict=False)  # but for what a shortlist adds
    return LiftedIndex(lifted.index, model, lifted.memory, lifted.walk_index, lifted.past)


def random_lift(index: HnswIndex, seed: int = 0, past: int = PAST) -> LiftedIndex:
    """A lift that no one trained, with a memory of some of the documents, a little moved."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(index), generator=generator)[:past]
    noise = torch.randn(len(rows), index.channels, generator=generator) / index.channels**0.5
    queries = F.normalize(index.x[rows] + noise, dim=1)
    return LiftedIndex(index, random_model(index, seed), Memory.of(queries, [{row: 1.0} for row in rows.tolist()]))
