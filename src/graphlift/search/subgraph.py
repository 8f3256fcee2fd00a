"""A query's own subgraph: its candidates, the past queries near it, and the links among them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from graphlift.memory import STRIDE, Memory
from graphlift.search.alike import votes_of_alike
from graphlift.search.answered import Answered
from graphlift.search.attributes import (
    NODE_ATTRS,
    Record,
    Side,
    attributes_of_candidates,
    attributes_of_links,
    attributes_of_past,
    linked,
)
from graphlift.search.hubness import Hubness
from graphlift.search.similarity import Similarity
from graphlift.search.sketches import Sketches

VOTE_TEMPERATURE = 0.05
"""Of the softmax that weighs past queries by nearness."""


@dataclass(frozen=True, eq=False)
class Subgraphs:
    """The subgraphs of B queries: n candidates and S past queries each, and P of those that vote.

    Attributes:
        rows: candidates, int64 (B, n).
        mask: which candidates are real, (B, n).
        past: past queries that vote, by their numbers in the memory, int64 (B, P), nearest first; S of them are nodes.
        turn: whose turn it is to score them, as `graphlift.model.LiftModel.turn_of_queries`, int64 (B,).
        similarity: lifted similarity of query and candidate, (B, n).
        node_attr: attributes of candidates, (B, n, number of `NODE_ATTRS`).
        past_attr: attributes of past queries that are nodes, (B, S, number of `PAST_ATTRS`).
        edge_attr: attributes of the links from candidates and past queries to candidates,
            channels first, (B, number of `EDGE_ATTRS`, n, n + S).
    """

    rows: Tensor
    mask: Tensor
    past: Tensor
    turn: Tensor
    similarity: Tensor
    node_attr: Tensor
    past_attr: Tensor
    edge_attr: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def cold(self) -> Tensor:
        """Which candidates no past query was answered by, but for the query's own answers, (B, n)."""
        return self.node_attr[..., NODE_ATTRS.index("warm")] == 0

    def __getitem__(self, queries: Tensor | slice) -> Self:
        """The subgraphs of some queries, by their places."""
        return type(self)(**{f.name: getattr(self, f.name)[queries] for f in fields(self)})

    def among(self, places: Tensor) -> Self:
        """The same with only some of the candidates, by their places (B, m); what candidates carry stays as it was."""
        count, width = self.edge_attr.shape[2:]
        heard = torch.arange(count, width, device=places.device).expand(len(places), -1)
        cells = places.unsqueeze(2) * width + torch.cat([places, heard], dim=1).unsqueeze(1)  # (B, m, m + S)
        links = torch.take_along_dim(self.edge_attr.flatten(2), cells.flatten(1).unsqueeze(1), dim=2)
        return replace(
            self,
            rows=self.rows.gather(1, places),
            mask=self.mask.gather(1, places),
            similarity=self.similarity.gather(1, places),
            node_attr=torch.take_along_dim(self.node_attr, places.unsqueeze(2), dim=1),
            edge_attr=links.unflatten(2, cells.shape[1:]),
        )

    def compact(self) -> Self:
        """The same with attributes of links as float16: they take most of the memory where subgraphs are kept."""
        return replace(self, edge_attr=self.edge_attr.half())

    def to(self, device: torch.device | str) -> Self:
        """The same subgraphs on another device."""
        return type(self)(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    @classmethod
    def cat(cls, parts: list[Self]) -> Self:
        """Subgraphs of all queries of several batches."""
        return cls(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)})


@dataclass(frozen=True, eq=False)
class Space:
    """Documents and past queries, frozen and lifted, among which subgraphs are drawn.

    Attributes:
        similarity: how vectors compare.
        frozen, lifted: documents, (N, C).
        memory: past queries and their answers; its queries are the frozen ones.
        past_lifted: the past queries lifted, (Q, C).
        answered: what each document answered.
        links: the index's bottom level, ``-1`` for empty, int32 (N, d).
        hubness: how near documents are to what was asked.
        sketches: by which nodes of a subgraph are compared with each other.
    """

    similarity: Similarity
    frozen: Tensor
    lifted: Tensor
    memory: Memory
    past_lifted: Tensor
    answered: Answered
    links: Tensor
    hubness: Hubness
    sketches: Sketches

    @classmethod
    def of(
        cls,
        similarity: Similarity,
        frozen: Tensor,
        lifted: Tensor,
        memory: Memory,
        past_lifted: Tensor,
        links: Tensor,
        hubness: Hubness | None = None,
        axes: Tensor | None = None,
    ) -> Self:
        """The space of these vectors and links; nothing was asked where ``hubness`` is left out, and ``axes`` (C, D) of
        sketches are all there are."""
        answered = Answered.of(memory, past_lifted, len(frozen))
        if hubness is None:
            hubness = Hubness.of(similarity, (frozen, lifted), (frozen[:0], lifted[:0]))
        sketches = Sketches(torch.eye(frozen.shape[1]) if axes is None else axes, (frozen, lifted))
        return cls(similarity, frozen, lifted, memory, past_lifted, answered, links, hubness, sketches)

    def remembering(self, memory: Memory, past_lifted: Tensor, rows: Tensor) -> Self:
        """The space with another memory, which differs in what it says of these documents."""
        answered = self.answered.updated(memory, past_lifted, rows)
        return replace(self, memory=memory, past_lifted=past_lifted, answered=answered)


