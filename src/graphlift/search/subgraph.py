"""A query's own subgraph: its candidates, the past queries near it, and the links among them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from graphlift.memory import Memory
from graphlift.search.similarity import Similarity

NODE_ATTRS = (
    "lifted similarity",
    "frozen similarity",
    "lifted similarity below the first",
    "lifted similarity, standardised",
    "frozen similarity, standardised",
    "reciprocal lifted rank",
    "reciprocal frozen rank",
    "nearest past query it answered, lifted",
    "nearest past query it answered, frozen",
    "votes of past queries, lifted",
    "votes of past queries, frozen",
    "log of votes",
    "past queries near that it answered",
    "past queries that it answered",
    "warm",
    "similarity to the mean past query it answered",
    "familiarity of the query",
    "nearest past query it answered, below familiarity",
    "strongest vote of the query",
)
"""What each channel of a candidate's attributes means."""

PAST_ATTRS = (
    "lifted similarity",
    "frozen similarity",
    "weight, lifted",
    "weight, frozen",
    "reciprocal rank",
    "answers",
    "answers among the candidates",
)
"""What each channel of a past query's attributes means."""

EDGE_ATTRS = ("lifted similarity", "frozen similarity", "shared answers", "index link")
"""What each channel of a link's attributes means."""

VOTE_TEMPERATURE = 0.05
_STRIDE = 1 << 32  # more than any row: a candidate of query b becomes the one number b * _STRIDE + row


