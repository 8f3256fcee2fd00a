"""Streams of tasks: several sets, or several parts of one, whose documents share one index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.ranking.task import DEV_FRACTION
from graphlift import HnswIndex, Memory
from graphlift.data import Qrels, read_collection, read_vectors
from graphlift.training.hold_out import hold_out

SETS = ("scifact", "openbookqa", "nl2bash")
GROUPS = 5
"""clinc150 is cut into so many groups of intents."""


@dataclass(frozen=True)
class Task:
    """Queries of one kind.

    Attributes:
        name: for people.
        train: what is told.
        dev: to choose on.
        test: to report on.
    """

    name: str
    train: Memory
    dev: Memory
    test: Memory


@dataclass(frozen=True)
class Stream:
    """Tasks over one index, in the order in which they come."""

    name: str
    index: HnswIndex
    tasks: list[Task]


def three_sets(data: Path, seed: int) -> Stream:
    """Three sets in one store, with their names before their ids."""
    folders = [data / name for name in SETS]
    collections = [read_collection(folder) for folder in folders]
    ids = [f"{folder.name}:{doc}" for folder, c in zip(folders, collections, strict=True) for doc in c.corpus.ids]
    index = HnswIndex.build(np.concatenate([read_vectors(folder / "corpus_emb.npy") for folder in folders]), ids)
    tasks = []
    for folder, collection in zip(folders, collections, strict=True):
        vectors = torch.from_numpy(index.metric.prepare(read_vectors(folder / "queries_emb.npy"), "queries"))
        place = {query: row for row, query in enumerate(collection.queries.ids)}
        train, test = (
            _memory(index, qrels, folder.name, vectors, place) for qrels in (collection.train, collection.test)
        )
        if collection.dev is None:
            train, dev = hold_out(train, DEV_FRACTION, seed)
        else:
            dev = _memory(index, collection.dev, folder.name, vectors, place)
            dev = dev.select((~dev.known_to(train)).nonzero().flatten())
        tasks.append(Task(folder.name, train, dev, test))
    return Stream("three sets", index, tasks)


def intents(data: Path, seed: int) -> Stream:
    """clinc150, cut into groups of intents that are near each other; the set names no domains."""
    folder = data / "clinc150"
    collection = read_collection(folder)
    index = HnswIndex.build(read_vectors(folder / "corpus_emb.npy"), collection.corpus.ids)
    vectors = torch.from_numpy(index.metric.prepare(read_vectors(folder / "queries_emb.npy"), "queries"))
    place = {query: row for row, query in enumerate(collection.queries.ids)}
    train, test = (_memory(index, qrels, "", vectors, place) for qrels in (collection.train, collection.test))
    intent = torch.unique(train.rows[train.offsets[:-1]], return_inverse=True)  # an intent by its first document
    centers = torch.stack([index.x[train.answers(int((intent[1] == i).nonzero()[0]))].mean(dim=0) for i in range(150)])
    group = _grouped(centers, GROUPS)

    def part(queries: Memory, number: int) -> Memory:
        of_query = group[torch.searchsorted(intent[0], queries.rows[queries.offsets[:-1]])]
        return queries.select((of_query == number).nonzero().flatten())

    tasks = []
    for number in range(GROUPS):
        taught, dev = hold_out(part(train, number), DEV_FRACTION, seed)
        tasks.append(Task(f"group {number + 1}", taught, dev, part(test, number)))
    return Stream("clinc150", index, tasks)


STREAMS = {"three sets": three_sets, "clinc150": intents}


def _memory(index: HnswIndex, qrels: Qrels, name: str, vectors: torch.Tensor, place: dict[str, int]) -> Memory:
    """Judged queries with their relevant rows, all of grade 1."""
    prefix = f"{name}:" if name else ""
    relevant = {q: [prefix + d for d, grade in documents.items() if grade > 0] for q, documents in qrels.items()}
    relevant = {q: documents for q, documents in relevant.items() if documents}
    answers = [dict.fromkeys(index.ids.rows(documents).tolist(), 1.0) for documents in relevant.values()]
    return Memory.of(vectors[[place[q] for q in relevant]], answers).merged()


def _grouped(centers: torch.Tensor, groups: int) -> torch.Tensor:
    """Equal groups along a walk from center to nearest center that is left, (n,)."""
    order, left = [0], set(range(1, len(centers)))
    while left:
        order.append(max(left, key=lambda i: float(centers[i] @ centers[order[-1]])))
        left.remove(order[-1])
    group = torch.empty(len(centers), dtype=torch.int64)
    group[torch.tensor(order)] = torch.arange(len(centers)) * groups // len(centers)
    return group
