"""Graph layers over the index's own links, without what graphlift adds: no identity at birth, no memory, no ranker.

A document listens to its links in the frozen index, a query to the documents nearest to it there, both through one
layer of random birth, trained by contrast. The first layer is the paper's as it stands, which takes distances for edge
weights, as its original does; the others stand in its place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.ranking.measure import dev_score
from benchmarks.ranking.methods.served import Moved, Served
from benchmarks.ranking.task import Task
from graphlift import Memory
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.conv import RuvectorConv
from graphlift.sampling import RandomNegatives, sample_pairs

with warnings.catch_warnings():  # torch deprecates a decorator that PyG uses
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import GATConv, GCNConv, SAGEConv

LINKS, BATCH, NEGATIVES, STEPS, EVALUATIONS, SCALE, HEADS, ANSWERS = 16, 256, 512, 200, 10, 20.0, 4, 4


class Star(NamedTuple):
    """Nodes and what they listen to: targets (n, C), sources (S, C), and for each target its sources (n, d)."""

    targets: Tensor
    sources: Tensor
    links: Tensor

    @property
    def edge_index(self) -> Tensor:
        """Source over target, (2, E)."""
        target, slot = (self.links != EMPTY).nonzero().unbind(dim=1)
        return torch.stack([self.links[target, slot], target])


def ruvector(task: Task, seed: int) -> Served:
    """The paper's layer; learning rate and step chosen on dev."""

    def apply(layer: nn.Module, star: Star) -> Tensor:
        near = torch.einsum("nc,ndc->nd", star.targets, F.embedding(star.links.clamp(min=0), star.sources))
        table = NeighborTable(star.links, num_sources=len(star.sources))
        return layer((star.sources, star.targets), table, edge_weight=(1 - near).clamp(min=0))

    return _tuned(task, seed, lambda c: RuvectorConv(c, c, HEADS), apply)


def gcn(task: Task, seed: int) -> Served:
    """GCN (Kipf & Welling, 2017) in its place; all nodes have as many links, so its normalisation is a mean."""

    def apply(layer: nn.Module, star: Star) -> Tensor:
        nodes, edges = _with_self(star)
        weight = torch.full((edges.shape[1],), 1 / (star.links.shape[1] + 1))
        return layer(nodes, edges, weight)[: len(star.targets)]

    return _tuned(task, seed, lambda c: GCNConv(c, c, normalize=False, add_self_loops=False), apply)


def gat(task: Task, seed: int) -> Served:
    """GAT (Velickovic et al., 2018) in its place."""

    def apply(layer: nn.Module, star: Star) -> Tensor:
        nodes, edges = _with_self(star)
        return layer((nodes, star.targets), edges)

    return _tuned(task, seed, lambda c: GATConv(c, c // HEADS, HEADS, add_self_loops=False), apply)


def graphsage(task: Task, seed: int) -> Served:
    """GraphSAGE with the mean aggregator (Hamilton et al., 2017) in its place."""

    def apply(layer: nn.Module, star: Star) -> Tensor:
        return layer((star.sources, star.targets), star.edge_index)

    return _tuned(task, seed, lambda c: SAGEConv(c, c), apply)


def _with_self(star: Star) -> tuple[Tensor, Tensor]:
    """Targets and sources as one list of nodes, and their edges with one from every target to itself."""
    own = torch.arange(len(star.targets))
    edges = star.edge_index + torch.tensor([[len(own)], [0]])
    return torch.cat([star.targets, star.sources]), torch.cat([edges, torch.stack([own, own])], dim=1)


def _tuned(
    task: Task, seed: int, make: Callable[[int], nn.Module], apply: Callable[[nn.Module, Star], Tensor]
) -> Served:
    train, dev = task.split(seed)
    found = [_Trial(task, train, dev, make, apply, lr, seed) for lr in (3e-4, 1e-3)]
    best = max(found, key=lambda trial: trial.score)
    return best.served()


class _Trial:
    """A layer that was trained with one learning rate, at its best step on dev."""

    def __init__(
        self,
        task: Task,
        train: Memory,
        dev: Memory,
        make: Callable[[int], nn.Module],
        apply: Callable[[nn.Module, Star], Tensor],
        lr: float,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.x, self.index, self.apply = task.x, task.index, apply
        self.links = torch.from_numpy(task.index.graph.levels[0].neighbors[:, :LINKS]).long()
        self.layer = make(task.x.shape[1])
        self.score = -1.0
        near = self._near(train.queries)
        generator = torch.Generator().manual_seed(seed)
        random = RandomNegatives(NEGATIVES, len(task.x))
        optimizer = torch.optim.AdamW(self.layer.parameters(), lr=lr)
        best, step = deepcopy(self.layer), 0
        while step < STEPS:
            for pairs in sample_pairs(train, ANSWERS, generator).split(BATCH):
                query, row = pairs.unbind(dim=1)
                rows = torch.cat([row, random.sample(query, generator)])
                scores = SCALE * self._encode(train.queries[query], near[query]) @ self._documents(rows).T
                false = train.holds_each(query, rows)
                false[torch.arange(len(row)), torch.arange(len(row))] = False
                loss = F.cross_entropy(scores.masked_fill(false, -torch.inf), torch.arange(len(row)))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                if step % (STEPS // EVALUATIONS) == 0:
                    score = dev_score(self.served().rank(dev.queries, 10), dev)
                    if score > self.score:
                        self.score, best = score, deepcopy(self.layer)
                if step == STEPS:
                    break
        self.layer = best

    @torch.no_grad()
    def served(self) -> Moved:
        """All documents after the layer, and queries as they come."""
        documents = torch.cat([self._documents(rows) for rows in torch.arange(len(self.x)).split(1024)])
        return Moved(lambda queries: self._encode(queries, self._near(queries)), documents)

    def _near(self, queries: Tensor) -> Tensor:
        """The documents nearest to each query (Q, C) in the frozen index, (Q, LINKS)."""
        return torch.from_numpy(self.index.search_rows(queries.numpy(), LINKS)[1])

    def _documents(self, rows: Tensor) -> Tensor:
        return self._encode(self.x[rows], self.links[rows])

    def _encode(self, x: Tensor, links: Tensor) -> Tensor:
        """Nodes (n, C) after listening to documents (n, d), unit length."""
        known, place = links.clamp(min=0).unique(return_inverse=True)
        star = Star(x, self.x[known], place.masked_fill(links == EMPTY, EMPTY))
        return F.normalize(self.apply(self.layer, star), dim=1)
