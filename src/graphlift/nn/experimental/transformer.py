"""Full attention among all nodes, with the graph as a bias."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.hops import hop_distance
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

    A pair tells who is linked to a target, and not who else belongs to its graph. There only neighbors are heard.

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
        """Update every node from all nodes, every target of a pair from its neighbors; weights are not listened to.

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
        query = self.lin_query(targets) + self.degree(neighbors.degree.clamp(max=MAX_DEGREE))
        key, value = self.lin_key(sources), self.lin_value(sources)
        at_level = None
        if level is not None and self.level is not None:
            at_level = self.level(level.clamp(max=self.level.num_embeddings - 1))  # (S, H)
        bias = None if edge_attr is None or self.lin_edge is None else self.lin_edge(edge_attr)  # (N, d, H)
        size = max(len(neighbors) if torch.is_grad_enabled() else self.chunk_size, 1)
        chunks = (slice(start, start + size) for start in range(0, len(neighbors), size))
        listen = self._to_neighbors if self.hops is None or isinstance(x, tuple) else self._to_all
        heard = [
            listen(query[chunk], key, value, neighbors, chunk, at_level, None if bias is None else bias[chunk])
            for chunk in chunks
        ]
        return self.lin_skip(targets) + (torch.cat(heard) if heard else 0)

    def _to_all(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        neighbors: NeighborTable,
        chunk: slice,
        at_level: Tensor | None,
        on_links: Tensor | None,
    ) -> Tensor:
        """What some nodes hear from all, (n, C)."""
        hops = hop_distance(neighbors, self.max_hops)[chunk]
        bias = cast(nn.Embedding, self.hops)(hops.clamp(max=self.max_hops + 1).int())  # (n, S, H)
        if at_level is not None:
            bias = bias + at_level
        if on_links is not None:
            ids = neighbors.ids[chunk]
            column = torch.where(ids >= 0, ids, len(key)).long().unsqueeze(-1).expand_as(on_links)
            spread = on_links.new_zeros(len(ids), len(key) + 1, self.heads).scatter_add(1, column, on_links)
            bias = bias + spread[:, : len(key)]
        query, key, value = (part.unflatten(1, (self.heads, -1)).transpose(0, 1) for part in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, bias.movedim(-1, 0)).transpose(0, 1).flatten(1)

    def _to_neighbors(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        neighbors: NeighborTable,
        chunk: slice,
        at_level: Tensor | None,
        on_links: Tensor | None,
    ) -> Tensor:
        """What some nodes hear from their neighbors, (n, C); nothing where there are none."""
        ids, mask = neighbors.ids[chunk].clamp(min=0), neighbors.mask[chunk]
        linked = mask.any(dim=1, keepdim=True)
        bias = query.new_zeros(*ids.shape, self.heads) if on_links is None else on_links
        if at_level is not None:
            bias = bias + F.embedding(ids, at_level)
        bias = bias.masked_fill(~(mask | ~linked).unsqueeze(-1), -torch.inf)  # a row of nothing else would be NaN
        key, value = (F.embedding(ids, part).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (key, value))
        alone = query.unflatten(1, (self.heads, 1, -1))  # (n, H, 1, C / H)
        mixed = F.scaled_dot_product_attention(alone, key, value, bias.movedim(-1, 1).unsqueeze(2)).flatten(1)
        return mixed.masked_fill(~linked, 0)
