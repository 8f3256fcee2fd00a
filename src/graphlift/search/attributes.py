"""What a subgraph's nodes and links carry: the attributes that the ranker sees, and their names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

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
    "votes of candidates alike, lifted",
    "votes of candidates alike, frozen",
    "log of votes of candidates alike",
    "hubness, lifted",
    "hubness, frozen",
    "lifted similarity beyond hubness",
    "frozen similarity beyond hubness",
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


class Side(NamedTuple):
    """A batch of subgraphs in one space, frozen or lifted.

    Attributes:
        to_query: similarity of candidate and query, (B, n).
        near: similarity of past query and query, (B, P).
        weight: softmax of that, (B, P).
        links: similarity of candidate with candidate and past query that is a node, by their sketches
            (`graphlift.search.sketches`), (B, n, n + S).
    """

    to_query: Tensor
    near: Tensor
    weight: Tensor
    links: Tensor


LEAST_VOTE = 1e-4
"""Logarithms of votes are not taken below."""


class Record(NamedTuple):
    """What all the past says of candidates.

    Attributes:
        times: how many queries, (B, n).
        to_mean: similarity of the query to the mean of those, 0 where there is none, (B, n).
        alike_frozen, alike_lifted: votes of candidates alike in either space, (B, n).
        hubness_frozen, hubness_lifted: how near they are to what was asked, (B, n).
    """

    times: Tensor
    to_mean: Tensor
    alike_frozen: Tensor
    alike_lifted: Tensor
    hubness_frozen: Tensor
    hubness_lifted: Tensor


def attributes_of_candidates(frozen: Side, lifted: Side, record: Record, answered: Tensor, mask: Tensor) -> Tensor:
    """Attributes of candidates, (B, n, number of `NODE_ATTRS`).

    Args:
        frozen, lifted: the subgraphs in both spaces.
        record: of the candidates.
        answered: which candidate answered which past query of the subgraph, float (B, n, P).
        mask: which candidates are real, (B, n).
    """
    vote_frozen, vote_lifted = ((answered * side.weight.unsqueeze(1)).sum(dim=2) for side in (frozen, lifted))
    best_frozen, best_lifted = _best(answered, frozen.near), _best(answered, lifted.near)
    near_count = answered.sum(dim=2)
    first = lifted.to_query.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    familiarity = lifted.near.amax(dim=1, keepdim=True) if lifted.near.shape[1] else torch.zeros(len(mask), 1)
    return torch.stack(
        [
            lifted.to_query,
            frozen.to_query,
            lifted.to_query - first,
            _standardised(lifted.to_query, mask),
            _standardised(frozen.to_query, mask),
            1 / (1 + _rank(lifted.to_query, mask)),
            1 / (1 + _rank(frozen.to_query, mask)),
            best_lifted,
            best_frozen,
            vote_lifted,
            vote_frozen,
            vote_lifted.clamp(min=LEAST_VOTE).log(),
            near_count.log1p(),
            record.times.log1p(),
            (record.times > 0).float(),
            record.to_mean,
            familiarity.expand_as(near_count),
            (best_lifted - familiarity) * (near_count > 0),
            vote_lifted.amax(dim=1, keepdim=True).expand_as(near_count),
            record.alike_lifted,
            record.alike_frozen,
            record.alike_lifted.clamp(min=LEAST_VOTE).log(),
            record.hubness_lifted,
            record.hubness_frozen,
            lifted.to_query - record.hubness_lifted,
            frozen.to_query - record.hubness_frozen,
        ],
        dim=2,
    )


def attributes_of_past(frozen: Side, lifted: Side, answered: Tensor, answers: Tensor) -> Tensor:
    """Attributes of the S past queries that are nodes, (B, S, number of `PAST_ATTRS`).

    Args:
        frozen, lifted: the subgraphs in both spaces.
        answered: which candidate answered which of all, float (B, n, P).
        answers: how many answers each of them has, (B, S).
    """
    count = answers.shape[1]
    reciprocal_rank = 1 / (1 + torch.arange(count))
    return torch.stack(
        [
            lifted.near[:, :count],
            frozen.near[:, :count],
            lifted.weight[:, :count],
            frozen.weight[:, :count],
            reciprocal_rank.expand_as(answers),
            answers.float().log1p(),
            answered[..., :count].sum(dim=1).log1p(),
        ],
        dim=2,
    )


def attributes_of_links(frozen: Side, lifted: Side, answered: Tensor, linked: Tensor) -> Tensor:
    """Attributes of links, channels first, (B, number of `EDGE_ATTRS`, n, n + S); ``linked`` is (B, n, n)."""
    nodes = lifted.links.shape[2] - lifted.links.shape[1]
    shared = torch.cat([_shared(answered), answered[..., :nodes]], dim=2)
    return torch.stack([lifted.links, frozen.links, shared, F.pad(linked, (0, nodes))], dim=1)


def _best(answered: Tensor, near: Tensor) -> Tensor:
    """Similarity of the nearest past query that each candidate answered, 0 where it answered none, (B, n)."""
    if not near.shape[1]:
        return answered.new_zeros(answered.shape[:2])
    best = near.unsqueeze(1).masked_fill(answered == 0, -torch.inf).amax(dim=2)
    return torch.where(best.isfinite(), best, 0.0)


def _shared(answered: Tensor) -> Tensor:
    """Cosine between the sets of near past queries that two candidates answered, (B, n, n)."""
    size = answered.sum(dim=2).clamp(min=1).sqrt()
    return answered @ answered.mT / (size.unsqueeze(2) * size.unsqueeze(1))


def linked(links: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """Which candidates the index links, in either direction, float (B, n, n)."""
    batch, count = rows.shape
    ordered, place = rows.masked_fill(~mask, -2).sort(dim=1)  # no link leads to -2
    targets = links[rows].long().flatten(1)  # (B, n * d)
    found = torch.searchsorted(ordered, targets).clamp(max=count - 1)
    hit = ordered.gather(1, found) == targets
    column = torch.where(hit, place.gather(1, found), count)  # misses go to a column that is cut off
    matrix = torch.zeros(batch, count, count + 1)
    matrix.scatter_(2, column.view(batch, count, links.shape[1]), 1.0)
    directed = matrix[..., :count] * mask.unsqueeze(2)
    return torch.maximum(directed, directed.mT)


def _rank(scores: Tensor, mask: Tensor) -> Tensor:
    """Place of each candidate when sorted, 0 the best, (B, n)."""
    return scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def _standardised(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with mean 0 and deviation 1 over the real candidates of each query, (B, n)."""
    weight = mask / mask.sum(dim=1, keepdim=True)
    centered = scores - (scores * weight).sum(dim=1, keepdim=True)
    return centered / ((centered.square() * weight).sum(dim=1, keepdim=True).sqrt() + 1e-4)
