"""An index with a model and a memory on top: everything that a lifted search needs, and nothing that changes."""

from __future__ import annotations

from copy import copy
from functools import cache, cached_property
from typing import Self

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
from graphlift.search.familiarity import Familiarity
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Space, Subgraphs, build_subgraphs
from graphlift.serving.query_lift import QueryLift
from graphlift.serving.scorer import Scorer

PastIndex = FlatIndex | HnswIndex
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
    """

    def __init__(
        self,
        index: HnswIndex,
        model: LiftModel,
        memory: Memory,
        walk_index: HnswIndex | None = None,
        past: PastIndex | None = None,
        told: Feedback | None = None,
    ) -> None:
        self.index, self.model, self.memory = index, model, memory
        self.told = Feedback.none(index.channels) if told is None else told
        self.walk_index = index.with_vectors(self.lift_documents()) if walk_index is None else walk_index
        with torch.inference_mode():
            past_lifted = self.lift_queries(memory.queries)
            links = _links(index)
            self.space = Space.of(model.similarity, index.x, self.walk_index.x, memory, past_lifted, links)
        self.past = (
            past if past is not None else _past_index(model.past_vectors(memory.queries, past_lifted).numpy(), index)
        )

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
        if isinstance(self.past, HnswIndex):
            other.past = self.past.plus(
                self.model.past_vectors(new, lifted).numpy(), self.past.ids.plus(range(known, len(memory)))
            )
        elif len(new):
            other.past = _past_index(self.model.past_vectors(memory.queries, past_lifted).numpy(), self.index)
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
        return float(self.model.ranker.cold_bonus) if self.learned else 0.0

    @cached_property
    def descent(self) -> Descent:
        """The frozen index's levels as tensors."""
        return Descent(self.index.graph)

    @cached_property
    def scorer(self) -> Scorer | None:
        """The compiled way from a query to its candidates' scores, where there is one; made at the first search."""
        return Scorer.of(self.space, self.model.ranker, self.model.config.num_recalled) if self.learned else None

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
        """Queries (B, C) of the frozen space, lifted."""
        if self.model.hierarchical is None:
            return self._query_lift(queries)
        if not len(queries):
            return queries
        return torch.cat([self.model.lift_queries(chunk, self.index.x, self.descent) for chunk in queries.split(1024)])

    @cached_property
    def _query_lift(self) -> QueryLift:
        return QueryLift(self.model)

    @torch.inference_mode()
    def search_rows(
        self, queries: Vectors, k: int, ef_search: int | None = None, cold_bonus: float | None = None
    ) -> tuple[Vectors, Rows]:
        """Scores and rows of the k best documents of each query, both (Q, k); see `HnswIndex.search_rows`.

        ``cold_bonus`` is used in place of the model's own, see `graphlift.Lift.search`.
        """
        bonus = self.cold_bonus if cold_bonus is None else cold_bonus
        chunks = [queries[start : start + BATCH] for start in range(0, len(queries), BATCH)] or [queries]
        parts = [self._search(torch.from_numpy(chunk), k, ef_search, bonus) for chunk in chunks]
        scores, rows = parts[0] if len(parts) == 1 else (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return scores.numpy(), rows.numpy()

    @torch.inference_mode()
    def subgraphs(self, queries: Tensor, own: Tensor | None = None, ef_search: int | None = None) -> Subgraphs:
        """The subgraphs of queries (B, C) of the frozen space, compact; ``own`` as in `build_subgraphs`."""
        parts = []
        for start in range(0, len(queries), BATCH):
            chunk = slice(start, start + BATCH)
            lifted = self.lift_queries(queries[chunk])
            owned = None if own is None else own[chunk]
            walked = self._walk(lifted, ef_search=ef_search)[1][:, : self.model.config.num_walked]
            past = self.nearest_past(queries[chunk], lifted, owned)[1]
            recalled = self.model.config.num_recalled
            drawn = build_subgraphs(self.space, queries[chunk], lifted, walked, past, recalled, owned)
            parts.append(drawn.compact())
        return Subgraphs.cat(parts)

    def scores(self, subgraphs: Subgraphs, cold_bonus: float) -> Tensor:
        """Scores of the candidates (B, n): the ranker's, and a bonus for those that no past query was answered by."""
        scores = self.model.ranker(subgraphs) if self.learned else subgraphs.similarity
        return scores + cold_bonus * subgraphs.cold

    @torch.inference_mode()
    def is_strange(self, queries: Tensor) -> Tensor:
        """Which of queries (B, C) are unlike those that the lift was trained on, so that `strangers` serves them."""
        return self._strange(queries, *self.nearest_past(queries, self.lift_queries(queries)))

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

    def _search(self, queries: Tensor, k: int, ef_search: int | None, cold_bonus: float) -> tuple[Tensor, Tensor]:
        lifted = self.lift_queries(queries)
        near, past = self.nearest_past(queries, lifted)
        similarity, walked = self._walk(lifted, k, ef_search)
        num_walked = self.model.config.num_walked
        rows, scores = self._ranked(queries, lifted, walked[:, :num_walked], past)
        if cold_bonus:
            scores = scores + cold_bonus * self.is_cold(rows)
        if len(self.told):
            mask = scores > -torch.inf
            scores = self.told_outright(queries, rows, mask, scores).masked_fill(~mask, -torch.inf)
        if walked.shape[1] > num_walked:
            rows, scores = _followed(rows, scores, walked[:, num_walked:], similarity[:, num_walked:])
        scores, places = scores.topk(k)
        rows = rows.gather(1, places)
        strange = self._strange(queries, near, past)
        if strange.any():
            found = self.strangers.search_rows(queries[strange].numpy(), k, ef_search, 0.0)
            scores[strange], rows[strange] = map(torch.from_numpy, found)
        return scores, rows

    def _strange(self, queries: Tensor, near: Tensor, past: Tensor) -> Tensor:
        """`is_strange` of queries whose nearest past ones are known."""
        strange = torch.zeros(len(queries), dtype=torch.bool)
        nearest, num_warm = self.model.familiarity_bounds.tolist()
        if num_warm < 0:
            return strange
        alone = (self.familiarity.nearest(near, past) < nearest).nonzero().flatten()
        if len(alone):
            strange[alone] = self.familiarity.num_warm(self.walk_frozen(queries[alone])) <= num_warm
        return strange

    def walk_frozen(self, queries: Tensor) -> Tensor:
        """As many documents as the ranker takes, found without the lift, (B, m)."""
        count = min(self.model.config.num_walked, len(self.index))
        return torch.from_numpy(self.index.search_rows(queries.numpy(), count)[1])

    def _ranked(self, queries: Tensor, lifted: Tensor, walked: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates and what the ranker makes of them, minus infinity where there is none, both (B, n)."""
        scorer = self.scorer
        if scorer is not None:
            return scorer(queries, lifted, walked, past)
        subgraphs = build_subgraphs(self.space, queries, lifted, walked, past, self.model.config.num_recalled)
        return subgraphs.rows, self.scores(subgraphs, 0.0).masked_fill(~subgraphs.mask, -torch.inf)

    def told_outright(self, queries: Tensor, rows: Tensor, mask: Tensor, scores: Tensor) -> Tensor:
        """The scores of candidates, and on top what people told outright, (B, n)."""
        for told, moved in ((self.told.relevant, raised), (self.told.irrelevant, lowered)):
            if len(told):
                count = min(self.model.config.num_past, len(told))
                past = torch.cdist(queries, told.queries).topk(count, dim=1, largest=False).indices
                around = self.index.metric, queries, told.queries[past], self.index.x[rows[:, 0]]
                held = told.holds(past.unsqueeze(1), rows.unsqueeze(2)) & mask.unsqueeze(2)
                near = nearness(*around)
                if (held & (near > 0).unsqueeze(1)).any():  # few searches are near anything that was told
                    exponent = agreement_exponent(nearness_among(*around), held).unsqueeze(1)
                    scores = moved(scores, mask, evidence(near**exponent, held))
        return scores

    def _walk(self, lifted: Tensor, k: int = 1, ef_search: int | None = None) -> tuple[Tensor, Tensor]:
        """What a walk in the lifted space finds: at least k, and as many as the ranker takes where there are."""
        count = min(max(k, self.model.config.num_walked), len(self.index))
        similarity, rows = self.walk_index.search_rows(lifted.numpy(), count, self.beam(ef_search))
        return torch.from_numpy(similarity) / self.model.similarity.scale, torch.from_numpy(rows)

    def nearest_past(self, queries: Tensor, lifted: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The past queries nearest in both spaces together, without the query itself: similarity, number, (B, P)."""
        spare = int(own is not None)
        count = min(self.model.config.num_past, len(self.memory) - spare)
        if count <= 0:
            return torch.empty(len(queries), 0), torch.zeros(len(queries), 0, dtype=torch.int64)
        vectors = self.model.past_vectors(queries, lifted).numpy()
        near, past = map(torch.from_numpy, self.past.search_rows(vectors, count + spare))
        if own is None:
            return near, past
        others_first = torch.argsort((past == own.unsqueeze(1)).int(), dim=1, stable=True)[:, :count]
        return near.gather(1, others_first), past.gather(1, others_first)


@cache
def _unlearned_model(channels: int, similarity: Similarity) -> LiftModel:
    """A model that was never trained. Its weights are never used; made once, as a search may ask for it while a fit
    draws from the same random generator."""
    config = ModelConfig(ranker="evidence", hidden_channels=4, num_layers=1, past_channels=channels)
    with torch.random.fork_rng(devices=[]):
        return LiftModel(channels, similarity, config).eval()


def _followed(rows: Tensor, scores: Tensor, tail: Tensor, similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates and scores (B, n), and behind them what the walk found and the ranker did not see (B, t), in the order
    of the walk."""
    there = scores > -torch.inf
    floor = scores.masked_fill(~there, torch.inf).amin(dim=1, keepdim=True)
    seen = (tail.unsqueeze(2) == rows.masked_fill(~there, -1).unsqueeze(1)).any(dim=2)
    behind = (floor - 1 + similarity - similarity[:, :1]).masked_fill(seen, -torch.inf)
    return torch.cat([rows, tail], dim=1), torch.cat([scores, behind], dim=1)


def _links(index: HnswIndex) -> Tensor:
    """The bottom level's links; rows behind the graph have none, (N, d)."""
    links = torch.from_numpy(index.graph.levels[0].neighbors)
    return grown(links, links.new_full((index.num_rows - len(links), links.shape[1]), EMPTY))


def _past_index(vectors: Vectors, index: HnswIndex) -> PastIndex:
    metric = Metric.L2 if index.metric is Metric.L2 else Metric.INNER_PRODUCT
    if len(vectors) <= SCANNED_PAST:
        return FlatIndex(vectors, metric)
    return HnswIndex.build(vectors, metric=metric, M=index.M, ef_construction=100)