def build_subgraphs(
    space: Space,
    frozen: Tensor,
    lifted: Tensor,
    walk: Tensor,
    past: Tensor,
    num_recalled: int,
    num_past_nodes: int,
    own: Tensor | None = None,
    turn: Tensor | None = None,
    hidden: Tensor | None = None,
) -> Subgraphs:
    """Draw the subgraphs of B queries.

    Args:
        space: documents and memory.
        frozen, lifted: the queries before and after the lift, (B, C).
        walk: rows that the walk in the lifted space found, distinct, best first, int64 (B, m).
        past: the nearest past queries, nearest first, int64 (B, P).
        num_recalled: how many more candidates may join because near past queries were answered by them.
        num_past_nodes: how many of the past queries are nodes, the nearest ones.
        own: the queries' own numbers in the memory, where they are part of it: their own answers then do not
            count in any attribute, (B,). ``past`` must not name them.
        turn: whose turn it is, (B,); the first one's where left out.
        hidden: one row for each query that is no candidate, as where a document asks in the place of a query, (B,).
    """
    rows, mask, in_frozen, in_lifted, answer, slot = find_candidates(space, frozen, lifted, walk, past, num_recalled)
    if hidden is not None:
        mask = mask & (rows != hidden.unsqueeze(1))
    batch = torch.arange(len(walk)).unsqueeze(1)
    answered = _answered(batch * STRIDE + rows, mask, answer, slot, past.shape[1])  # (B, n, P)

    frozen_side = in_frozen.side(space, frozen, space.frozen[rows], num_past_nodes)
    lifted_side = in_lifted.side(space, lifted, space.lifted[rows], num_past_nodes)
    to_query = frozen_side.to_query, lifted_side.to_query
    hubness = _hubness(space, rows, own, hidden, frozen, to_query)
    record = Record(*_answers(space, rows, lifted, _weights_of(mask, *to_query), own), *hubness)
    return Subgraphs(
        rows,
        mask,
        past,
        torch.zeros(len(walk), dtype=torch.int64) if turn is None else turn,
        lifted_side.to_query,
        attributes_of_candidates(frozen_side, lifted_side, record, answered, mask),
        attributes_of_past(frozen_side, lifted_side, answered, space.memory.counts[past[:, :num_past_nodes]]),
        attributes_of_links(frozen_side, lifted_side, answered, linked(space.links, rows, mask)),
    )


class Candidates(NamedTuple):
    """The candidates of B queries, and how they were found.

    Attributes:
        rows, mask: as in `Subgraphs`.
        in_frozen, in_lifted: the past queries in both spaces.
        answer, slot: answers of the past queries, each as a number that knows its query and its row, and whose they are
            of all B * P past queries, (E,).
    """

    rows: Tensor
    mask: Tensor
    in_frozen: _Nearness
    in_lifted: _Nearness
    answer: Tensor
    slot: Tensor


def find_candidates(
    space: Space, frozen: Tensor, lifted: Tensor, walk: Tensor, past: Tensor, num_recalled: int
) -> Candidates:
    """The candidates of B queries, without their attributes; arguments as in `build_subgraphs`."""
    memory = space.memory
    in_frozen = _Nearness.of(space.similarity, frozen, memory.queries[past])
    in_lifted = _Nearness.of(space.similarity, lifted, space.past_lifted[past])
    entry, slot = memory.entries(past.flatten())
    answer = slot // max(past.shape[1], 1) * STRIDE + memory.rows[entry]
    votes = (in_frozen.weight + in_lifted.weight).flatten()[slot]
    recalled, recalled_mask = _recall(answer, votes, walk, num_recalled)
    rows = torch.cat([walk, recalled], dim=1)
    mask = torch.cat([torch.ones_like(walk, dtype=torch.bool), recalled_mask], dim=1)
    return Candidates(rows, mask, in_frozen, in_lifted, answer, slot)


