"""What the ranker's candidates listened to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.lift import Lift
from graphlift.lifted import LiftedIndex

HITS = 5
"""Hits whose attention is shown."""
VOICES = 4
"""Other candidates that are named for a hit."""
HEARD = 0.01
"""A candidate is named if a hit gives it this share of its attention."""


@dataclass(frozen=True)
class Voice:
    """Another candidate that a hit listens to.

    Attributes:
        name: its text.
        share: of the hit's attention.
    """

    name: str
    share: float


@dataclass(frozen=True)
class Hit:
    """A document found, and where its attention goes.

    Attributes:
        name: its text.
        itself: share that stays with itself; the rest goes to other candidates.
        voices: those it listens to most.
    """

    name: str
    itself: float
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class Listening:
    """One query and what its best hits listened to, best hit first.

    Attributes:
        query: its text.
        hits: at most `HITS`.
        num_candidates: that could be listened to.
    """

    query: str
    hits: tuple[Hit, ...]
    num_candidates: int


def listenings(lift: Lift, queries: Mapping[str, npt.ArrayLike]) -> list[Listening]:
    """What the top hits of each query listened to in the first layer.

    Nothing while the frozen index serves, or under a layer whose attention cannot be shown.

    Args:
        lift: what serves.
        queries: text -> vector (C,) of the same embedder as the documents'.

    Raises:
        InputError: a vector does not fit the index.
    """
    lifted, index = lift.lifted, lift.index
    vectors = [
        torch.from_numpy(index.metric.prepare(np.asarray(vector)[None], f"attention[{text!r}]", index.channels))
        for text, vector in queries.items()
    ]
    if lifted is None or not lifted.model.ranker.attends:
        return []
    name = _document_names(lift)
    return [_listening(lifted, text, vector, name) for text, vector in zip(queries, vectors, strict=True)]


@torch.inference_mode()
def _listening(lifted: LiftedIndex, query: str, vector: Tensor, name: Callable[[int], str]) -> Listening:
    subgraphs = lifted.subgraphs(vector)
    ranker, mask = lifted.model.ranker, subgraphs.mask[0]
    scores = ranker(subgraphs)[0].masked_fill(~mask, -torch.inf)
    heard = ranker.attention(subgraphs)[0]  # (n, n)
    names = [name(row) for row in subgraphs.rows[0].tolist()]

    def hit(place: int) -> Hit:
        others = heard[place].index_fill(0, torch.tensor([place]), 0.0)
        loudest = others.argsort(descending=True, stable=True)[:VOICES].tolist()
        voices = tuple(Voice(names[other], float(others[other])) for other in loudest if others[other] >= HEARD)
        return Hit(names[place], float(heard[place, place]), voices)

    best = scores.topk(min(HITS, int(mask.sum()))).indices.tolist()
    return Listening(query, tuple(map(hit, best)), int(mask.sum()))


def _document_names(lift: Lift) -> Callable[[int], str]:
    """What a row of the index is called: by its text, or else by its id."""
    texts, ids = lift.texts, lift.index.ids.array
    return lambda row: str(ids[row]) if texts is None else texts[row]
