"""Which nodes a walk down the levels of an HNSW graph looks at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphlift.graph import EMPTY, HnswGraph, Level

SCAN_LIMIT = 512
"""A top level of at most this many nodes is looked at whole; of a larger one, an even sample."""


class Candidates(NamedTuple):
    """Nodes that a walk looks at on one level: ids (B, n), each once a row, and which are real (B, n)."""

    ids: Tensor
    mask: Tensor


class Descent:
    """The levels of a graph as tensors, for walks of many queries at once.

    A walk looks at the whole top level, and on each level below at the nodes that it kept from the level above and
    at their neighbors: never at all N. Growing the index by a level changes no shape and needs no new weights.

    Example:
        >>> from graphlift.index import HnswIndex
        >>> vectors = np.random.default_rng(0).normal(size=(300, 8))
        >>> descent = Descent(HnswIndex.build(vectors, M=4).graph)
        >>> top = descent.start(batch=2)
        >>> descent.expand(top.ids[:, :3], level=0).ids.shape[0]
        2
    """

    def __init__(self, graph: HnswGraph, device: torch.device | str = "cpu") -> None:
        self.num_levels = graph.num_levels
        self._nodes = [torch.from_numpy(level.nodes).to(device) for level in graph.levels]
        self._links = [torch.from_numpy(level.neighbors).to(device) for level in graph.levels]
        self._start = torch.from_numpy(_seeds(graph.levels[-1], graph.entry_point)).to(device)

    def start(self, batch: int) -> Candidates:
        """What every walk looks at first: the top level."""
        ids = self._start.expand(batch, -1)
        return Candidates(ids, torch.ones_like(ids, dtype=torch.bool))

    def expand(self, kept: Tensor, level: int) -> Candidates:
        """The kept nodes (B, k), -1 for none, and their neighbors on a level that holds all of them."""
        rows = torch.searchsorted(self._nodes[level], kept.int().contiguous())
        links = self._links[level][rows].masked_fill((kept == EMPTY).unsqueeze(2), EMPTY)  # (B, k, d)
        ids = torch.cat([kept.int(), links.flatten(1)], dim=1).sort(dim=1).values
        mask = ids != EMPTY
        mask[:, 1:] &= ids[:, 1:] != ids[:, :-1]  # sorted, so a node that was reached twice stands beside itself
        return Candidates(ids.clamp(min=0), mask)


def _seeds(level: Level, entry_point: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    if len(level.nodes) <= SCAN_LIMIT:
        return level.nodes
    sample = level.nodes[np.linspace(0, len(level.nodes) - 1, SCAN_LIMIT - 1).astype(np.int64)]
    return np.union1d(sample, np.int32(entry_point)).astype(np.int32)
