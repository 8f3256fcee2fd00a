"""The graph of an HNSW index: what ``index/`` reads from the index and ``nn/`` computes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.errors import InputError

EMPTY = -1
"""Marks an empty slot of a neighbor table."""


class NeighborTable:
    """Neighbors of N nodes as a padded table, the natural form of HNSW's rows of fixed capacity.

    Args:
        ids: integers (N, d); ``ids[v, j]`` is a neighbor of node v, ``-1`` an empty slot, anywhere in the row.
        num_sources: number of nodes that ids point into; N where it is left out. It differs from N for a
            bipartite table, where targets (rows) and sources (what ids name) are different nodes.

    Raises:
        InputError: ids are not integers of two dimensions, or point outside ``[-1, num_sources)``.

    Example:
        >>> table = NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))
        >>> table.degree.tolist()
        [2, 1, 0]
        >>> table.edge_index.tolist()  # row 0 the neighbor, row 1 the node that lists it
        [[1, 2, 0], [0, 0, 1]]
    """

    def __init__(self, ids: Tensor | npt.NDArray[np.integer], num_sources: int | None = None) -> None:
        if isinstance(ids, np.ndarray):
            ids = torch.from_numpy(np.ascontiguousarray(ids, dtype=ids.dtype.newbyteorder("=")))
        if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise InputError(f"`ids` must be an integer table (N, d), got {ids.dtype} of shape {tuple(ids.shape)}.")
        self.ids = ids if ids.dtype == torch.int32 else ids.long()  # what can be gathered with
        self.num_sources = len(ids) if num_sources is None else num_sources
        if ids.numel():
            low, high = (int(bound) for bound in ids.aminmax())
            if low < EMPTY or high >= self.num_sources:
                raise InputError(
                    f"`ids` must lie in [-1, {self.num_sources}) (-1 for empty), got values from {low} to {high}."
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"NeighborTable(targets={len(self)}, slots={self.ids.shape[1]}, sources={self.num_sources})"

    @property
    def device(self) -> torch.device:
        """Where the table lies."""
        return self.ids.device

    @cached_property
    def mask(self) -> Tensor:
        """True where a slot holds a neighbor, (N, d)."""
        return self.ids != EMPTY

    @property
    def degree(self) -> Tensor:
        """Number of neighbors of each node, (N,)."""
        return self.mask.sum(dim=1)

    @cached_property
    def edge_index(self) -> Tensor:
        """Links in PyG's form (2, E): row 0 the source (neighbor), row 1 the target that lists it."""
        target = torch.arange(len(self), device=self.device)[:, None].expand_as(self.ids)
        return torch.stack([self.ids[self.mask].long(), target[self.mask]])

    @classmethod
    def from_edge_index(cls, edge_index: Tensor, num_targets: int, num_sources: int | None = None) -> NeighborTable:
        """The table of a list of links in PyG's form; a row keeps the order in which its links are listed.

        Args:
            edge_index: integers (2, E), row 0 the source, row 1 the target.
            num_targets: number of rows N.
            num_sources: as in the constructor.

        Raises:
            InputError: edge_index is not (2, E), or names a node that does not exist.

        Example:
            >>> NeighborTable.from_edge_index(torch.tensor([[2, 0, 1], [0, 1, 0]]), num_targets=3).ids.tolist()
            [[2, 1], [0, -1], [-1, -1]]
        """
        if edge_index.ndim != 2 or len(edge_index) != 2 or edge_index.is_floating_point():
            kind, shape = edge_index.dtype, tuple(edge_index.shape)
            raise InputError(f"`edge_index` must be integers (2, E), got {kind} of shape {shape}.")
        source, target = edge_index
        if source.numel() and int(source.min()) < 0:  # -1 would pass for an empty slot
            raise InputError(f"`edge_index` must name sources from 0 on, got {int(source.min())}.")
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < num_targets:
            raise InputError(f"`edge_index` must name targets in [0, {num_targets}), got {target.tolist()}.")
        order = torch.argsort(target, stable=True)
        degree = torch.bincount(target, minlength=num_targets)
        slot = torch.arange(len(order), device=target.device) - (degree.cumsum(0) - degree)[target[order]]
        width = int(degree.max()) if len(degree) else 0
        ids = source.new_full((num_targets, width), EMPTY)
        ids[target[order], slot] = source[order]
        return cls(ids, num_sources)

    def to(self, device: torch.device | str) -> NeighborTable:
        """The same table on another device."""
        return NeighborTable(self.ids.to(device), self.num_sources)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of an HNSW graph.

    Attributes:
        nodes: the n nodes that reach this level, ascending, int32 (n,).
        neighbors: their links on it as node numbers of the whole index, ``-1`` for empty, int32 (n, d).
    """

    nodes: npt.NDArray[np.int32]
    neighbors: npt.NDArray[np.int32]

    @property
    def degrees(self) -> npt.NDArray[np.int64]:
        """Number of links that leave each node of the level, (n,)."""
        return np.count_nonzero(self.neighbors != EMPTY, axis=1)

    @property
    def holds_all(self) -> bool:
        """Whether the nodes are 0 to n - 1, as on the bottom level."""
        return not len(self.nodes) or (int(self.nodes[0]) == 0 and int(self.nodes[-1]) == len(self.nodes) - 1)

    @property
    def is_closed(self) -> bool:
        """Whether every link leads to a node of the level."""
        if not self.holds_all:
            return bool(np.isin(self.neighbors[self.neighbors != EMPTY], self.nodes).all())
        return not self.neighbors.size or bool(self.neighbors.min() >= EMPTY and self.neighbors.max() < len(self.nodes))

    @cached_property
    def table(self) -> NeighborTable:
        """The links among the level's own nodes: row r and id r both mean ``nodes[r]``."""
        if self.holds_all:
            return NeighborTable(self.neighbors)
        local = np.searchsorted(self.nodes, self.neighbors)
        return NeighborTable(np.where(self.neighbors == EMPTY, EMPTY, local).astype(np.int32))


