"""An index with a model and a memory on top: everything that a lifted search needs, and nothing that changes."""

from __future__ import annotations

from copy import copy
from functools import cache, cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.feedback import Feedback
from graphlift.graph import EMPTY
from graphlift.growing import grown
from graphlift.index.flat import FlatIndex
from graphlift.index.hnsw import HnswIndex
from graphlift.index.storage import Rows
from graphlift.memory import Memory
from graphlift.metric import Metric, Vectors
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.agreement import agreement_exponent
from graphlift.search.descent import Descent
from graphlift.search.evidence import evidence, lowered, nearness, nearness_among, raised
from graphlift.search.familiarity import Familiarity, looked_around
from graphlift.search.hubness import Hubness
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Space, Subgraphs, build_subgraphs, find_candidates
from graphlift.serving.coded_walk import CodedWalk
from graphlift.serving.compiled_search import CompiledSearch, Found

PastIndex = FlatIndex | HnswIndex
Walker = HnswIndex | CodedWalk
SCANNED_PAST = 4096
"""Up to so many past queries are scanned, which takes no longer than a walk; more get a graph of their own."""
BATCH = 256
"""Queries whose subgraphs are drawn at a time; keeps memory flat."""
LIFTED = 2048
"""Documents that are lifted at a time; what lies between input and output then fits the cache."""


