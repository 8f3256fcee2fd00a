"""First stage of a fit: the lift of queries and documents, by contrast."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.index.hnsw import HnswIndex
from graphlift.losses import contrast, local_contrastive
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.sampling import HardNegatives, Negatives, Pairs, RandomNegatives
from graphlift.search.descent import Descent
from graphlift.training.paraphrases import stand_ins

HARD_RANKS = 30
"""Hard negatives are drawn from so many first results of the present search."""
LOCAL_NEGATIVES = 64
"""Random documents that the local contrast holds against links."""


class ContrastObjective:
    """Relevant documents against the other documents of the batch, hard and random ones, and queries likewise.

    Args:
        model: whose lift is trained.
        index: the frozen index.
        memory: training queries.
        temperature: of the softmax.
        pairs: what a pass over the training queries sees.
        min_pairs: an epoch makes as many passes over the queries as it takes to see so many pairs.
        random_negatives: random documents a batch.
        hard_negatives: whether each query also brings one of its own first results that is not relevant.
        local_weight: weight of the loss that keeps linked documents together.
        stand_in: share of the pairs in which another answer of the query asks in its place.
        may_ask: which documents may do that, (N,); all where left out.
        nested: widths of prefixes of the lifted vectors that must find documents, too (Matryoshka; Kusupati et al.,
            2022): the loss is the mean over these and the whole vector.

    Raises:
        InputError: a nested width is not below the vectors' own.
    """

    def __init__(
        self,
        model: LiftModel,
        index: HnswIndex,
        memory: Memory,
        *,
        temperature: float,
        pairs: Pairs,
        min_pairs: int,
        random_negatives: int,
        hard_negatives: bool,
        local_weight: float,
        stand_in: float = 0.0,
        may_ask: Tensor | None = None,
        nested: tuple[int, ...] = (),
    ) -> None:
        if not all(0 < width < index.channels for width in nested):
            raise InputError(f"`nested` must hold widths in [1, {index.channels - 1}], got {nested}.")
        self.model, self.index, self.memory = model, index, memory
        self.temperature, self.local_weight = temperature, local_weight
        self.stand_in, self.may_ask = stand_in, may_ask
        self.source = pairs
        self.passes = math.ceil(min_pairs / len(pairs))
        self.widths = (*nested, index.channels)
        self.negatives: list[Negatives] = [RandomNegatives(random_negatives, len(index))]
        self.hard_negatives = hard_negatives
        self.descent = Descent(index.graph, model.device)
        self.documents = index.x.to(model.device)
        self.queries = memory.queries.to(model.device)
        self.links = torch.from_numpy(index.graph.levels[0].neighbors)
        self.weighted = bool((memory.grades != memory.grades[:1]).any())

    def __len__(self) -> int:
        return self.passes * len(self.source)

    def start_epoch(self, generator: torch.Generator) -> None:
        """Draw pairs, and find what the search now returns if that is to be learned from."""
        self.pairs = torch.cat([self.source.draw(generator) for _ in range(self.passes)])
        if self.hard_negatives:
            self.negatives = [self.negatives[0], HardNegatives(self._found())]

    @torch.inference_mode()
    def _found(self) -> Tensor:
        """First results of every training query in the present lifted space, (Q, HARD_RANKS)."""
        lifted = self.index.with_vectors(self.model.lift_documents(self.documents).cpu().numpy())
        queries = [
            self.model.lift_queries(chunk, self.documents, self.descent).cpu() for chunk in self.queries.split(1024)
        ]
        rows = lifted.search_rows(torch.cat(queries).numpy(), min(HARD_RANKS, len(lifted)))[1]
        return torch.from_numpy(rows)

    def loss(self, examples: Tensor, generator: torch.Generator) -> Tensor:
        """Symmetric InfoNCE of some pairs, each counting by its grade, plus the local contrast of their documents."""
        query, positive = self.pairs[examples].unbind(dim=1)
        rows = torch.cat([positive, *(negatives.sample(query, generator) for negatives in self.negatives)])
        relevant = self.memory.holds_each(query, rows)
        own = torch.arange(len(query))
        relevant[own, own] = False  # what is left are relevant documents that must not count as negatives
        lifted_queries = self.model.lift_queries(self._asked(query, positive, generator), self.documents, self.descent)
        lifted_rows = self.model.lift_documents(self.documents[rows])
        weight = self.memory.grade(query, positive).to(lifted_rows.device) if self.weighted else None
        mask, own = ~relevant.to(lifted_rows.device), own.to(lifted_rows.device)
        finish = self.model.similarity.finish
        loss = lifted_rows.new_zeros(())
        for width in self.widths:
            scores = self.model.similarity.pairwise(finish(lifted_queries[:, :width]), finish(lifted_rows[:, :width]))
            square = scores[:, : len(query)] / self.temperature, mask[:, : len(query)]
            forth = contrast(scores / self.temperature, own, mask, weight)
            loss = loss + (forth + contrast(square[0].T, own, square[1].T, weight)) / (2 * len(self.widths))
        if self.local_weight:
            loss = loss + self.local_weight * self._local(positive, generator)
        return loss

    def _asked(self, query: Tensor, positive: Tensor, generator: torch.Generator) -> Tensor:
        """The vectors that ask in some pairs, (B, C): of the queries, or of other answers to them."""
        asked = self.queries[query]
        if self.stand_in:
            rows = stand_ins(self.memory, query, generator, positive, self.may_ask)
            rows[torch.rand(len(rows), generator=generator) >= self.stand_in] = -1
            stand = rows >= 0
            asked[stand] = self.documents[rows[stand]]
        return asked

    def _local(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Local contrast of some documents with one of their links each, against random documents."""
        links = self.links[rows].long()
        draw = torch.rand(links.shape, generator=generator).masked_fill(links == EMPTY, -1)
        neighbor = links.gather(1, draw.argmax(dim=1, keepdim=True))
        others = self.negatives[0].sample(rows, generator)[:LOCAL_NEGATIVES]
        nodes = torch.cat([rows, neighbor.flatten().clamp(min=0), others])
        table = torch.arange(len(rows), 2 * len(rows)).unsqueeze(1).masked_fill(neighbor == EMPTY, EMPTY)
        negatives = torch.arange(2 * len(rows), len(nodes)).expand(len(rows), -1)
        lifted = self.model.lift_documents(self.documents[nodes])
        neighbors = NeighborTable(table, num_sources=len(nodes)).to(lifted.device)
        return local_contrastive(lifted, neighbors, negatives.to(lifted.device), self.temperature)
