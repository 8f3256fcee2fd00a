"""A data set as every method sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from graphlift import HnswIndex, Memory
from graphlift.data import Qrels, read_collection, read_vectors
from graphlift.training.hold_out import hold_out

DEV_FRACTION = 0.15


@dataclass(frozen=True)
class Task:
    """Vectors and judgments of one set.

    Attributes:
        name: of the set.
        index: the frozen index.
        train: training queries, with their relevant rows.
        given_dev: the set's own dev queries, where it has some.
        test: test queries.
    """

    name: str
    index: HnswIndex
    train: Memory
    given_dev: Memory | None
    test: Memory

    @property
    def x(self) -> Tensor:
        """Documents, unit length, (N, C)."""
        return self.index.x

    def split(self, seed: int) -> tuple[Memory, Memory]:
        """Queries to fit on and queries to choose on; the latter are taken from train where the set has none."""
        if self.given_dev is not None:
            return self.train, self.given_dev
        return hold_out(self.train, DEV_FRACTION, seed)

    @cached_property
    def warm(self) -> Tensor:
        """Whether a test query has a relevant document that answered a training query, (Q,)."""
        warm = torch.isin(self.test.rows, self.train.warm_rows)
        return torch.bincount(self.test.query_of_answer, weights=warm.double(), minlength=len(self.test)) > 0


def load_task(folder: Path) -> Task:
    """Read a set in BEIR layout with `corpus_emb.npy` and `queries_emb.npy` beside it."""
    collection = read_collection(folder)
    index = HnswIndex.build(read_vectors(folder / "corpus_emb.npy"), collection.corpus.ids)
    vectors = torch.from_numpy(index.metric.prepare(read_vectors(folder / "queries_emb.npy"), "queries"))
    place = {query: row for row, query in enumerate(collection.queries.ids)}

    def memory(qrels: Qrels) -> Memory:
        relevant = {q: [d for d, grade in documents.items() if grade > 0] for q, documents in qrels.items()}
        relevant = {q: documents for q, documents in relevant.items() if documents}
        answers = [dict.fromkeys(index.ids.rows(documents).tolist(), 1.0) for documents in relevant.values()]
        return Memory.of(vectors[[place[q] for q in relevant]], answers)

    dev = None if collection.dev is None else memory(collection.dev)
    return Task(folder.name, index, memory(collection.train), dev, memory(collection.test))
