"""PyG's GCN and GraphSAGE behind our signature; its attention is in `pyg_attention`."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from graphlift.errors import InputError, require
from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_inputs


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
        self.conv = pyg_layers().GCNConv(in_channels, out_channels)

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
        self.conv = pyg_layers().SAGEConv(in_channels, out_channels, aggr="mean" if aggr == "lstm" else aggr)

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


def pyg_layers() -> Any:
    """The module `torch_geometric.nn`.

    Raises:
        MissingExtraError: PyG is not installed.
    """
    with warnings.catch_warnings():
        # PyG 2.8 scripts a class when it is imported, which torch 2.13 deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return require("torch_geometric.nn", extra="family")