@dataclass(frozen=True, eq=False)
class HnswGraph:
    """All levels of an HNSW index as arrays.

    Attributes:
        levels: level 0 (the bottom, all nodes) first.
        entry_point: node of the top level where every walk starts; -1 in an empty graph.

    Example:
        >>> bottom = Level(np.arange(3, dtype=np.int32), np.array([[1, 2], [0, -1], [0, 1]], dtype=np.int32))
        >>> top = Level(np.array([2], dtype=np.int32), np.array([[-1]], dtype=np.int32))
        >>> graph = HnswGraph((bottom, top), entry_point=2)
        >>> graph.validate()
        >>> graph.num_nodes, graph.num_levels, graph.level_of_node.tolist()
        (3, 2, [0, 0, 1])
    """

    levels: tuple[Level, ...]
    entry_point: int

    @property
    def num_nodes(self) -> int:
        """N, the number of nodes of the bottom level."""
        return len(self.levels[0].nodes) if self.levels else 0

    @property
    def num_levels(self) -> int:
        """Number of levels, 1 for a flat graph."""
        return len(self.levels)

    @property
    def level_of_node(self) -> npt.NDArray[np.int64]:
        """The highest level that each node reaches, (N,)."""
        return sum(
            (np.bincount(level.nodes, minlength=self.num_nodes) for level in self.levels[1:]),
            start=np.zeros(self.num_nodes, dtype=np.int64),
        )

    @property
    def neighbors(self) -> NeighborTable:
        """The bottom level's links, which connect all nodes."""
        return self.levels[0].table

    @property
    def edge_index(self) -> Tensor:
        """The bottom level's links in PyG's form (2, E)."""
        return self.neighbors.edge_index

    @property
    def in_degrees(self) -> npt.NDArray[np.int64]:
        """Number of bottom-level links that lead to each node, (N,); a node with 0 is reached by no walk."""
        links = self.levels[0].neighbors
        return np.bincount(links[links != EMPTY], minlength=self.num_nodes)

    def validate(self) -> None:
        """Check what every HNSW graph promises.

        Raises:
            InputError: the bottom level lacks a node, levels are not nested, a link leaves its level, a node
                links to itself, or the entry point is not on the top level.
        """
        if not self.levels:
            raise InputError("`levels` must hold at least the bottom level, got none.")
        if not np.array_equal(self.levels[0].nodes, np.arange(self.num_nodes)):
            raise InputError("the bottom level must hold every node once, in order.")
        for number, level in enumerate(self.levels):
            if len(level.nodes) != len(level.neighbors):
                raise InputError(
                    f"level {number} has {len(level.nodes)} nodes but {len(level.neighbors)} rows of neighbors."
                )
            if np.any(np.diff(level.nodes) <= 0):
                raise InputError(f"`nodes` of level {number} must ascend without repetition.")
            if number and not np.isin(level.nodes, self.levels[number - 1].nodes).all():
                raise InputError(f"level {number} holds a node that level {number - 1} lacks.")
            if not level.is_closed:
                raise InputError(f"a link of level {number} leads to a node that is not on that level.")
            if np.any(level.neighbors == level.nodes[:, None]):
                raise InputError(f"a node of level {number} links to itself.")
        if self.num_nodes and self.entry_point not in self.levels[-1].nodes:
            raise InputError(f"`entry_point` must be a node of the top level, got {self.entry_point}.")
