"""The paper's graph layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import DataFormatError, InputError
from graphlift.graph import NeighborTable
from graphlift.nn import ruvector
from graphlift.nn.folded import FoldedUpdate
from graphlift.nn.gru import GatedUpdate
from graphlift.nn.inputs import check_dropout, check_edge_dim, check_heads, check_inputs
from graphlift.nn.neighbor_attention import masked_softmax, neighbor_attention
from graphlift.nn.side_by_side import fill


class RuvectorConv(nn.Module):
    r"""Attention over a node's HNSW neighbors with a gated update.

    .. math::
        \mathbf{m} &= \mathbf{W}_{msg} \mathbf{x} \qquad
        \mathbf{a}_i = \mathrm{MultiHead}(\mathbf{m}_i, \{\mathbf{m}_j\}) \qquad
        \mathbf{g}_i = \sum_j \frac{w_{ij}}{\sum_k w_{ik}} \mathbf{m}_j \\
        \mathbf{x}^{\prime}_i &= \mathrm{LayerNorm}\big(\mathrm{Dropout}\big(
        \mathrm{GRU}(\mathbf{W}_{agg}(\mathbf{a}_i + \mathbf{g}_i), \mathbf{m}_i)\big)\big),
        \qquad j \in \mathcal{N}(i)

    A node without neighbors becomes :math:`\mathrm{LayerNorm}(\mathbf{m}_i)`. Edge attributes, where there are
    any, add a learned bias :math:`\mathbf{w}_h^{\top} \mathbf{e}_{ij}` to the scores of head h.

    Keys and values are never computed for a neighbor: the key projection is absorbed into the query,
    :math:`(\mathbf{W}_k \mathbf{m}_j)^{\top} \mathbf{q} = \mathbf{m}_j^{\top} (\mathbf{W}_k^{\top} \mathbf{q})`, the
    key bias cancels in the softmax, and the value projection is applied to the attended mean. So one gathered
    tensor of messages serves scores, values and the weighted mean, and a node costs
    :math:`O(C^2 + d\,C\,H)` instead of :math:`O(d\,C^2)`.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads H.
        dropout: share of the updated state that is dropped in training, in the original (not inverted) form.
        edge_dim: width D of edge attributes; None for none.
        head_channels: width of a head; an even share of C where left out.
        chunk_size: nodes that are computed at a time where no gradient is needed, so that memory stays flat.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d
          slots; edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: the RuVector architecture paper, sections 1 to 3.

    Example:
        >>> conv = RuvectorConv(16, 8, heads=2)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])

    Related: ``torch_geometric.nn.TransformerConv`` has the attention without the weighted mean and the gate.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        dropout: float = 0.0,
        edge_dim: int | None = None,
        head_channels: int | None = None,
        chunk_size: int = 1024,
    ) -> None:
        super().__init__()
        if head_channels is None:
            check_heads(out_channels, heads)
            head_channels = out_channels // heads
        check_dropout(dropout)
        self.in_channels, self.out_channels, self.heads = in_channels, out_channels, heads
        self.dropout, self.edge_dim, self.chunk_size = dropout, edge_dim, chunk_size
        self.lin_msg = nn.Linear(in_channels, out_channels)
        attended = heads * head_channels
        self.lin_query = nn.Linear(out_channels, attended)
        self.lin_key = nn.Linear(out_channels, attended)
        self.lin_value = nn.Linear(out_channels, attended)
        self.lin_out = nn.Linear(attended, out_channels)
        self.lin_agg = nn.Linear(out_channels, out_channels)
        self.gru = GatedUpdate(out_channels)
        self.norm = nn.LayerNorm(out_channels)
        self.lin_edge = None if edge_dim is None else nn.Linear(edge_dim, heads, bias=False)
        self.reset_parameters()

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"{self.in_channels}, {self.out_channels}, heads={self.heads}, dropout={self.dropout}"

    def reset_parameters(self) -> None:
        """Xavier-normal weights and zero biases, one draw for each of the paper's matrices."""
        for linear in (m for m in self.modules() if isinstance(m, nn.Linear)):
            for matrix in linear.weight.split(self.out_channels):  # the GRU stacks its gates in one matrix
                nn.init.xavier_normal_(matrix)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        self.norm.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors.

        Raises:
            InputError: shapes do not fit each other, or an edge weight is negative or not finite.
        """
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim
        )
        messages = self._messages(sources)  # (S, C)
        states = self._messages(targets) if isinstance(x, tuple) else messages  # (N, C)

        def listen(rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """States of some targets, what they hear by attention and as mean, and whether there is anyone to hear."""
            mask = neighbors.mask[rows]
            query = self._split_heads(self.lin_query(states[rows]))
            share = _shares(mask, mask.to(messages) if edge_weight is None else edge_weight[rows])
            bias = self._edge_bias(None if edge_attr is None else edge_attr[rows])
            key, value = (lin.weight.unflatten(0, (self.heads, -1)) for lin in (self.lin_key, self.lin_value))
            key = key / math.sqrt(key.shape[1])
            heard = neighbor_attention(query, messages, neighbors.ids[rows], share, bias, key, value, self.chunk_size)
            return states[rows], *heard, mask.any(dim=-1, keepdim=True)

        if torch.is_grad_enabled():
            return self._update(*listen(slice(None)))
        mixed = torch.is_autocast_enabled(states.device.type)  # folded weights have one type
        folds = len(neighbors) > self.chunk_size and not mixed and not (self.training and self.dropout)
        update = self._folded_update() if folds else self._update
        return fill(self._room(len(neighbors)), self.chunk_size, lambda rows: update(*listen(rows)))

    def forward_dense(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        mask: Tensor,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update the nodes of G small graphs whose links are given as matrices.

        The same layer as `forward`. Nothing is gathered, and keys and values are computed once a source, which pays
        where most nodes are linked.

        Shapes:
            - **input:** x (G, T, C_in), or a pair (sources (G, S, C_in), targets (G, T, C_in)); mask (G, T, S) or
              (G, 1, S), True at [g, i, j] where target i listens to source j; edge_weight like mask;
              edge_attr (G, T, S, D), fastest where its memory runs channels first
            - **output:** (G, T, C)
        """
        check_edge_dim(edge_attr, self.edge_dim)
        states, messages = self._dense_messages(x)
        alpha = self._dense_attention(states, messages, mask, edge_attr)  # (G, H, T, S)
        values = self._split_heads(F.linear(messages, self.lin_value.weight)).transpose(1, 2)
        attended = (alpha @ values).transpose(1, 2).flatten(2)  # (G, T, C)
        mean = _shares(mask, mask.to(messages) if edge_weight is None else edge_weight) @ messages
        return self._update(states, attended, mean, mask.any(dim=-1, keepdim=True))

    def attention_dense(
        self, x: Tensor | tuple[Tensor, Tensor], mask: Tensor, edge_attr: Tensor | None = None
    ) -> Tensor:
        """The attention weights that `forward_dense` uses, (G, heads, T, S)."""
        return self._dense_attention(*self._dense_messages(x), mask, edge_attr)

    def _messages(self, x: Tensor) -> Tensor:
        """Messages of many nodes; in chunks where no gradient is needed, as all that follows."""
        if torch.is_grad_enabled():
            return self.lin_msg(x)
        return fill(self._room(len(x)), self.chunk_size, lambda rows: self.lin_msg(x[rows]))

    def _room(self, nodes: int) -> Tensor:
        return self.lin_msg.weight.new_empty(nodes, self.out_channels)

    def _dense_messages(self, x: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """States of the targets (G, T, C) and messages of the sources (G, S, C)."""
        if isinstance(x, tuple):
            return self.lin_msg(x[1]), self.lin_msg(x[0])
        messages = self.lin_msg(x)
        return messages, messages

    def _dense_attention(self, states: Tensor, messages: Tensor, mask: Tensor, edge_attr: Tensor | None) -> Tensor:
        projections = self.lin_query(states), self.lin_key(messages)
        queries, keys = (self._split_heads(projected).transpose(1, 2) for projected in projections)
        bias = self._edge_bias(edge_attr)
        scale = 1 / math.sqrt(queries.shape[-1])
        if bias is None:
            scores = queries @ keys.mT * scale
        else:  # in place, as scores are the largest tensor here
            flat = bias.flatten(0, 1).baddbmm_(queries.flatten(0, 1), keys.flatten(0, 1).mT, alpha=scale)
            scores = flat.view_as(bias)
        return masked_softmax(scores, mask.unsqueeze(1))  # (G, H, T, S)

    def _update(self, states: Tensor, attended: Tensor, mean: Tensor, linked: Tensor) -> Tensor:
        """Next states from what was heard, all (..., C); a node without neighbors keeps its own, normalised."""
        # Attention sums to one, so the bias of the values may come last, and become one with the next.
        attended = F.linear(attended, self.lin_out.weight, self.lin_out(self.lin_value.bias))
        updated = self.gru(self.lin_agg(attended + mean), states)
        if self.dropout:  # the paper's scales by (1 - p) at inference, not by 1 / (1 - p) in training
            updated = F.dropout(updated, self.dropout, self.training) * (1 - self.dropout)
        return self.norm(updated if linked.all() else torch.where(linked, updated, states))

    def _folded_update(self) -> FoldedUpdate:
        """`_update` with weights as they are now, for many nodes without a gradient."""
        return FoldedUpdate(self.lin_value.bias, self.lin_out, self.lin_agg, self.gru, self.norm, 1 - self.dropout)

    def _edge_bias(self, edge_attr: Tensor | None) -> Tensor | None:
        """Bias of attention scores, heads before links: (n, d, D) -> (n, H, d), (G, T, S, D) -> (G, H, T, S)."""
        if edge_attr is None or self.lin_edge is None:
            return None
        planes = edge_attr.movedim(-1, 1)
        weight = self.lin_edge.weight.expand(len(planes), -1, -1)  # `@` would transpose all links to use one weight
        return torch.bmm(weight, planes.flatten(2)).unflatten(2, planes.shape[2:])

    def _split_heads(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., H, C / H)."""
        return x.unflatten(-1, (self.heads, -1))

    @classmethod
    def from_ruvector(cls, text: str) -> RuvectorConv:
        """The layer that ``ruvector.GnnLayer(...).to_json()`` describes; see `to_ruvector`.

        Raises:
            DataFormatError: the text is not such a description, or its shapes disagree.
        """
        sizes, state = ruvector.parse(text)
        try:
            conv = cls(sizes.in_channels, sizes.out_channels, sizes.heads, sizes.dropout)
            conv.load_state_dict(state)
        except (InputError, RuntimeError) as error:
            raise DataFormatError(f"the sizes of this `ruvector.GnnLayer` disagree: {error}") from error
        conv.norm.eps = sizes.eps
        return conv

    def to_ruvector(self) -> str:
        """The layer as JSON for ``ruvector.GnnLayer.from_json``.

        Raises:
            InputError: the layer has edge attributes or heads of another width, which the original lacks.
        """
        if self.lin_edge is not None:
            raise InputError("`edge_dim` must be None to write a RuVector layer, which has no edge attributes.")
        if self.lin_query.out_features != self.out_channels:
            raise InputError("`head_channels` must be left out to write a RuVector layer, whose heads share its width.")
        sizes = ruvector.Sizes(self.in_channels, self.out_channels, self.heads, self.dropout, self.norm.eps)
        return ruvector.dump(sizes, self.state_dict())


def _shares(mask: Tensor, weight: Tensor) -> Tensor:
    """Edge weights as shares of 1, (..., d); equal shares where all weights are zero, as in the original."""
    weight = weight.masked_fill(~mask, 0)
    weight = torch.where(weight.sum(dim=-1, keepdim=True) > 0, weight, mask.to(weight))
    total = weight.sum(dim=-1, keepdim=True)
    return weight / total.masked_fill(total == 0, 1)
