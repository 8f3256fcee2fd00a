"""Message passing on the query's own subgraph, which scores its candidates."""

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
    r"""Scores candidates by message passing among them and the past queries near.

    Candidates and past queries are nodes; a `RuvectorConv` with edge attributes (similarities, shared answers) lets
    every candidate listen to all of them. Every head is born listening along one kind of link. The score is

    .. math::
        s_c = \beta\, \mathrm{sim}(\mathbf{q}, \mathbf{x}_c) + \mathbf{u}^{\top} \mathbf{h}_c
        + \mathbf{v}^{\top} \mathbf{f}_c

    with the last state :math:`\mathbf{h}_c` and the attributes :math:`\mathbf{f}_c`; u and v are born zero, so a
    fresh ranker keeps the order of the walk.

    With a shortlist every candidate is scored alone first, with its first state :math:`\mathbf{h}^0_c` and a vector w,
    born zero, too, in place of :math:`\mathbf{u}^{\top} \mathbf{h}_c`. Only those that score best exchange messages,
    and get :math:`\mathbf{u}^{\top} \mathbf{h}_c` on top.

    Args:
        hidden_channels: width of the node states.
        num_layers: how far messages travel.
        heads: attention heads.
        dropout: of node states, in training.
        conv: the layer, by its name in `graphlift.nn.family`; one without a dense form listens along the strongest
            links alone.
        num_shortlisted: how many candidates exchange messages; all where left out.

    Attributes:
        cold_bonus: what a search adds to the score of a candidate that answered no past query; born zero, set after
            training, and no part of `forward`.

    Example:
        >>> sum(p.numel() for p in SubgraphRanker().parameters()) < 20_000
        True
    """

    cold_bonus: Tensor

    def __init__(
        self,
        hidden_channels: int = 32,
        num_layers: int = 1,
        heads: int = 4,
        dropout: float = 0.05,
        conv: str = DEFAULT,
        num_shortlisted: int | None = None,
    ) -> None:
        super().__init__()
        self.dropout, self.num_shortlisted = dropout, num_shortlisted
        self.norm_node, self.norm_past = Standardize(len(NODE_ATTRS)), Standardize(len(PAST_ATTRS))
        self.norm_edge = Standardize(len(EDGE_ATTRS))
        self.embed_node = _embedding(len(NODE_ATTRS), hidden_channels)
        self.embed_past = _embedding(len(PAST_ATTRS), hidden_channels)
        self.convs = nn.ModuleList(_conv(conv, hidden_channels, heads) for _ in range(num_layers))
        self.lin_state = nn.Linear(hidden_channels, 1)
        self.lin_attr = nn.Linear(len(NODE_ATTRS), 1, bias=False)
        self.scale = nn.Parameter(torch.tensor(20.0))
        self.register_buffer("cold_bonus", torch.tensor(0.0))
        self.lin_alone = None if num_shortlisted is None else nn.Linear(hidden_channels, 1, bias=False)
        for lin in (self.lin_state, self.lin_attr, self.lin_alone):
            for zero in () if lin is None else lin.parameters():
                nn.init.zeros_(zero)

    def fit_norms(self, subgraphs: Subgraphs) -> None:
        """Measure the attributes of the training subgraphs, once, before training."""
        self.norm_node.fit(subgraphs.node_attr[subgraphs.mask])
        self.norm_past.fit(subgraphs.past_attr)
        self.norm_edge.fit(subgraphs.edge_attr[:512].movedim(1, -1))  # a sample: links are many and alike

    def forward(self, subgraphs: Subgraphs) -> Tensor:
        """Scores of the candidates (B, n); those of masked ones mean nothing."""
        states, scores = self._alone(subgraphs)
        places = self._shortlist(scores, subgraphs.mask)
        if places is not None:
            states, subgraphs = torch.take_along_dim(states, places.unsqueeze(2), dim=1), subgraphs.among(places)
        past, mask, edge_attr = self._heard(subgraphs)
        for conv in self._layers:
            states = conv.forward_dense((torch.cat([states, past], dim=1), states), mask, edge_attr=edge_attr)
            states = F.dropout(states, self.dropout, self.training)
        heard = self.lin_state(states).squeeze(2)
        return scores + heard if places is None else scores.scatter_add(1, places, heard)

    def _alone(self, subgraphs: Subgraphs) -> tuple[Tensor, Tensor]:
        """First states of candidates, and their scores without any message, (B, n)."""
        node_attr = self.norm_node(subgraphs.node_attr)
        states = F.dropout(self.embed_node(node_attr), self.dropout, self.training)
        learned = self.lin_attr(node_attr)
        if self.lin_alone is not None:
            learned = learned + self.lin_alone(states)
        return states, self.scale * subgraphs.similarity + learned.squeeze(2)

    def _shortlist(self, scores: Tensor, mask: Tensor) -> Tensor | None:
        """The places of the candidates that exchange messages, best first, (B, m); None for all of them."""
        if self.num_shortlisted is None:
            return None
        best = scores.detach().masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
        return best[:, : self.num_shortlisted]

    def _heard(self, subgraphs: Subgraphs) -> tuple[Tensor, Tensor, Tensor]:
        """States of past queries, who is listened to (B, 1, m + S), and the attributes of links."""
        past = self.embed_past(self.norm_past(subgraphs.past_attr))
        heard = torch.cat([subgraphs.mask, subgraphs.mask.new_ones(past.shape[:2])], dim=1)
        # A mean taken off all links alike would cancel in the softmax, so they are scaled only.
        stretch = EDGE_SCALE / self.norm_edge.deviation
        edge_attr = subgraphs.edge_attr * stretch.view(-1, 1, 1)  # from float16, too, in one pass
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
        (states, scores), (count, width) = self._alone(subgraphs), subgraphs.edge_attr.shape[2:]
        places = self._shortlist(scores, subgraphs.mask)
        if places is None:
            places = torch.arange(count).expand(len(states), -1)
        states = torch.take_along_dim(states, places.unsqueeze(2), dim=1)
        past, mask, edge_attr = self._heard(subgraphs.among(places))
        weights = self._layers[0].attention_dense((torch.cat([states, past], dim=1), states), mask, edge_attr)
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
