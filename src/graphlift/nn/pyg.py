"""PyG's layers behind our signature: the baselines that the paper compares with."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from graphlift.errors import InputError, require
from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_dropout, check_heads, check_inputs


class GCNConv(nn.Module):
    r"""Graph convolution: a normalised sum over the node and its neighbors.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W} \sum_{j \in \mathcal{N}(i) \cup \{i\}}
        \frac{w_{ij}}{\sqrt{\hat d_i \hat d_j}} \mathbf{x}_j + \mathbf{b}, \qquad
        \hat d_i = 1 + \sum_j w_{ij}

    The only layer of the family that asks for the degree of a neighbor. In a pair (sources, targets) nobody knows it,
    and the mean over the node and its neighbors, :math:`w_{ij} / \hat d_i`, takes its place.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d
          slots; edge_weight (N, d), non-negative
        - **output:** (N, C)

    Source: Kipf and Welling, "Semi-supervised classification with graph convolutional networks", 2017;
    ``torch_geometric.nn.GCNConv``.

    Example:
        >>> conv = GCNConv(16, 8)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.conv = _pyg().GCNConv(in_channels, out_channels)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors."""
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=None
        )
        weight = None if edge_weight is None else edge_weight[neighbors.mask]
        if not isinstance(x, tuple):
            return self.conv(x, neighbors.edge_index, weight)
        source, target = neighbors.edge_index
        weight = sources.new_ones(len(source)) if weight is None else weight
        heard = torch.zeros_like(targets).index_add(0, target, weight.unsqueeze(1) * sources[source])
        degree = weight.new_ones(len(targets)).index_add(0, target, weight)
        return self.conv.lin((targets + heard) / degree.unsqueeze(1)) + self.conv.bias


class _Attention(nn.Module):
    """What `GATConv` and `GATv2Conv` share."""

    def __init__(
        self,
        name: str,
        in_channels: int,
        out_channels: int,
        heads: int,
        dropout: float,
        edge_dim: int | None,
    ) -> None:
        super().__init__()
        check_heads(out_channels, heads)
        check_dropout(dropout)
        self.in_channels, self.edge_dim = in_channels, edge_dim
        # PyG would give self-loops to the first nodes of a pair, as if sources and targets were the same.
        options = {"dropout": dropout, "edge_dim": edge_dim, "add_self_loops": False}
        self.conv = getattr(_pyg(), name)(in_channels, out_channels // heads, heads, **options)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors; edge weights are not listened to."""
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim
        )
        own = torch.arange(len(targets), device=targets.device)
        attr = None if edge_attr is None else torch.cat([edge_attr[neighbors.mask], _mean_attr(edge_attr, neighbors)])
        if not isinstance(x, tuple):
            return self.conv(x, torch.cat([neighbors.edge_index, own.expand(2, -1)], dim=1), attr)
        # To have links of their own, targets must be sources, too: both become the nodes of one graph.
        shift = len(sources)
        source, target = neighbors.edge_index
        links = torch.stack([torch.cat([source, shift + own]), torch.cat([target, own]) + shift])
        return self.conv(torch.cat([sources, targets]), links, attr)[shift:]


class GATConv(_Attention):
    r"""Graph attention: scores are sums of what the node and its neighbor bring.

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{j \in \mathcal{N}(i) \cup \{i\}} \alpha_{ij} \mathbf{W} \mathbf{x}_j, \qquad
        \alpha_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}\big(\mathbf{a}^{\top} [\mathbf{W} \mathbf{x}_i \|
        \mathbf{W} \mathbf{x}_j \| \mathbf{W}_e \mathbf{e}_{ij}]\big)

    A node's own link carries the mean attributes of its links.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads, side by side in the output.
        dropout: share of attention weights that is dropped in training.
        edge_dim: width D of edge attributes; None for none.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d
          slots; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Velickovic et al., "Graph attention networks", 2018; ``torch_geometric.nn.GATConv``.

    Related: `GATv2Conv`, whose ranking of neighbors may differ from node to node.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        dropout: float = 0.0,
        edge_dim: int | None = None,
    ) -> None:
        super().__init__("GATConv", in_channels, out_channels, heads, dropout, edge_dim)


class GATv2Conv(_Attention):
    r"""Graph attention whose nonlinearity stands between node and score.

    .. math::
        \alpha_{ij} = \mathrm{softmax}_j\, \mathbf{a}^{\top} \mathrm{LeakyReLU}\big(\mathbf{W}_r \mathbf{x}_i +
        \mathbf{W}_l \mathbf{x}_j + \mathbf{W}_e \mathbf{e}_{ij}\big)

    In `GATConv` all nodes rank their neighbors alike; here the node has a say. Node and neighbor have a matrix each.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads, side by side in the output.
        dropout: share of attention weights that is dropped in training.
        edge_dim: width D of edge attributes; None for none.

    Shapes:
        - **input:** as of `GATConv`
        - **output:** (N, C)

    Source: Brody, Alon and Yahav, "How attentive are graph attention networks?", 2022;
    ``torch_geometric.nn.GATv2Conv``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        dropout: float = 0.0,
        edge_dim: int | None = None,
    ) -> None:
        super().__init__("GATv2Conv", in_channels, out_channels, heads, dropout, edge_dim)