class LiftedIndex:
    """A frozen index, a trained model, and the memory that the model listens to.

    Nothing in it changes after it is made, so any number of threads may search it, and a new version replaces an
    old one by a single assignment.

    Args:
        index: the frozen index.
        model: in evaluation mode, on the CPU.
        memory: past queries in the frozen space.
        walk_index: an index of the lifted documents that exists already; else the frozen index's links are reused.
        past: an index of the past queries that exists already.
        told: feedback that the model has not learned from; what is relevant by it is in the memory, too.
        hubness: values of the documents (`graphlift.search.hubness.Hubness`), (N, 4), where they are known.
    """

    def __init__(
        self,
        index: HnswIndex,
        model: LiftModel,
        memory: Memory,
        walk_index: HnswIndex | None = None,
        past: PastIndex | None = None,
        told: Feedback | None = None,
        hubness: Tensor | None = None,
    ) -> None:
        self.index, self.model, self.memory = index, model, memory
        self.told = Feedback.none(index.channels) if told is None else told
        self.walk_index = index.with_vectors(self.lift_documents()) if walk_index is None else walk_index
        with torch.inference_mode():
            lifted = self.lift_queries(memory.queries)
            asked, documents = (model.asked, self.lift_queries(model.asked)), (index.x, self.walk_index.x)
            hubs = Hubness.of(model.similarity, documents, asked, hubness)
            self.space = Space.of(model.similarity, *documents, memory, lifted, _links(index), hubs, model.axes)
        if past is None:
            past = _past_index(model.sketch_queries(memory.queries, lifted).numpy(), index)
        self.past = past

    def __copy__(self) -> Self:
        """The same to be changed before it is shown: what was made of the old content is left out."""
        made = {name for name, value in vars(type(self)).items() if isinstance(value, cached_property)}
        content = dict(vars(self))  # at once, as threads that search may be making something
        other = object.__new__(type(self))
        other.__dict__.update((name, value) for name, value in content.items() if name not in made)
        return other

    @classmethod
    def unlearned(cls, index: HnswIndex) -> LiftedIndex:
        """What serves before the first fit once there is feedback: the frozen walk and an empty memory."""
        return cls._of_feedback(index, Similarity.of(index.metric, index.x), Feedback.none(index.channels))

    @classmethod
    def _of_feedback(cls, index: HnswIndex, similarity: Similarity, told: Feedback) -> LiftedIndex:
        """The frozen walk, and what was told outright."""
        return cls(index, _unlearned_model(index.channels, similarity), told.relevant, walk_index=index, told=told)

    @property
    def learned(self) -> bool:
        """Whether the model came from a fit."""
        return self.model.config.ranker == "subgraph"

    def with_model(self, model: LiftModel, told: Feedback) -> LiftedIndex:
        """Another model over the same index and memory, and what it was told and has not learned from."""
        return LiftedIndex(self.index, model, self.memory, told=told)

    def with_memory(self, memory: Memory, told: Feedback) -> LiftedIndex:
        """Another memory beside the same documents, and what of it was told and is not learned from."""
        known = self.space.hubness.values
        return LiftedIndex(self.index, self.model, memory, self.walk_index, told=told, hubness=known)

    def with_links(self, index: HnswIndex, walk_index: HnswIndex) -> LiftedIndex:
        """The same rows, frozen and lifted, with other links."""
        known = self.space.hubness.values
        return LiftedIndex(index, self.model, self.memory, walk_index, self.past, self.told, known)

    def remembering(self, feedback: Feedback) -> LiftedIndex:
        """The same with feedback in its memory: of a query's judgments of one document, the latest counts.

        Nothing is trained. Only new queries are lifted, and only documents that are named are recorded anew.
        """
        known = len(self.memory)
        memory = self.memory.without(feedback.irrelevant).updated(feedback.relevant)
        new = memory.queries[known:]
        lifted = self.lift_queries(new)
        past_lifted = grown(self.space.past_lifted, lifted)
        named = torch.cat([feedback.relevant.rows, feedback.irrelevant.rows]).unique()
        other = copy(self)
        other.memory, other.told = memory, self.told.updated(feedback)
        other.space = self.space.remembering(memory, past_lifted, named)
        vectors = self.model.sketch_queries(new, lifted).numpy()
        if isinstance(self.past, HnswIndex):
            other.past = self.past.plus(vectors, self.past.ids.plus(range(known, len(memory))))
        elif len(new):
            other.past = _past_index(np.concatenate([self.past.vectors, vectors]), self.index)
        return other

    def __len__(self) -> int:
        return len(self.index)

    def beam(self, ef_search: int | None = None) -> int:
        """The beam that a search with this ``ef_search`` walks with: the ranker wants its candidates found.

        What is compared with a lifted search should walk with the same beam.
        """
        return max(self.index.checked_ef(ef_search), self.model.config.num_walked)

    @property
    def cold_bonus(self) -> float:
        """What a search adds to documents that no past query was answered by, unless it is told otherwise."""
        return float(self._cold_bonus) if self.learned else 0.0

    @cached_property
    def _cold_bonus(self) -> Vectors:
        """The model's own memory, as a fit may still set it and the model stays where it is; read more quickly."""
        return self.model.ranker.cold_bonus.numpy()

    @cached_property
    def _told_something(self) -> bool:
        return len(self.told) > 0

    @cached_property
    def _familiarity_bounds(self) -> Vectors:
        """The model's own memory, likewise, (2,)."""
        return self.model.familiarity_bounds.numpy()

    @cached_property
    def descent(self) -> Descent:
        """The frozen index's levels as tensors."""
        return Descent(self.index.graph)

    @property
    def compiled(self) -> CompiledSearch | None:
        """The whole way of a query in one compiled call, where there is one; made at the first search."""
        return self._compiled_checking if self._checks else self._compiled

    @cached_property
    def _compiled(self) -> CompiledSearch | None:
        return self._compiled_with(None)

    @cached_property
    def _compiled_checking(self) -> CompiledSearch | None:
        """The same that tells strange queries; a fit sets the bounds for that after it has searched."""
        return self._compiled_with(self._frozen_walker)

    def _compiled_with(self, frozen: Walker | None) -> CompiledSearch | None:
        if not self.learned:
            return None
        parts = self.model, self.space, self._walker, self._past_walker, self.familiarity
        return CompiledSearch.of(*parts, frozen)

    @cached_property
    def _walker(self) -> Walker:
        """What walks through the lifted documents; before a fit that is the frozen walk itself."""
        return (CodedWalk.of(self.walk_index) if self.learned else None) or self.walk_index

    @cached_property
    def _past_walker(self) -> Walker | FlatIndex:
        return CodedWalk.of(self.past) or self.past

    @cached_property
    def _frozen_walker(self) -> Walker:
        return CodedWalk.of(self.index) or self.index

    @torch.inference_mode()
    def lift_documents(self, first: int = 0) -> Vectors:
        """The documents of the frozen index from a row on, lifted, (N - first, C)."""
        new = self.index.x[first:]
        lifted = torch.empty_like(new)
        for documents, place in zip(new.split(LIFTED), lifted.split(LIFTED), strict=True):
            place.copy_(self.model.lift_documents(documents))
        return lifted.numpy()

    @torch.inference_mode()
    def lift_queries(self, queries: Tensor) -> Tensor:
        """Queries (B, C) of the frozen space, each lifted by the map whose turn it is."""
        descent = None if self.model.hierarchical is None else self.descent
        turn, lifted = self.model.turn_of_queries(queries), torch.empty_like(queries)
        for number in turn.unique().tolist():
            for own in (turn == number).nonzero().flatten().split(1024):
                lifted[own] = self.model.lift_queries(queries[own], self.index.x, descent, number)
        return lifted

    def search_rows(
        self, queries: Vectors, k: int, ef_search: int | None = None, cold_bonus: float | None = None
    ) -> tuple[Vectors, Rows]:
        """Scores and rows of the k best documents of each query, both (Q, k); see `HnswIndex.search_rows`.

        ``cold_bonus`` is used in place of the model's own, see `graphlift.Lift.search`.
        """
        bonus = self.cold_bonus if cold_bonus is None else cold_bonus
        if not queries.flags.carray:  # loops are compiled anew for arrays of any other kind
            queries = np.require(queries, requirements=["C", "W"])
        if len(queries) <= BATCH:
            return self._search(queries, k, ef_search, bonus)
        starts = range(0, len(queries), BATCH)
        parts = [self._search(queries[start : start + BATCH], k, ef_search, bonus) for start in starts]
        scores, rows = map(np.concatenate, zip(*parts, strict=True))
        return scores, rows

    @torch.inference_mode()
    def subgraphs(
        self,
        queries: Tensor,
        own: Tensor | None = None,
        ef_search: int | None = None,
        hidden: Tensor | None = None,
    ) -> Subgraphs:
        """The subgraphs of queries (B, C) of the frozen space, compact; ``own`` and ``hidden`` as in
        `build_subgraphs`."""
        parts = []
        for start in range(0, len(queries), BATCH):
            chunk = slice(start, start + BATCH)
            owned, unseen = (None if of is None else of[chunk] for of in (own, hidden))
            lifted = self.lift_queries(queries[chunk])
            past = self.nearest_past(queries[chunk], lifted, owned)[1]
            walked = torch.from_numpy(self._walk(lifted, ef_search=ef_search)[1])
            parts.append(self._drawn(queries[chunk], lifted, walked, past, owned, unseen).compact())
        return Subgraphs.cat(parts)

    def _drawn(
        self,
        queries: Tensor,
        lifted: Tensor,
        walked: Tensor,
        past: Tensor,
        own: Tensor | None = None,
        hidden: Tensor | None = None,
    ) -> Subgraphs:
        """`build_subgraphs` by the model's configuration."""
        config, turn = self.model.config, self.model.turn_of_queries(queries)
        counts = config.num_recalled, config.num_past_nodes
        return build_subgraphs(self.space, queries, lifted, walked, past, *counts, own, turn, hidden)

    def scores(self, subgraphs: Subgraphs, cold_bonus: float) -> Tensor:
        """Scores of the candidates (B, n): the ranker's, and a bonus for those that no past query was answered by."""
        scores = self.model(subgraphs) if self.learned else subgraphs.similarity
        return scores + cold_bonus * subgraphs.cold

    def is_strange(self, queries: Tensor) -> Tensor:
        """Which of queries (B, C) are unlike those that the lift was trained on, so that `strangers` serves them."""
        return torch.from_numpy(self._strange(queries, *self.nearest_past(queries, self.lift_queries(queries))))

    @cached_property
    def strangers(self) -> LiftedIndex:
        """What serves queries unlike those that the lift was trained on: the frozen walk, and feedback told since."""
        return self._of_feedback(self.index, self.model.similarity, self.told)

    @cached_property
    def familiarity(self) -> Familiarity:
        """What the lift was trained on, to tell strange queries by."""
        return Familiarity.of(self.memory, self.told.relevant, self.index.num_rows)

    def is_cold(self, rows: Tensor) -> Tensor:
        """Which documents no past query was answered by."""
        return self.space.answered.times(rows) == 0

    def _search(self, queries: Vectors, k: int, ef_search: int | None, cold_bonus: float) -> tuple[Vectors, Rows]:
        found, num_walked = self._found(queries, k, ef_search), self.model.config.num_walked
        rows, scores = found.rows, found.scores
        if cold_bonus:
            bonus = cold_bonus * self.is_cold(torch.from_numpy(rows)).float()
            rows, scores = _best_first(rows, scores + bonus.numpy())
        if self._told_something:
            rows, scores = _best_first(rows, self._told(queries, rows, scores, found.walked[:, 0]))
        if found.walked.shape[1] > num_walked:
            tail = found.walked[:, num_walked:], found.similarity / self.model.similarity.scale
            rows, scores = _best_first(*_followed(rows, scores, *tail))
        scores, rows = scores[:, :k].copy(), rows[:, :k].copy()  # nobody holds what was not asked for
        if True in found.strange.tolist():  # lists are quicker than NumPy where they are short
            strangers = self.strangers.search_rows(queries[found.strange], k, ef_search, 0.0)
            scores[found.strange], rows[found.strange] = strangers
        return scores, rows

    def _found(self, queries: Vectors, k: int, ef_search: int | None) -> Found:
        """What the lift, the walk, the memory and the ranker find: in one compiled call, or step by step."""
        compiled = self.compiled
        found = None if compiled is None else compiled(queries, self._num_walked(k), self.beam(ef_search))
        return self._found_in_steps(queries, k, ef_search) if found is None else found

    @torch.inference_mode()
    def _found_in_steps(self, queries: Vectors, k: int, ef_search: int | None) -> Found:
        asked = torch.from_numpy(queries)
        lifted = self.lift_queries(asked)
        near, past = self.nearest_past(asked, lifted)
        similarity, walked = self._walk(lifted, k, ef_search)
        found = torch.from_numpy(walked[:, : self.model.config.num_walked])
        if self.learned:
            subgraphs = self._drawn(asked, lifted, found, past)
            rows, mask, scores = subgraphs.rows, subgraphs.mask, self.scores(subgraphs, 0.0)
        else:  # nobody looks at attributes
            rows, mask, *_ = find_candidates(self.space, asked, lifted, found, past, self.model.config.num_recalled)
            scores = self.space.similarity.pairwise(lifted.unsqueeze(1), self.space.lifted[rows]).squeeze(1)
        best = _best_first(rows.numpy(), scores.masked_fill(~mask, -torch.inf).numpy())
        return Found(*best, walked, similarity, past.numpy(), near.numpy(), self._strange(asked, near, past))

    @property
    def _checks(self) -> bool:
        """Whether there are bounds beyond which a query is strange."""
        return bool(self._familiarity_bounds[1] >= 0)

    def _strange(self, queries: Tensor, near: Tensor, past: Tensor) -> npt.NDArray[np.bool_]:
        """Which queries are strange, whose nearest past ones are known."""
        nearest, num_warm = self._familiarity_bounds
        strange = np.zeros(len(queries), dtype=np.bool_)
        if self._checks:
            alone = np.flatnonzero(self.familiarity.nearest(near.numpy(), past.numpy()) < nearest)
            if len(alone):
                around = self.walk_frozen(queries[torch.from_numpy(alone)].numpy())
                strange[alone] = self.familiarity.num_warm(around) <= num_warm
        return strange

    def walk_frozen(self, queries: Vectors) -> Rows:
        """The documents that are around queries without the lift, (B, m)."""
        return self._frozen_walker.search_rows(queries, *looked_around(self.index))[1]

    def _told(self, queries: Vectors, rows: Rows, scores: Vectors, first: Rows) -> Vectors:
        """`told_outright` of candidates with minus infinity for those that there are not."""
        asked, candidates, walked, before = map(torch.from_numpy, (queries, rows, first, scores))
        there = before > -torch.inf
        after = self.told_outright(asked, candidates, walked, there, before)
        return after.masked_fill(~there, -torch.inf).numpy()

    def told_outright(self, queries: Tensor, rows: Tensor, first: Tensor, mask: Tensor, scores: Tensor) -> Tensor:
        """The scores of candidates, and on top what people told outright, (B, n); ``first`` is what the walk found
        first, (B,)."""
        for told, moved in ((self.told.relevant, raised), (self.told.irrelevant, lowered)):
            if len(told):
                count = min(self.model.config.num_past, len(told))
                past = torch.cdist(queries, told.queries).topk(count, dim=1, largest=False).indices
                around = self.index.metric, queries, told.queries[past], self.index.x[first]
                held = told.holds(past.unsqueeze(1), rows.unsqueeze(2)) & mask.unsqueeze(2)
                near = nearness(*around)
                if (held & (near > 0).unsqueeze(1)).any():  # few searches are near anything that was told
                    exponent = agreement_exponent(nearness_among(*around), held).unsqueeze(1)
                    scores = moved(scores, mask, evidence(near**exponent, held))
        return scores

    def _num_walked(self, k: int) -> int:
        """How many a walk finds: at least k, and as many as the ranker takes where there are."""
        return min(max(k, self.model.config.num_walked), len(self.index))

    def _walk(self, lifted: Tensor, k: int = 1, ef_search: int | None = None) -> tuple[Vectors, Rows]:
        """Similarities and rows that a walk in the lifted space finds, both (B, m)."""
        return self._walker.search_rows(lifted.contiguous().numpy(), self._num_walked(k), self.beam(ef_search))

    def nearest_past(self, queries: Tensor, lifted: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The past queries nearest in both spaces together, without the query itself: similarity, number, (B, P)."""
        spare = int(own is not None)
        count = min(self.model.config.num_past + spare, len(self.memory))
        if count <= spare:
            return torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
        vectors = self.model.sketch_queries(queries, lifted).numpy()
        near, past = map(torch.from_numpy, self._past_walker.search_rows(vectors, count))
        if own is None:
            return near, past
        others_first = torch.argsort((past == own.unsqueeze(1)).int(), dim=1, stable=True)[:, : count - spare]
        return near.gather(1, others_first), past.gather(1, others_first)


@cache
def _unlearned_model(channels: int, similarity: Similarity) -> LiftModel:
    """A model that was never trained. Its weights are never used; made once, as a search may ask for it while a fit
    draws from the same random generator."""
    config = ModelConfig(ranker="evidence", hidden_channels=4, num_layers=1, sketch_channels=channels)
    with torch.random.fork_rng(devices=[]):
        return LiftModel(channels, similarity, config).eval()


def _best_first(rows: Rows, scores: Vectors) -> tuple[Rows, Vectors]:
    """The same sorted by score, equal ones as they were."""
    best = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)


def _followed(rows: Rows, scores: Vectors, tail: Rows, similarity: Vectors) -> tuple[Rows, Vectors]:
    """Candidates and scores (B, n), and behind them what the walk found and the ranker did not see (B, t), in the order
    of the walk; similarity is of all that it found."""
    there = scores > -np.inf
    floor = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    seen = (tail[:, :, None] == np.where(there, rows, -1)[:, None]).any(axis=2)
    similarity = similarity[:, -tail.shape[1] :]
    behind = np.where(seen, -np.inf, floor - 1 + (similarity - similarity[:, :1]))
    return np.concatenate([rows, tail], axis=1), np.concatenate([scores, behind], axis=1)


def _links(index: HnswIndex) -> Tensor:
    """The bottom level's links; rows behind the graph have none, (N, d)."""
    links = torch.from_numpy(index.graph.levels[0].neighbors)
    return grown(links, links.new_full((index.num_rows - len(links), links.shape[1]), EMPTY))


def _past_index(vectors: Vectors, index: HnswIndex) -> PastIndex:
    metric = Metric.L2 if index.metric is Metric.L2 else Metric.INNER_PRODUCT
    if len(vectors) <= SCANNED_PAST:
        return FlatIndex(vectors, metric)
    return HnswIndex.build(vectors, metric=metric, M=index.M, ef_construction=100)