@dataclass(frozen=True, eq=False)
class Subgraphs:
    """The subgraphs of B queries: n candidates and P past queries each.

    Attributes:
        rows: candidates, int64 (B, n).
        mask: which candidates are real, (B, n).
        past: past queries, by their numbers in the memory, nearest first, int64 (B, P).
        similarity: lifted similarity of query and candidate, (B, n).
        node_attr: attributes of candidates, (B, n, len(NODE_ATTRS)).
        past_attr: attributes of past queries, (B, P, len(PAST_ATTRS)).
        edge_attr: attributes of the links from candidates and past queries to candidates,
            channels first, float16 (B, len(EDGE_ATTRS), n, n + P).
    """

    rows: Tensor
    mask: Tensor
    past: Tensor
    similarity: Tensor
    node_attr: Tensor
    past_attr: Tensor
    edge_attr: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, queries: Tensor | slice) -> Self:
        """The subgraphs of some queries, by their places."""
        return type(self)(**{f.name: getattr(self, f.name)[queries] for f in fields(self)})

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
        answer_sums: sum of the lifted past queries that each document answered, (N, C).
        answer_counts: how many they are, float (N,).
        links: the index's bottom level, ``-1`` for empty, int32 (N, d).
    """

    similarity: Similarity
    frozen: Tensor
    lifted: Tensor
    memory: Memory
    past_lifted: Tensor
    answer_sums: Tensor
    answer_counts: Tensor
    links: Tensor

    @classmethod
    def of(
        cls,
        similarity: Similarity,
        frozen: Tensor,
        lifted: Tensor,
        memory: Memory,
        past_lifted: Tensor,
        links: Tensor,
    ) -> Self:
        """The space of these vectors and links."""
        sums = torch.zeros_like(lifted).index_add_(0, memory.rows, past_lifted[memory.query_of_answer])
        counts = memory.answer_counts(len(frozen)).float()
        return cls(similarity, frozen, lifted, memory, past_lifted, sums, counts, links)


def build_subgraphs(
    space: Space,
    frozen: Tensor,
    lifted: Tensor,
    walk: Tensor,
    past: Tensor,
    num_recalled: int,
    own: Tensor | None = None,
) -> Subgraphs:
    """Draw the subgraphs of B queries.

    Args:
        space: documents and memory.
        frozen, lifted: the queries before and after the lift, (B, C).
        walk: rows that the walk in the lifted space found, distinct, best first, int64 (B, m).
        past: the nearest past queries, nearest first, int64 (B, P).
        num_recalled: how many more candidates may join because near past queries were answered by them.
        own: the queries' own numbers in the memory, where they are part of it: their own answers then do not
            count in any attribute, (B,). ``past`` must not name them.
    """
    batch = torch.arange(len(walk)).unsqueeze(1)
    past_frozen, past_lifted = space.memory.queries[past], space.past_lifted[past]  # (B, P, C)
    near_frozen = space.similarity.pairwise(frozen.unsqueeze(1), past_frozen).squeeze(1)  # (B, P)
    near_lifted = space.similarity.pairwise(lifted.unsqueeze(1), past_lifted).squeeze(1)
    weight_frozen = (near_frozen / VOTE_TEMPERATURE).softmax(dim=1)
    weight_lifted = (near_lifted / VOTE_TEMPERATURE).softmax(dim=1)

    entry, slot = space.memory.entries(past.flatten())  # answers of the past queries, and whose they are
    answer = slot // max(past.shape[1], 1) * _STRIDE + space.memory.rows[entry]
    recalled, recalled_mask = _recall(answer, (weight_frozen + weight_lifted).flatten()[slot], walk, num_recalled)
    rows = torch.cat([walk, recalled], dim=1)
    mask = torch.cat([torch.ones_like(walk, dtype=torch.bool), recalled_mask], dim=1)
    answered = _answered(batch * _STRIDE + rows, mask, answer, slot, past.shape[1])  # (B, n, P)

    candidates_frozen, candidates_lifted = space.frozen[rows], space.lifted[rows]  # (B, n, C)
    to_frozen = space.similarity.pairwise(candidates_frozen, frozen.unsqueeze(1)).squeeze(2)
    to_lifted = space.similarity.pairwise(candidates_lifted, lifted.unsqueeze(1)).squeeze(2)
    top = to_lifted.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)

    count, total = space.answer_counts[rows], space.answer_sums[rows]
    if own is not None:
        is_own = space.memory.holds(own.unsqueeze(1), rows).float()
        count = count - is_own
        total = total - is_own.unsqueeze(2) * space.past_lifted[own].unsqueeze(1)
    warm = (count > 0).float()
    mean_answer = space.similarity.finish(total / count.clamp(min=1).unsqueeze(2))
    to_mean = space.similarity.pairwise(mean_answer, lifted.unsqueeze(1)).squeeze(2) * warm

    vote_frozen, vote_lifted = (answered * w.unsqueeze(1) for w in (weight_frozen, weight_lifted))
    vote_frozen, vote_lifted = vote_frozen.sum(dim=2), vote_lifted.sum(dim=2)
    best_frozen, best_lifted = (_best(answered, near) for near in (near_frozen, near_lifted))
    near_count = answered.sum(dim=2)
    familiarity = near_lifted.amax(dim=1, keepdim=True) if past.shape[1] else to_lifted.new_zeros(len(rows), 1)
    node_attr = torch.stack(
        [
            to_lifted,
            to_frozen,
            to_lifted - top,
            _standardised(to_lifted, mask),
            _standardised(to_frozen, mask),
            1 / (1 + _rank(to_lifted, mask)),
            1 / (1 + _rank(to_frozen, mask)),
            best_lifted,
            best_frozen,
            vote_lifted,
            vote_frozen,
            vote_lifted.clamp(min=1e-4).log(),
            near_count.log1p(),
            count.log1p(),
            warm,
            to_mean,
            familiarity.expand_as(to_lifted),
            (best_lifted - familiarity) * (near_count > 0),
            vote_lifted.amax(dim=1, keepdim=True).expand_as(to_lifted),
        ],
        dim=2,
    )
    past_attr = torch.stack(
        [
            near_lifted,
            near_frozen,
            weight_lifted,
            weight_frozen,
            1 / (1 + torch.arange(past.shape[1])).expand_as(near_lifted),
            space.memory.counts[past].float().log1p(),
            answered.sum(dim=1).log1p(),
        ],
        dim=2,
    )
    edge_attr = torch.stack(
        [
            space.similarity.pairwise(candidates_lifted, torch.cat([candidates_lifted, past_lifted], dim=1)),
            space.similarity.pairwise(candidates_frozen, torch.cat([candidates_frozen, past_frozen], dim=1)),
            torch.cat([_shared(answered, near_count), answered], dim=2),
            F.pad(_linked(space.links, rows, mask), (0, past.shape[1])),
        ],
        dim=1,
    )
    return Subgraphs(rows, mask, past, to_lifted, node_attr, past_attr, edge_attr.half())


def _recall(answer: Tensor, vote: Tensor, walk: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The most voted answers of each query that its walk did not find: rows and mask, (B, count)."""
    rows, mask = torch.zeros(len(walk), count, dtype=torch.int64), torch.zeros(len(walk), count, dtype=torch.bool)
    keys, place = answer.unique(return_inverse=True)
    votes = torch.zeros(len(keys)).index_add_(0, place, vote)
    found = (torch.arange(len(walk)).unsqueeze(1) * _STRIDE + walk).flatten()
    new = ~torch.isin(keys, found)
    keys, votes = keys[new], votes[new]
    order = torch.argsort(votes, descending=True, stable=True)
    order = order[torch.argsort(keys[order] // _STRIDE, stable=True)]  # by query, then by vote
    keys = keys[order]
    owner = keys // _STRIDE
    rank = torch.arange(len(keys)) - torch.searchsorted(owner, owner)
    kept = rank < count
    rows[owner[kept], rank[kept]] = keys[kept] % _STRIDE
    mask[owner[kept], rank[kept]] = True
    return rows, mask


def _answered(candidates: Tensor, mask: Tensor, answer: Tensor, slot: Tensor, num_past: int) -> Tensor:
    """Which candidate answered which past query, float (B, n, P)."""
    keys, order = candidates.masked_fill(~mask, -1).flatten().sort()
    place = torch.searchsorted(keys, answer).clamp(max=len(keys) - 1)
    hit = keys[place] == answer
    answered = torch.zeros(candidates.numel(), max(num_past, 1))
    answered[order[place[hit]], slot[hit] % max(num_past, 1)] = 1
    return answered.view(*candidates.shape, -1)[..., :num_past]


def _best(answered: Tensor, near: Tensor) -> Tensor:
    """Similarity of the nearest past query that each candidate answered, 0 where it answered none, (B, n)."""
    if not near.shape[1]:
        return answered.new_zeros(answered.shape[:2])
    best = near.unsqueeze(1).masked_fill(answered == 0, -torch.inf).amax(dim=2)
    return torch.where(best.isfinite(), best, 0.0)


def _shared(answered: Tensor, count: Tensor) -> Tensor:
    """Cosine between the sets of near past queries that two candidates answered, (B, n, n)."""
    size = count.clamp(min=1).sqrt()
    return answered @ answered.mT / (size.unsqueeze(2) * size.unsqueeze(1))


def _linked(links: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """Which candidates the index links, in either direction, float (B, n, n)."""
    batch, count = rows.shape
    ordered, place = rows.masked_fill(~mask, -2).sort(dim=1)  # no link leads to -2
    targets = links[rows].long().flatten(1)  # (B, n * d)
    found = torch.searchsorted(ordered, targets).clamp(max=count - 1)
    hit = ordered.gather(1, found) == targets
    column = torch.where(hit, place.gather(1, found), count)  # misses go to a column that is cut off
    linked = torch.zeros(batch, count, count + 1)
    linked.scatter_(2, column.view(batch, count, -1), 1.0)
    linked = linked[..., :count] * mask.unsqueeze(2)
    return torch.maximum(linked, linked.mT)


def _rank(scores: Tensor, mask: Tensor) -> Tensor:
    """Place of each candidate when sorted, 0 the best, (B, n)."""
    return scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def _standardised(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with mean 0 and deviation 1 over the real candidates of each query, (B, n)."""
    weight = mask / mask.sum(dim=1, keepdim=True)
    centered = scores - (scores * weight).sum(dim=1, keepdim=True)
    return centered / ((centered.square() * weight).sum(dim=1, keepdim=True).sqrt() + 1e-4)