class TransformerConv(nn.Module):
    r"""Dot-product attention whose keys and messages both carry the attributes of the link.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W}_1 \mathbf{x}_i + \sum_{j \in \mathcal{N}(i)} \alpha_{ij}
        (\mathbf{W}_2 \mathbf{x}_j + \mathbf{W}_e \mathbf{e}_{ij}), \qquad
        \alpha_{ij} = \mathrm{softmax}_j\, \frac{(\mathbf{W}_3 \mathbf{x}_i)^{\top}
        (\mathbf{W}_4 \mathbf{x}_j + \mathbf{W}_e \mathbf{e}_{ij})}{\sqrt{d}}

    In the other layers with edge attributes these say whom to listen to; here they are also a part of what is heard.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads, side by side in the output.
        edge_dim: width D of edge attributes; None for none.

    Shapes:
        - **input:** as of `GATConv`
        - **output:** (N, C)

    Source: Shi et al., "Masked label prediction: unified message passing model for semi-supervised classification",
    2021; ``torch_geometric.nn.TransformerConv``.
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int = 4, edge_dim: int | None = None) -> None:
        super().__init__()
        check_heads(out_channels, heads)
        self.in_channels, self.edge_dim = in_channels, edge_dim
        self.conv = _pyg().TransformerConv(in_channels, out_channels // heads, heads, edge_dim=edge_dim)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors; edge weights are not listened to."""
        both = check_inputs(x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim)
        return self.conv(both, neighbors.edge_index, None if edge_attr is None else edge_attr[neighbors.mask])


class SAGEConv(nn.Module):
    r"""GraphSAGE: the node beside a summary of its neighbors.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W}_1 \mathbf{x}_i + \mathbf{W}_2\,
        \mathrm{aggr}_{j \in \mathcal{N}(i)}\, \mathbf{x}_j

    Mean and max are PyG's. With ``aggr="lstm"`` a recurrent network reads the neighbors in the order of their slots,
    so that order matters; HNSW lists the nearest first. PyG's reads the padding, too, and its output depends on the
    largest degree in the batch; here it ends with a node's last neighbor.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        aggr: ``"mean"``, ``"max"`` or ``"lstm"``.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots
        - **output:** (N, C)

    Source: Hamilton, Ying and Leskovec, "Inductive representation learning on large graphs", 2017;
    ``torch_geometric.nn.SAGEConv``.
    """

    def __init__(self, in_channels: int, out_channels: int, aggr: str = "mean") -> None:
        super().__init__()
        if aggr not in ("mean", "max", "lstm"):
            raise InputError(f"`aggr` must be mean, max or lstm, got {aggr!r}.")
        self.in_channels = in_channels
        self.lstm = nn.LSTM(in_channels, in_channels, batch_first=True) if aggr == "lstm" else None
        self.conv = _pyg().SAGEConv(in_channels, out_channels, aggr="mean" if aggr == "lstm" else aggr)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors; edge weights are not listened to."""
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=None
        )
        if self.lstm is None:
            return self.conv((sources, targets), neighbors.edge_index)
        return self.conv.lin_l(self._read(self.lstm, sources, neighbors)) + self.conv.lin_r(targets)

    @staticmethod
    def _read(lstm: nn.LSTM, sources: Tensor, neighbors: NeighborTable) -> Tensor:
        """The state after a node's last neighbor, (N, C_in); zero where there is none."""
        states = sources.new_zeros(len(neighbors), lstm.hidden_size)
        linked = neighbors.degree > 0
        if not linked.any():
            return states
        filled_first = torch.argsort((~neighbors.mask[linked]).int(), dim=1, stable=True)
        ids = neighbors.ids[linked].long().gather(1, filled_first).clamp(min=0)
        lengths = neighbors.degree[linked].cpu()
        packed = pack_padded_sequence(F.embedding(ids, sources), lengths, batch_first=True, enforce_sorted=False)
        last = lstm(packed)[1][0].squeeze(0)
        return states.index_copy(0, linked.nonzero().squeeze(1), last)


def _mean_attr(edge_attr: Tensor, neighbors: NeighborTable) -> Tensor:
    """Mean attributes of each node's links, zero where it has none, (N, D)."""
    total = edge_attr.masked_fill(~neighbors.mask.unsqueeze(-1), 0).sum(dim=1)
    return total / neighbors.degree.clamp(min=1).unsqueeze(1)


def _pyg() -> Any:
    with warnings.catch_warnings():
        # PyG 2.8 scripts a class when it is imported, which torch 2.13 deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return require("torch_geometric.nn", extra="family")
