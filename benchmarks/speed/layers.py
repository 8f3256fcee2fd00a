"""Layers that do the same on the same links, and what a matrix product costs beside them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from graphlift.errors import require
from graphlift.graph import NeighborTable
from graphlift.nn import RuvectorConv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyG 2.8 scripts a class when it is imported, which torch 2.13 deprecates
    pyg = require("torch_geometric.nn", extra="bench")

PRODUCTS = 12
"""Products of a vector with a C x C matrix that the paper's layer takes a node, counted without its neighbors."""
ROWS = 2048
"""Rows of the product that measures the machine's matrix rate."""


@dataclass(frozen=True)
class Shape:
    """Width, heads and neighbors of a layer, and the number of nodes that rivals are compared on."""

    channels: int
    heads: int
    slots: int
    nodes: int

    def __str__(self) -> str:
        return f"({self.channels}, {self.heads}, {self.slots})"


SHAPES = (Shape(128, 4, 16, 10_000), Shape(384, 4, 32, 4_000), Shape(768, 8, 32, 1_500))


class Stack(nn.Module):
    """PyG's attention, torch's GRU cell and LayerNorm: what one would put together for the paper's layer."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.conv = pyg.TransformerConv(channels, channels // heads, heads)
        self.gru = nn.GRUCell(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.norm(self.gru(self.conv(x, edge_index), x))


@dataclass(frozen=True)
class Setting:
    """Random nodes with random full rows of neighbors, and the layers that see them."""

    shape: Shape
    x: Tensor
    table: NeighborTable
    ours: RuvectorConv
    stack: Stack
    gat: nn.Module

    @classmethod
    def draw(
        cls, shape: Shape, device: str = "cpu", dtype: torch.dtype = torch.float32, nodes: int | None = None
    ) -> Setting:
        torch.manual_seed(0)
        nodes = nodes or shape.nodes
        x = torch.randn(nodes, shape.channels, device=device, dtype=dtype)
        table = NeighborTable(torch.randint(nodes, (nodes, shape.slots), dtype=torch.int32, device=device))
        ours = RuvectorConv(shape.channels, shape.channels, shape.heads)
        gat = pyg.GATConv(shape.channels, shape.channels // shape.heads, shape.heads)
        stack = Stack(shape.channels, shape.heads)
        return cls(shape, x, table, *(layer.to(device, dtype) for layer in (ours, stack, gat)))

    def product(self) -> Callable[[], object]:
        """Products of many rows with a C x C matrix, the machine at its best."""
        many = torch.randn(ROWS, self.shape.channels)
        matrix = torch.randn(self.shape.channels, self.shape.channels)
        return lambda: [torch.mm(many, matrix) for _ in range(self._repeats)]

    def limit(self, seconds_of_product: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Seconds a node if nothing but `PRODUCTS` products were computed, at the rate that was measured."""
        return seconds_of_product / (self._repeats * ROWS) * PRODUCTS

    @property
    def _repeats(self) -> int:
        """How often a product is repeated to be timed: some 3e9 multiply-adds, but no more than 100 times."""
        return max(1, min(100, 3 * 10**9 // (ROWS * self.shape.channels**2)))

    def native(self, nodes: int) -> Callable[[], object]:
        """The original layer, node by node; its inputs lie ready."""
        layer = require("ruvector", extra="bench").GnnLayer.from_json(self.ours.to_ruvector())
        x, ids = self.x.numpy(), self.table.ids[:nodes].numpy()
        inputs = [(x[node], x[row]) for node, row in enumerate(ids)]
        return lambda: [layer.forward(*given) for given in inputs]


def synced(result: Tensor) -> Tensor:
    """The result once it is there: an accelerator answers before it has computed."""
    if result.is_cuda:
        torch.cuda.synchronize()
    return result
