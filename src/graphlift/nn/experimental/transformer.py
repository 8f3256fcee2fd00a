"""Full attention among all nodes, with the graph as a bias."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_heads, check_inputs

MAX_DEGREE = 64
"""Larger degrees count as this."""


class GraphTransformerConv(nn.Module):
    r"""Every node listens to every node; degree, level and distance in the graph tell it how to.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W}_0 \mathbf{x}_i + \sum_{j} \alpha_{ij} \mathbf{W}_v \mathbf{x}_j, \qquad
        \alpha_{ij} = \mathrm{softmax}_j \Big( \tfrac{1}{\sqrt{d}} (\mathbf{W}_q \mathbf{x}_i +
        \mathbf{z}_{\deg(i)})^{\top} \mathbf{W}_k \mathbf{x}_j + b_{\mathrm{hops}(i, j)} + b_{\mathrm{level}(j)} +
        \mathbf{w}^{\top} \mathbf{e}_{ij} \Big)

    The biases are learned for each head, and born zero; levels count where the layer is built for them. With ``local``
    the sum runs over neighbors alone, which is ordinary message passing. Otherwise time and memory grow with the square
    of the number of nodes.

    In a pair, hops beyond the links that are given are not known and count as far.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads.
        edge_dim: width D of edge attributes; None for none.
        num_levels: HNSW levels that are told apart; None for none. Then ``level`` is needed in a call.
        max_hops: distances in the graph that are told apart; what is further is far.
        local: listen to neighbors alone.
        chunk_size: nodes that are computed at a time where no gradient is needed.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Dwivedi and Bresson, "A Generalization of Transformer Networks to Graphs", 2020; the biases after Ying et
    al., "Do Transformers Really Perform Badly for Graph Representation?" (Graphormer), 2021. The attention is
    ``torch.nn.functional.scaled_dot_product_attention``, which takes a fused kernel where torch has one.

    Example:
        >>> conv = GraphTransformerConv(16, 8, heads=2)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])

    Related: ``torch_geometric.nn.TransformerConv``, to which it is equal with ``local``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        edge_dim: int | None = None,
        *,
        num_levels: int | None = None,
        max_hops: int = 3,
        local: bool = False,
        chunk_size: int = 1024,
    ) -> None:
        super().__init__()
        check_heads(out_channels, heads)
        if max_hops < 1:
            raise InputError(f"`max_hops` must be at least 1, got {max_hops}.")
        self.in_channels, self.heads, self.edge_dim = in_channels, heads, edge_dim
        self.max_hops, self.local, self.chunk_size = max_hops, local, chunk_size
        self.lin_query, self.lin_key, self.lin_value, self.lin_skip = (
            nn.Linear(in_channels, out_channels) for _ in range(4)
        )
        self.degree = nn.Embedding(MAX_DEGREE + 1, out_channels)
        self.hops = None if local else nn.Embedding(max_hops + 2, heads)  # the last is far
        self.level = None if num_levels is None else nn.Embedding(num_levels, heads)
        for embedding in (m for m in self.modules() if isinstance(m, nn.Embedding)):
            nn.init.zeros_(embedding.weight)
        self.lin_edge = None if edge_dim is None else nn.Linear(edge_dim, heads, bias=False)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        level: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from all nodes (sources); edge weights are not listened to.

        Args:
            x, neighbors, edge_weight, edge_attr: as of every layer.
            level: the highest HNSW level of each source, int64 (S,), for a layer that was built with ``num_levels``;
                higher ones count as the last.

        Raises:
            InputError: shapes do not fit each other, or level and ``num_levels`` do not come together.
        """
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim
        )
        if (level is None) != (self.level is None):
            raise InputError("`level` must be given exactly where the layer was built with `num_levels`.")
        if not len(sources):
            return self.lin_skip(targets)
        short = isinstance(x, tuple) or self.local
        hops = linked_hops(neighbors) if short else hop_distance(neighbors, self.max_hops)
        key, value = self._split(self.lin_key(sources)), self._split(self.lin_value(sources))
        common = key.new_zeros(self.heads, 1, len(sources))
        if level is not None and self.level is not None:
            common = self.level(level.clamp(max=self.level.num_embeddings - 1)).T.unsqueeze(1)
        query = self._split(self.lin_query(targets) + self.degree(neighbors.degree.clamp(max=MAX_DEGREE)))
        size = len(neighbors) if torch.is_grad_enabled() else self.chunk_size
        rows = [targets.new_empty(0, self.lin_value.out_features)]
        for chunk in neighbors.chunks(max(size, 1)):
            bias = common.expand(-1, len(hops[chunk]), -1)  # (H, n, S)
            if self.hops is not None:
                bias = bias + self.hops(hops[chunk].clamp(max=self.max_hops + 1).long()).movedim(-1, 0)
            if edge_attr is not None and self.lin_edge is not None:
                bias = bias + self._on_links(neighbors.ids[chunk], self.lin_edge(edge_attr[chunk]), len(sources))
            linked = neighbors.mask[chunk].any(dim=1)
            if self.local:
                heard = (hops[chunk] == 1) | ~linked.unsqueeze(1)  # a row without any would be NaN
                bias = bias.masked_fill(~heard, -torch.inf)
            mixed = F.scaled_dot_product_attention(query[:, chunk], key, value, bias).transpose(0, 1).flatten(1)
            rows.append(mixed * linked.unsqueeze(1) if self.local else mixed)
        return self.lin_skip(targets) + torch.cat(rows)

    def _on_links(self, ids: Tensor, bias: Tensor, num_sources: int) -> Tensor:
        """A bias of links (n, d, H) as one of all pairs, (H, n, S)."""
        column = torch.where(ids >= 0, ids, num_sources).long().unsqueeze(-1).expand_as(bias)
        spread = bias.new_zeros(len(ids), num_sources + 1, self.heads).scatter_add(1, column, bias)
        return spread[:, :num_sources].movedim(-1, 0)

    def _split(self, x: Tensor) -> Tensor:
        """(S, C) -> (H, S, C / H)."""
        return x.unflatten(1, (self.heads, -1)).transpose(0, 1)


FAR = 127
"""The number of hops to where no short way leads."""
_KNOWN: WeakKeyDictionary[NeighborTable, tuple[int, Tensor]] = WeakKeyDictionary()


def linked_hops(neighbors: NeighborTable) -> Tensor:
    """1 where a target lists a source, else `FAR`: int8 (N, S)."""
    hops = torch.full((len(neighbors), neighbors.num_sources), FAR, dtype=torch.int8, device=neighbors.device)
    source, target = neighbors.edge_index
    hops[target, source] = 1
    return hops


def hop_distance(neighbors: NeighborTable, limit: int) -> Tensor:
    """How many links lead from each node to each other one, 0 to itself, `FAR` beyond the limit: int8 (N, N).

    Kept as long as the table lives.

    Example:
        >>> hop_distance(NeighborTable(torch.tensor([[1], [2], [-1]])), limit=2).tolist()
        [[0, 1, 2], [127, 0, 1], [127, 127, 0]]
    """
    known = _KNOWN.get(neighbors)
    if known is not None and known[0] == limit:
        return known[1]
    hops = linked_hops(neighbors)
    source, target = neighbors.edge_index
    ends, ones = torch.stack([target, source]), torch.ones(len(source), device=neighbors.device)
    links = torch.sparse_coo_tensor(ends, ones, hops.shape, check_invariants=True)
    reached = (hops == 1).float()
    for distance in range(2, limit + 1):
        reached = (links @ reached).clamp(max=1)
        hops = torch.where((reached > 0) & (hops == FAR), distance, hops)
    hops.fill_diagonal_(0)
    _KNOWN[neighbors] = limit, hops
    return hops
