"""What the ranker's candidates listened to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.lift import Lift
from graphlift.lifted import LiftedIndex
from graphlift.report.names import document_names

HITS = 5
"""Hits whose attention is shown."""
PAST_VOICES, CANDIDATE_VOICES = 3, 2
"""Past queries and other candidates that are named for a hit."""
HEARD = 0.01
"""A node is named if a hit gives it this share of its attention."""
NAMED_ANSWERS = 2
"""Answers that stand for a past query whose text is not known."""


@dataclass(frozen=True)
class Voice:
    """A node that a hit listens to.

    Attributes:
        is_past: whether it is a past query; else it is another candidate.
        name: its text; None for a past query whose text is not known.
        answers: texts of documents that answered a past query without a text.
        more_answers: how many more there are.
        share: of the hit's attention.
    """

    is_past: bool
    name: str | None
    answers: tuple[str, ...]
    more_answers: int
    share: float


@dataclass(frozen=True)
class Hit:
    """A document found, and where its attention goes; the three shares add to 1.

    Attributes:
        name: its text.
        itself: share that stays with itself.
        past: share that goes to past queries.
        candidates: share that goes to other candidates.
        voices: those it listens to most, past queries first.
    """

    name: str
    itself: float
    past: float
    candidates: float
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class Listening:
    """One query and what its best hits listened to, best hit first.

    Attributes:
        query: its text.
        hits: at most `HITS`.
        num_past, num_candidates: past queries and candidates that could be listened to.
    """

    query: str
    hits: tuple[Hit, ...]
    num_past: int
    num_candidates: int


def listenings(lift: Lift, queries: Mapping[str, npt.ArrayLike], past_texts: Sequence[str] | None) -> list[Listening]:
    """What the top hits of each query listened to in the first layer.

    Nothing before the first fit, or under a layer whose attention cannot be shown; strange queries are left out, as the
    frozen index answers them.

    Args:
        lift: what serves.
        queries: text -> vector (C,) of the same embedder as the documents'.
        past_texts: texts of the past queries in memory, one each, where they are known.

    Raises:
        InputError: a vector does not fit the index, or there is not one text a past query.
    """
    lifted = lift.lifted
    memory_size = 0 if lifted is None else len(lifted.memory)
    if past_texts is not None and len(past_texts) != memory_size:
        raise InputError(f"`past_texts` must be one a past query in memory ({memory_size}), got {len(past_texts)}.")
    vectors = [
        torch.from_numpy(
            lift.index.metric.prepare(np.asarray(vector)[None], f"attention[{text!r}]", lift.index.channels)
        )
        for text, vector in queries.items()
    ]
    if lifted is None or not lifted.learned or not lifted.model.ranker.attends:
        return []
    names = document_names(lift)
    return [
        _listening(lifted, text, vector, names, past_texts)
        for text, vector in zip(queries, vectors, strict=True)
        if not bool(lifted.is_strange(vector))  # the frozen index answers it
    ]


@torch.inference_mode()
def _listening(
    lifted: LiftedIndex, query: str, vector: Tensor, names: Sequence[str], past_texts: Sequence[str] | None
) -> Listening:
    subgraphs = lifted.subgraphs(vector)
    mask, rows = subgraphs.mask[0], subgraphs.rows[0]
    past = subgraphs.past[0, : subgraphs.past_attr.shape[1]]
    scores = lifted.scores(subgraphs, lifted.cold_bonus)
    scores = lifted.told_outright(vector, subgraphs.rows, subgraphs.rows[:, 0], subgraphs.mask, scores)
    scores = scores[0].masked_fill(~mask, -torch.inf)
    heard = lifted.model.ranker_of_one(subgraphs).attention(subgraphs)[0]  # (n, n + S)

    def candidate(place: int, share: float) -> Voice:
        return Voice(False, names[int(rows[place])], (), 0, share)

    def past_query(place: int, share: float) -> Voice:
        number = int(past[place])
        if past_texts is not None:
            return Voice(True, past_texts[number], (), 0, share)
        answers = lifted.memory.answers(number).tolist()
        named = tuple(names[row] for row in answers[:NAMED_ANSWERS])
        return Voice(True, None, named, len(answers) - len(named), share)

    def hit(place: int) -> Hit:
        to_candidates, to_past = heard[place].split([len(rows), len(past)])
        itself = float(to_candidates[place])
        others = to_candidates.index_fill(0, torch.tensor([place]), 0.0)
        voices = (*_loudest(to_past, PAST_VOICES, past_query), *_loudest(others, CANDIDATE_VOICES, candidate))
        return Hit(names[int(rows[place])], itself, float(to_past.sum()), float(others.sum()), voices)

    best = scores.topk(min(HITS, int(mask.sum()))).indices.tolist()
    return Listening(query, tuple(map(hit, best)), len(past), int(mask.sum()))


def _loudest(heard: Tensor, count: int, voice: Callable[[int, float], Voice]) -> tuple[Voice, ...]:
    """The nodes listened to most, of shares (nodes,)."""
    order = heard.argsort(descending=True, stable=True)[:count].tolist()
    return tuple(voice(place, float(heard[place])) for place in order if heard[place] >= HEARD)
