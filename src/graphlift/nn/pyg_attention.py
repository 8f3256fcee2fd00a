"""PyG's attention layers behind our signature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_dropout, check_heads, check_inputs
from graphlift.nn.pyg import pyg_layers


class _Attention(nn.Module):
    """What `GATConv` and `GATv2Conv` share; ``layer`` is PyG's name."""

    layer: str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        dropout: float = 0.0,
        edge_dim: int | None = None,
    ) -> None:
        super().__init__()
        check_heads(out_channels, heads)
        check_dropout(dropout)
        self.in_channels, self.edge_dim = in_channels, edge_dim
        # PyG would give self-loops to the first nodes of a pair, as if sources and targets were the same.
        options = {"dropout": dropout, "edge_dim": edge_dim, "add_self_loops": False}
        self.conv = getattr(pyg_layers(), self.layer)(in_channels, out_channels // heads, heads, **options)

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

    layer = "GATConv"


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

    layer = "GATv2Conv"


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
        self.conv = pyg_layers().TransformerConv(in_channels, out_channels // heads, heads, edge_dim=edge_dim)

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


def _mean_attr(edge_attr: Tensor, neighbors: NeighborTable) -> Tensor:
    """Mean attributes of each node's links, zero where it has none, (N, D)."""
    total = edge_attr.masked_fill(~neighbors.mask.unsqueeze(-1), 0).sum(dim=1)
    return total / neighbors.degree.clamp(min=1).unsqueeze(1)
