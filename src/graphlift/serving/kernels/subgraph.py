"""The candidates of `graphlift.search.subgraph` for one query, and what they carry.

There is no padding that anyone could see. Matrices have candidates along their last axis, which is as wide as the
processor likes it; columns behind the last candidate hold finite numbers that nobody reads.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np

from graphlift.metric import Metric
from graphlift.nn.kernels.elementary import F4, I4, Array, inner
from graphlift.search.attributes import LEAST_VOTE, NODE_ATTRS, PAST_ATTRS
from graphlift.search.subgraph import VOTE_TEMPERATURE, Space
from graphlift.serving.kernels.alike import vote_for_alike
from graphlift.serving.kernels.blocks import LANES
from graphlift.serving.kernels.prefetch import prefetch
from graphlift.serving.kernels.products import dot, similarities, sum_of
from graphlift.serving.kernels.table import FREE, empty_table, slot_of

CHANNELS, PAST_CHANNELS = len(NODE_ATTRS), len(PAST_ATTRS)
LEAST, LOG_LEAST = F4(LEAST_VOTE), F4(math.log(LEAST_VOTE))
FARTHEST = F4(-3e38)
"""Smaller than any similarity."""


class Ground(NamedTuple):
    """The arrays of a `graphlift.search.subgraph.Space`, by its names, and its similarity.

    Attributes:
        offsets, answers: the memory's answers as one ragged list.
        place, sums, counts, latest: of `graphlift.search.answered.Answered`.
        hubness: values of `graphlift.search.hubness.Hubness`.
        sketched_frozen, sketched_lifted: of `graphlift.search.sketches.Sketches`, (N, D).
        past_sketches: of past queries, frozen and lifted side by side, (Q, 2 D).
        by_distance: whether similarity is a negative squared distance, else a product.
        normalised: whether vectors have unit length.
        inverse: 1 / the similarity's scale.
    """

    frozen: Array
    lifted: Array
    past_frozen: Array
    past_lifted: Array
    offsets: Array
    answers: Array
    place: Array
    sums: Array
    counts: Array
    latest: Array
    links: Array
    hubness: Array
    sketched_frozen: Array
    sketched_lifted: Array
    past_sketches: Array
    by_distance: bool
    normalised: bool
    inverse: np.float32

    @classmethod
    def of(cls, space: Space, past_sketches: Array) -> Self:
        """What a space holds, sharing its memory, and sketches of its past queries."""
        metric, memory, (frozen, lifted) = space.similarity.metric, space.memory, space.sketches.all
        return cls(
            frozen=space.frozen.numpy(),
            lifted=space.lifted.numpy(),
            past_frozen=memory.queries.numpy(),
            past_lifted=space.past_lifted.numpy(),
            offsets=memory.offsets.numpy(),
            answers=memory.rows.numpy(),
            place=space.answered.place.numpy(),
            sums=space.answered.sums.numpy(),
            counts=space.answered.counts.numpy(),
            latest=space.answered.latest.numpy(),
            links=space.links.numpy(),
            hubness=space.hubness.all().numpy(),
            sketched_frozen=frozen.numpy(),
            sketched_lifted=lifted.numpy(),
            past_sketches=past_sketches,
            by_distance=metric is Metric.L2,
            normalised=metric is Metric.COSINE,
            inverse=F4(1 / space.similarity.scale),
        )


class Drawn(NamedTuple):
    """The n candidates of a query in matrices of width w, and the S past queries that are nodes.

    Attributes:
        rows: candidates, (n,).
        similarity: lifted similarity of query and candidate, (w,).
        node_attr: (number of `NODE_ATTRS`, w).
        past: past queries that are nodes, (S,).
        past_attr: (number of `PAST_ATTRS`, S).
        answered: which candidate answered which of all P past queries near, (P, w).
    """

    rows: Array
    similarity: Array
    node_attr: Array
    past: Array
    past_attr: Array
    answered: Array


@inner
def draw(
    frozen: Array, lifted: Array, walked: Array, past: Array, ground: Ground, num_recalled: int, num_past_nodes: int
) -> Drawn:
    """The candidates of one query: its vectors (C,), rows that the walk found (m,), past queries near (P,)."""
    for row in walked:
        prefetch(ground.frozen, row)
        prefetch(ground.sums, ground.place[row])
        prefetch(ground.latest, ground.place[row])
        prefetch(ground.hubness, row)
        prefetch(ground.sketched_frozen, row)
        prefetch(ground.sketched_lifted, row)
    near_frozen = _near(frozen, ground.past_frozen, past, ground)
    near_lifted = _near(lifted, ground.past_lifted, past, ground)
    weight_frozen, weight_lifted = _weights(near_frozen), _weights(near_lifted)
    rows, answered = _recall(walked, past, weight_frozen, weight_lifted, ground, num_recalled)
    width = answered.shape[1]
    to_lifted, to_frozen = np.empty(width, F4), np.empty(width, F4)
    _towards(lifted, ground.lifted, rows, ground, to_lifted)
    _towards(frozen, ground.frozen, rows, ground, to_frozen)
    node_attr = np.zeros((CHANNELS, width), F4)
    _describe(to_frozen, to_lifted, near_frozen, near_lifted, weight_frozen, weight_lifted, answered, rows, node_attr)
    lines = ground.place[rows]
    _record(lifted, lines, ground, node_attr)
    alike = _weights(to_lifted[: len(rows)]), _weights(to_frozen[: len(rows)])
    vote_for_alike(lines, ground.latest, *alike, node_attr[19], node_attr[20])
    for i in range(len(rows)):
        node_attr[21, i] = math.log(max(node_attr[19, i], LEAST))
        hub_frozen, hub_lifted = ground.hubness[rows[i], 0], ground.hubness[rows[i], 1]
        node_attr[22, i], node_attr[23, i] = hub_lifted, hub_frozen
        node_attr[24, i], node_attr[25, i] = to_lifted[i] - hub_lifted, to_frozen[i] - hub_frozen
    nodes = past[:num_past_nodes]
    past_attr = np.empty((PAST_CHANNELS, len(nodes)), F4)
    for p in range(len(nodes)):
        past_attr[0, p], past_attr[1, p] = near_lifted[p], near_frozen[p]
        past_attr[2, p], past_attr[3, p] = weight_lifted[p], weight_frozen[p]
        past_attr[4, p] = 1 / (1 + p)
        past_attr[5, p] = math.log1p(ground.offsets[past[p] + 1] - ground.offsets[past[p]])
        past_attr[6, p] = math.log1p(sum_of(answered[p]))
    return Drawn(rows, to_lifted, node_attr, nodes, past_attr, answered)


@inner
def wide(count: int) -> int:
    """How wide a matrix of so many columns is: a multiple of `LANES`."""
    return (count + LANES - 1) // LANES * LANES


@inner
def _similarity(product: np.float32, a: np.float32, b: np.float32, ground: Ground) -> np.float32:
    """Of two vectors, from their product and their squared lengths."""
    return ((product + product - a - b) if ground.by_distance else product) * ground.inverse


@inner
def _near(query: Array, vectors: Array, past: Array, ground: Ground) -> Array:
    """Similarity of past queries to the query, (P,)."""
    near = np.empty(len(past), F4)
    _towards(query, vectors, past, ground, near)
    return near


@inner
def _weights(near: Array) -> Array:
    """Softmax over the temperature of votes."""
    weight = near.copy()
    if len(near):
        weight = np.exp((near - near.max()) / F4(VOTE_TEMPERATURE))
        weight /= sum_of(weight)
    return weight


@inner
def _recall(
    walked: Array, past: Array, weight_frozen: Array, weight_lifted: Array, ground: Ground, num_recalled: int
) -> tuple[Array, Array]:
    """Candidates (n,), and who answered what (P, w).

    The most voted answers join the walk; of equally voted ones those that come first in the index.
    """
    entries, first = 0, len(walked)
    for p in past:
        entries += ground.offsets[p + 1] - ground.offsets[p]
    table, known = empty_table(first + entries), first
    rows, votes = np.empty(first + entries, np.int64), np.zeros(first + entries, F4)
    number_of = np.empty(entries, I4)  # of each entry's row among those that are known
    for number in range(first):
        slot = slot_of(table, walked[number])
        table[slot, 0], table[slot, 1], rows[number] = walked[number], number, walked[number]
    entry = 0
    for p in range(len(past)):
        vote = weight_frozen[p] + weight_lifted[p]
        for row in ground.answers[ground.offsets[past[p]] : ground.offsets[past[p] + 1]]:
            slot = slot_of(table, row)
            if table[slot, 0] == FREE:
                table[slot, 0], table[slot, 1], rows[known] = row, known, row
                known += 1
            number_of[entry] = table[slot, 1]
            votes[number_of[entry]] += vote
            entry += 1
    best = _most_voted(rows, votes, first, known, num_recalled)
    place_of = np.full(known, FREE, I4)  # who was not recalled is no candidate
    place_of[:first] = np.arange(first)
    for place in range(len(best)):
        place_of[best[place]] = first + place
    candidates = np.concatenate((walked, rows[best]))
    answered = np.zeros((len(past), wide(len(candidates))), F4)
    entry = 0
    for p in range(len(past)):
        for _ in range(ground.offsets[past[p] + 1] - ground.offsets[past[p]]):
            if place_of[number_of[entry]] != FREE:
                answered[p, place_of[number_of[entry]]] = 1
            entry += 1
    return candidates, answered


@inner
def _most_voted(voted: Array, votes: Array, first: int, last: int, count: int) -> Array:
    """Numbers of the most voted of the rows first to last, best first; equal votes go by row."""
    best, found = np.empty(min(count, last - first), np.int64), 0
    for number in range(first, last):
        at = found
        while at > 0:
            other = best[at - 1]
            if votes[other] > votes[number] or (votes[other] == votes[number] and voted[other] < voted[number]):
                break
            at -= 1
        if at == len(best):
            continue
        found = min(found + 1, len(best))
        for later in range(found - 1, at, -1):
            best[later] = best[later - 1]
        best[at] = number
    return best


@inner
def _towards(query: Array, vectors: Array, rows: Array, ground: Ground, to_query: Array) -> None:
    """Similarity of the candidates to the query, into ``to_query`` (w,)."""
    to_query[len(rows) :] = 0
    similarities(query, vectors, rows, ground.by_distance, to_query)
    to_query *= ground.inverse


@inner
def _standardise(x: Array, n: int, out: Array) -> None:
    mean, variance = F4(0), F4(0)
    for i in range(n):
        mean += x[i]
    mean /= F4(n)
    for i in range(n):
        variance += (x[i] - mean) * (x[i] - mean)
    deviation = F4(math.sqrt(variance / F4(n))) + F4(1e-4)
    for i in range(n):
        out[i] = (x[i] - mean) / deviation


@inner
def _reciprocal_ranks(x: Array, n: int, out: Array) -> None:
    """1 / rank, the best first; of equals the first is ahead."""
    for i in range(n):
        ahead = 0
        for j in range(n):
            ahead += x[j] > x[i]
        for j in range(i):
            ahead += x[j] == x[i]
        out[i] = 1 / (1 + ahead)


@inner
def _describe(
    to_frozen: Array,
    to_lifted: Array,
    near_frozen: Array,
    near_lifted: Array,
    weight_frozen: Array,
    weight_lifted: Array,
    answered: Array,
    rows: Array,
    attr: Array,
) -> None:
    """Attributes of candidates in the order of `NODE_ATTRS`, but what all the past says of them."""
    n = len(rows)
    first = to_lifted[:n].max()
    familiarity = near_lifted.max() if len(near_lifted) else F4(0)
    _standardise(to_lifted, n, attr[3])
    _standardise(to_frozen, n, attr[4])
    _reciprocal_ranks(to_lifted, n, attr[5])
    _reciprocal_ranks(to_frozen, n, attr[6])
    count = _vote(answered, near_lifted, near_frozen, weight_lifted, weight_frozen, attr)
    strongest = attr[9, :n].max()
    for i in range(n):
        attr[0, i], attr[1, i], attr[2, i] = to_lifted[i], to_frozen[i], to_lifted[i] - first
        attr[16, i], attr[18, i], attr[11, i] = familiarity, strongest, LOG_LEAST
        if count[i] > 0:
            attr[17, i] = attr[7, i] - familiarity
            attr[11, i] = math.log(max(attr[9, i], LEAST))
            attr[12, i] = math.log1p(count[i])
        else:
            attr[7, i] = attr[8, i] = 0


@inner
def _vote(
    answered: Array, near_lifted: Array, near_frozen: Array, weight_lifted: Array, weight_frozen: Array, attr: Array
) -> Array:
    """The nearest past queries that candidates answered and the votes of all of them, into the attributes; how many
    they are."""
    count, width = np.zeros(answered.shape[1], F4), answered.shape[1]
    best_lifted, best_frozen, vote_lifted, vote_frozen = attr[7], attr[8], attr[9], attr[10]
    best_lifted[:], best_frozen[:] = FARTHEST, FARTHEST
    for p in range(len(answered)):
        held, lifted, frozen = answered[p], near_lifted[p], near_frozen[p]
        by_lifted, by_frozen = weight_lifted[p], weight_frozen[p]
        for i in range(width):
            best_lifted[i] = max(best_lifted[i], lifted if held[i] else FARTHEST)
            best_frozen[i] = max(best_frozen[i], frozen if held[i] else FARTHEST)
            vote_lifted[i] += held[i] * by_lifted
            vote_frozen[i] += held[i] * by_frozen
            count[i] += held[i]
    return count


@inner
def _record(lifted: Array, lines: Array, ground: Ground, attr: Array) -> None:
    """How often candidates answered in all the past, and how near to it the query is."""
    own = dot(lifted, lifted)
    for i in range(len(lines)):
        line = lines[i]
        count = ground.counts[line]
        attr[13, i] = math.log1p(count)
        if count > 0:
            total = ground.sums[line]
            product, square = dot(total, lifted) / count, dot(total, total) / (count * count)
            if ground.normalised:
                product /= max(F4(math.sqrt(square)), F4(1e-12))
            attr[14, i], attr[15, i] = 1, _similarity(product, square, own, ground)
