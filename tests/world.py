"""A small world in which there is something to learn: queries are documents seen through a fixed distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphlift import FitConfig, HnswIndex, Lift, ModelConfig
from graphlift.online.versions import Versions
from graphlift.store.snapshot import Snapshot
from graphlift.training.config import LoopConfig, MoreConfig

QUICK = FitConfig(
    model=ModelConfig(
        num_walked=20, num_recalled=5, num_past=8, num_past_nodes=6, hidden_channels=16, num_layers=1, heads=2
    ),
    lift=LoopConfig(epochs=8, batch_size=64, lr=5e-3),
    ranker=LoopConfig(epochs=3, batch_size=32, lr=3e-3),
    random_negatives=64,
    teachers=1,
    more=MoreConfig(
        lift=LoopConfig(epochs=8, max_steps=100, batch_size=256, lr=6e-4),
        ranker=LoopConfig(epochs=8, max_steps=300, batch_size=64, lr=2e-3),
    ),
)
"""A fit of a second or two."""


@dataclass(frozen=True)
class World:
    """Documents, queries and what is relevant; ids are strings."""

    documents: np.ndarray
    document_ids: list[str]
    queries: np.ndarray
    query_ids: list[str]
    train: dict[str, dict[str, float]]
    test: dict[str, dict[str, float]]

    def lift(self, **options) -> Lift:
        texts = [f"text of {name}" for name in self.document_ids]
        return Lift(HnswIndex.build(self.documents, self.document_ids, **options), texts=texts)

    def fitted(self, config: FitConfig = QUICK) -> Lift:
        lift = self.lift()
        assert lift.fit(self.queries, self.train, query_ids=self.query_ids, config=config).published
        return lift


def make_world(num_documents: int = 240, num_queries: int = 180, channels: int = 12, seed: int = 0) -> World:
    """Each query is relevant to the document it was made from, behind a distortion that a linear map can undo."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(num_documents, channels)).astype(np.float32)
    distortion = np.eye(channels) + 0.5 * rng.normal(size=(channels, channels))
    source = rng.integers(num_documents, size=num_queries)
    queries = (documents[source] + 0.1 * rng.normal(size=(num_queries, channels))) @ distortion
    document_ids = [f"d{i}" for i in range(num_documents)]
    query_ids = [f"q{i}" for i in range(num_queries)]
    qrels = {query: {document_ids[d]: 1.0} for query, d in zip(query_ids, source, strict=True)}
    cut = num_queries * 3 // 4
    train = {query: qrels[query] for query in query_ids[:cut]}
    test = {query: qrels[query] for query in query_ids[cut:]}
    return World(documents, document_ids, queries.astype(np.float32), query_ids, train, test)


def copy_of(now: Snapshot) -> Lift:
    """A lift that starts from a version of another one."""
    return Lift._of(Versions(now))
