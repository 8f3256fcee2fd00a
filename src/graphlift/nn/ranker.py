"""Scores of a query's candidates: one by one, then by message passing among the best of them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.nn.conv import RuvectorConv
from graphlift.nn.family import DEFAULT, member
from graphlift.nn.strongest import StrongestLinks
from graphlift.search.attributes import EDGE_ATTRS, NODE_ATTRS, PAST_ATTRS
from graphlift.search.subgraph import Subgraphs


class Standardize(nn.Module):
    """Shifts and scales every channel to mean 0 and deviation 1 over the training set.

    Shapes:
        - **input, output:** (..., C)
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def fit(self, x: Tensor) -> None:
        """Measure mean and deviation over all but the last axis of x."""
        x = x.float().flatten(0, -2)
        if len(x):
            self.mean.copy_(x.mean(dim=0))
            self.deviation.copy_(x.std(dim=0, correction=0) + 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """The standardised channels."""
        return (x - self.mean) / self.deviation


EDGE_SCALE = 5.0
"""Standardised link attributes are stretched by this, so that their weights move faster than others do."""
FIRST_PULL = 2.0
"""How strongly a fresh head listens along its kind of link: the score of a link one deviation above the mean."""


class SubgraphRanker(nn.Module):
    r"""Scores candidates one by one, then the best of them by message passing among them and the past queries near.

    First every candidate is scored by its own attributes alone. Those that score best are the shortlist. They and the
    past queries are nodes; a `RuvectorConv` with edge attributes (similarities, shared answers) lets everyone on the
    shortlist listen to all of them. Every head is born listening along one kind of link. The score is

    .. math::
        s_c = \beta\, \mathrm{sim}(\mathbf{q}, \mathbf{x}_c) + \mathbf{v}^{\top} \mathbf{f}_c
        + \mathbf{w}^{\top} \mathbf{h}^0_c + \mathbf{u}^{\top} \mathbf{h}_c

    with the attributes :math:`\mathbf{f}_c`, the state :math:`\mathbf{h}^0_c` that is made of them and, on the
    shortlist, the state :math:`\mathbf{h}_c` after the messages. u, v and w are born zero, so a fresh ranker keeps the
    order of the walk.

    Args:
        hidden_channels: width of the node states.
        num_layers: how far messages travel.
        heads: attention heads.
        dropout: of node states, in training.
        conv: the layer, by its name in `graphlift.nn.family`; one without a dense form listens along the strongest
            links alone.
        num_shortlisted: how many candidates exchange messages.

    Attributes:
        cold_bonus: what a search adds to the score of a candidate that answered no past query; born zero, set after
            training, and no part of `forward`.

    Example:
        >>> sum(p.numel() for p in SubgraphRanker(hidden_channels=48).parameters()) < 100_000
        True
    """

    cold_bonus: Tensor

    def __init__(
        self,
        hidden_channels: int = 48,
        num_layers: int = 1,
        heads: int = 4,
        dropout: float = 0.1,
        conv: str = DEFAULT,
        num_shortlisted: int = 24,
    ) -> None:
        super().__init__()
        self.dropout, self.num_shortlisted = dropout, num_shortlisted
        self.norm_node, self.norm_past = Standardize(len(NODE_ATTRS)), Standardize(len(PAST_ATTRS))
        self.norm_edge = Standardize(len(EDGE_ATTRS))
        self.embed_node = _embedding(len(NODE_ATTRS), hidden_channels)
        self.embed_past = _embedding(len(PAST_ATTRS), hidden_channels)
        self.convs = nn.ModuleList(_conv(conv, hidden_channels, heads) for _ in range(num_layers))
        self.lin_state = nn.Linear(hidden_channels, 1)
        self.lin_alone = nn.Linear(hidden_channels, 1, bias=False)
        self.lin_attr = nn.Linear(len(NODE_ATTRS), 1, bias=False)
        self.scale = nn.Parameter(torch.tensor(20.0))
        self.register_buffer("cold_bonus", torch.tensor(0.0))
        for zero in (self.lin_state.weight, self.lin_state.bias, self.lin_alone.weight, self.lin_attr.weight):
            nn.init.zeros_(zero)

    def fit_norms(self, subgraphs: Subgraphs) -> None:
        """Measure the attributes of the training subgraphs, once, before training."""
        self.norm_node.fit(subgraphs.node_attr[subgraphs.mask])
        self.norm_past.fit(subgraphs.past_attr)
        self.norm_edge.fit(subgraphs.edge_attr[:512].movedim(1, -1))  # a sample: links are many and alike

    def forward(self, subgraphs: Subgraphs) -> Tensor:
        """Scores of the candidates (B, n); those of masked ones mean nothing."""
        states, alone, places = self._shortlist(subgraphs)
        states = torch.take_along_dim(states, places.unsqueeze(2), dim=1)
        past, mask, edge_attr = self._heard(subgraphs.among(places))
        for conv in self._layers:
            states = conv.forward_dense((torch.cat([states, past], dim=1), states), mask, edge_attr=edge_attr)
            states = F.dropout(states, self.dropout, self.training)
        return alone.scatter_add(1, places, self.lin_state(states).squeeze(2))

    def _shortlist(self, subgraphs: Subgraphs) -> tuple[Tensor, Tensor, Tensor]:
        """First states of candidates, scores by these alone (B, n), and the places of the best, best first (B, m)."""
        node_attr = self.norm_node(subgraphs.node_attr)
        states = F.dropout(self.embed_node(node_attr), self.dropout, self.training)
        learned = self.lin_alone(states) + self.lin_attr(node_attr)
        alone = self.scale * subgraphs.similarity + learned.squeeze(2)
        best = alone.detach().masked_fill(~subgraphs.mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
        return states, alone, best[:, : self.num_shortlisted]

    def _heard(self, shortlist: Subgraphs) -> tuple[Tensor, Tensor, Tensor]:
        """States of past queries, who is listened to (B, 1, m + S), and the attributes of links."""
        past = self.embed_past(self.norm_past(shortlist.past_attr))
        heard = torch.cat([shortlist.mask, shortlist.mask.new_ones(past.shape[:2])], dim=1)
        # A mean taken off all links alike would cancel in the softmax, so they are scaled only.
        stretch = EDGE_SCALE / self.norm_edge.deviation
        edge_attr = shortlist.edge_attr * stretch.view(-1, 1, 1)  # from float16, too, in one pass
        past = F.dropout(past, self.dropout, self.training)
        return past, heard.unsqueeze(1), edge_attr.movedim(1, -1)

    @property
    def attends(self) -> bool:
        """Whether the layers have an `attention` that can be shown."""
        return all(isinstance(conv, RuvectorConv) for conv in self.convs)

    @torch.no_grad()
    def attention(self, subgraphs: Subgraphs) -> Tensor:
        """How much each candidate listens to each node in the first layer, mean of heads, (B, n, n + S).

        Only where it `attends`. Candidates that are not on the shortlist listen to themselves.
        """
        states, _, places = self._shortlist(subgraphs)
        states = torch.take_along_dim(states, places.unsqueeze(2), dim=1)
        past, mask, edge_attr = self._heard(subgraphs.among(places))
        weights = self._layers[0].attention_dense((torch.cat([states, past], dim=1), states), mask, edge_attr)
        count, width = subgraphs.edge_attr.shape[2:]
        batch = torch.arange(len(places)).view(-1, 1, 1)
        sources = torch.cat([places, torch.arange(count, width).expand(len(places), -1)], dim=1)
        attention = torch.eye(count, width).repeat(len(places), 1, 1)
        attention[batch, places.unsqueeze(2)] = 0.0
        attention[batch, places.unsqueeze(2), sources.unsqueeze(1)] = weights.mean(dim=1)
        return attention

    @property
    def _layers(self) -> list[RuvectorConv]:
        return cast("list[RuvectorConv]", list(self.convs))


def _conv(name: str, channels: int, heads: int) -> nn.Module:
    """A layer; of the default one, head h looks along link attribute h mod D alone, at first."""
    attrs = len(EDGE_ATTRS)
    if name != DEFAULT:
        return StrongestLinks(member(name), channels, heads, attrs, temperature=EDGE_SCALE)
    conv = RuvectorConv(channels, channels, heads, edge_dim=attrs)
    with torch.no_grad():
        pattern = torch.eye(attrs)[torch.arange(heads) % attrs]  # (heads, D)
        conv.get_parameter("lin_edge.weight").copy_(FIRST_PULL / EDGE_SCALE * pattern)
    return conv


def _embedding(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_channels, out_channels), nn.GELU(), nn.Linear(out_channels, out_channels))