class _Nearness(NamedTuple):
    """Past queries beside a query in one space: vectors (B, P, C), similarity and weight (B, P)."""

    past: Tensor
    similarity: Tensor
    weight: Tensor

    @classmethod
    def of(cls, similarity: Similarity, query: Tensor, past: Tensor) -> _Nearness:
        near = similarity.pairwise(query.unsqueeze(1), past).squeeze(1)
        return cls(past, near, (near / VOTE_TEMPERATURE).softmax(dim=1))

    def side(self, space: Space, query: Tensor, candidates: Tensor, num_past_nodes: int) -> Side:
        """The whole subgraph in this space, once its candidates (B, n, C) are known."""
        to_query = space.similarity.pairwise(candidates, query.unsqueeze(1)).squeeze(2)
        sketched, past = map(space.sketches.along, (candidates, self.past[:, :num_past_nodes]))
        links = space.similarity.pairwise(sketched, torch.cat([sketched, past], dim=1))
        return Side(to_query, self.similarity, self.weight, links)


def _hubness(
    space: Space,
    rows: Tensor,
    own: Tensor | None,
    hidden: Tensor | None,
    frozen: Tensor,
    to_query: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """The last parts of a `Record`, without the queries themselves, also where a document asks in their place."""
    if own is not None and hidden is not None:
        frozen, sides = space.memory.queries[own], (space.frozen, space.lifted)
        own_sides = zip(sides, (frozen, space.past_lifted[own]), strict=True)
        to_frozen, to_lifted = (
            space.similarity.pairwise(documents[rows], x.unsqueeze(1)).squeeze(2) for documents, x in own_sides
        )
        to_query = to_frozen, to_lifted
    return space.hubness.around(rows, None if own is None else frozen, to_query)


def _weights_of(mask: Tensor, *to_query: Tensor) -> Tensor:
    """How much candidates vote by their nearness to the query, once for each space, (S, B, n)."""
    near = torch.stack(to_query) / VOTE_TEMPERATURE
    return near.masked_fill(~mask, -torch.inf).softmax(dim=2)


def _answers(
    space: Space, rows: Tensor, lifted: Tensor, weights: Tensor, own: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first parts of a `Record`, without the queries' own answers; weights of candidates are (2, B, n)."""
    lines = space.answered.place[rows]
    count, total = space.answered.counts[lines], space.answered.sums[lines]
    asked = space.answered.latest[lines]
    if own is not None:
        is_own = space.memory.holds(own.unsqueeze(1), rows).float()
        count = count - is_own
        total = total - is_own.unsqueeze(2) * space.past_lifted[own].unsqueeze(1)
        asked = asked.masked_fill(asked == own.view(-1, 1, 1), -1)
    mean = space.similarity.finish(total / count.clamp(min=1).unsqueeze(2))
    to_mean = space.similarity.pairwise(mean, lifted.unsqueeze(1)).squeeze(2)
    alike_frozen, alike_lifted = votes_of_alike(weights, asked)
    return count, to_mean * (count > 0), alike_frozen, alike_lifted


def _recall(answer: Tensor, vote: Tensor, walk: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The most voted answers of each query that its walk did not find: rows and mask, (B, count)."""
    rows, mask = torch.zeros(len(walk), count, dtype=torch.int64), torch.zeros(len(walk), count, dtype=torch.bool)
    keys, place = answer.unique(return_inverse=True)
    votes = torch.zeros(len(keys)).index_add_(0, place, vote)
    found = (torch.arange(len(walk)).unsqueeze(1) * STRIDE + walk).flatten()
    new = ~torch.isin(keys, found)
    keys, votes = keys[new], votes[new]
    order = torch.argsort(votes, descending=True, stable=True)
    order = order[torch.argsort(keys[order] // STRIDE, stable=True)]  # by query, then by vote
    keys = keys[order]
    owner = keys // STRIDE
    rank = torch.arange(len(keys)) - torch.searchsorted(owner, owner)
    kept = rank < count
    rows[owner[kept], rank[kept]] = keys[kept] % STRIDE
    mask[owner[kept], rank[kept]] = True
    return rows, mask


def _answered(candidates: Tensor, mask: Tensor, answer: Tensor, slot: Tensor, num_past: int) -> Tensor:
    """Which candidate answered which past query, float (B, n, P)."""
    keys, order = candidates.masked_fill(~mask, -1).flatten().sort()
    place = torch.searchsorted(keys, answer).clamp(max=len(keys) - 1)
    hit = keys[place] == answer
    answered = torch.zeros(candidates.numel(), max(num_past, 1))
    answered[order[place[hit]], slot[hit] % max(num_past, 1)] = 1
    return answered.view(*candidates.shape, max(num_past, 1))[..., :num_past]
