"""Where a lifted search spends its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.lifted import LiftedIndex
from graphlift.nn import fast
from graphlift.serving.compiled_search import Found

Queries = npt.NDArray[np.float32]


def shares(lifted: LiftedIndex, queries: Queries, batch: int, search: Callable[[Queries], Any]) -> dict[str, float]:
    """Shares of a search's time on one thread, where every part of the compiled call runs by itself.

    The rest is Python around the call, and caches that one part empties for the next.
    """
    batches = [queries[place : place + batch] for place in range(0, len(queries), batch)]
    found = [lifted._found(part, 10, None) for part in batches]
    seconds = {name: _time(run, batches, found) for name, run in _parts(lifted).items()}
    whole = _time(lambda part, _: search(part), batches, found)
    encoder = seconds.pop("encoder")
    parts = {"walk": seconds["walk"] - encoder, "encoder": encoder, "memory": seconds["memory"] - encoder}
    parts |= {"strangers": seconds["strangers"], "scoring": seconds["scoring"] - encoder}
    return {name: taken / whole for name, taken in parts.items()} | {"rest": 1 - sum(parts.values()) / whole}


def _time(run: Callable[[Queries, Found], Any], batches: list[Queries], found: list[Found]) -> float:
    run(batches[0], found[0])
    started = time.perf_counter()
    for part, result in zip(batches, found, strict=True):
        run(part, result)
    return time.perf_counter() - started


def _parts(lifted: LiftedIndex) -> dict[str, Callable[[Queries, Found], Any]]:
    """The parts of the compiled call, each from what the others found; all but strangers lift queries first."""
    it = lifted.compiled
    if it is None:
        raise RuntimeError("this lift has no compiled search; the extra `fast` is needed")
    loops = fast.loops("graphlift.serving.kernels")
    beam = it.walk.beam(it.num_walked, lifted.beam())
    maps, terrain, past_queries, past_beam, scoring_parts, stranger = (
        loops.Pinned(part) if isinstance(part, tuple) else part for part in it.parts
    )
    rankers = loops.Pinned(it.parts.scoring.rankers)

    def walk(queries: Queries, found: Found) -> None:
        lifted_queries = loops.lift(queries, maps, 0)[0]
        loops.walk_span(0, len(queries), lifted_queries, terrain, beam, found.similarity, found.walked)

    def memory(queries: Queries, found: Found) -> None:
        loops.recall(loops.lift(queries, maps, 0)[1], past_queries, past_beam, found.near, found.past)

    def strangers(queries: Queries, found: Found) -> None:
        loops.find_strange(queries, found.near, found.past, stranger, found.strange)

    def scoring(queries: Queries, found: Found) -> None:
        lifted_queries = loops.lift(queries, maps, 0)[0]
        turn = loops.turns(queries, rankers)
        loops.score(queries, lifted_queries, found.walked, found.past, turn, scoring_parts, found.rows, found.scores)

    def encoder(queries: Queries, _: Found) -> None:
        loops.lift(queries, maps, 0)

    return {part.__name__: part for part in (walk, memory, strangers, scoring, encoder)}
