"""The paper's hierarchical forward pass: a query walks down the levels of the index and is refined on each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.family import DEFAULT, member
from graphlift.search.descent import Descent
from graphlift.search.soft_top_k import Selection, soft_top_k


class HierarchicalEncoder(nn.Module):
    r"""Refines a query level by level, from the top of an HNSW graph to its bottom.

    On each level l, with candidates :math:`\mathcal{C}_l` as the walk reaches them:

    .. math::
        \mathbf{w} &= \mathrm{SoftTopK}_{\tau}\big(\cos(\mathbf{h}, \mathbf{x}_c)\big)_{c \in \mathcal{C}_l} \qquad
        \bar{\mathbf{h}} = \tfrac{1}{2}\Big(\mathbf{h} + \sum_c w_c \mathbf{x}_c\Big) \\
        \mathbf{h} &\leftarrow \mathbf{h} + \mathbf{W}_{up}\, \mathrm{RuvectorConv}\big(\bar{\mathbf{h}},
        \{\mathbf{x}_c\}, \mathbf{w}, \mathbf{e}_l\big)

    Two things differ from the paper. One layer is shared by all levels and is told the level by an edge attribute,
    so that an index may grow a level without a new model. And :math:`\mathbf{W}_{up}` is born zero: a fresh encoder
    returns the query as it came, where the paper's would replace it by the output of a random layer.

    Args:
        channels: width C of queries and documents.
        hidden_channels: width of the layer between them.
        heads: attention heads of the layer.
        k: candidates kept on each level.
        temperature: first temperature of the soft top-k; it is learned.
        conv: the layer, by its name in `graphlift.nn.family`.
        selection: the soft top-k: `soft_top_k`, `lapsum_top_k` or `dftopk_top_k`.

    Shapes:
        - **input:** queries (B, C), x (N, C): the documents, in the order of the graph's nodes
        - **output:** (B, C)

    Source: section 4.2 of the RuVector paper.

    Example:
        >>> from graphlift.index import HnswIndex
        >>> index = HnswIndex.build(torch.randn(300, 16).numpy(), M=4)
        >>> encoder = HierarchicalEncoder(16, hidden_channels=8, heads=2)
        >>> queries = torch.randn(2, 16)
        >>> bool((encoder(queries, torch.tensor(index.vectors), Descent(index.graph)) == queries).all())
        True
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int = 64,
        heads: int = 4,
        k: int = 8,
        temperature: float = 0.1,
        conv: str = DEFAULT,
        selection: Selection = soft_top_k,
    ) -> None:
        super().__init__()
        if k < 1 or temperature <= 0:
            raise InputError(
                f"`k` must be at least 1 and `temperature` positive, got k={k} and temperature={temperature}."
            )
        self.k, self.selection = k, selection
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())
        kind = member(conv)
        self.attributed = kind.attributed
        self.conv = kind.build(channels, hidden_channels, heads, edge_dim=3 if kind.attributed else None)
        self.lin_up = nn.Linear(hidden_channels, channels)
        nn.init.zeros_(self.lin_up.weight)
        nn.init.zeros_(self.lin_up.bias)

    def forward(self, queries: Tensor, x: Tensor, descent: Descent) -> Tensor:
        """The refined queries."""
        state = queries
        candidates = descent.start(len(queries))
        for level in range(descent.num_levels - 1, -1, -1):
            state, kept = self._refine(state, x, candidates.ids, candidates.mask, level)
            if level:
                candidates = descent.expand(kept, level - 1)
        return state

    def _refine(self, state: Tensor, x: Tensor, ids: Tensor, mask: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """One level: the next state (B, C) and the nodes that were kept (B, k), -1 where there were too few."""
        vectors = F.embedding(ids, x)  # (B, n, C)
        similarity = F.cosine_similarity(state.unsqueeze(1), vectors, dim=-1)
        weights, columns = self.selection(similarity, self.k, self.log_temperature.exp(), mask)
        real = mask.gather(1, columns)
        near = vectors.gather(1, columns.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))  # (B, k, C)
        mixed = (state + torch.einsum("bk,bkc->bc", weights, near)) / 2
        attr = torch.stack(
            [
                similarity.gather(1, columns),
                torch.full_like(weights, 1 / (1 + level)),
                torch.full_like(weights, float(level == 0)),
            ],
            dim=-1,
        )
        slots = torch.arange(columns.numel(), device=ids.device).view(columns.shape)
        table = NeighborTable(slots.masked_fill(~real, EMPTY), num_sources=columns.numel())
        heard = self.conv((near.flatten(0, 1), mixed), table, weights, attr if self.attributed else None)
        return state + self.lin_up(heard), ids.gather(1, columns).masked_fill(~real, EMPTY)
