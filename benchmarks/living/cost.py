"""What a thousand inserts cost beside a full refresh, and what single changes take."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.speed.world import random_lift
from graphlift import HnswIndex, Lift
from graphlift.lifted import LiftedIndex
from graphlift.online.versions import Versions
from graphlift.store import Snapshot

INSERTS = 1000
SINGLE = 200
PAST = 10_000
CLUSTERS = 1000


def clustered(count: int, channels: int, rng: np.random.Generator, centers: np.ndarray) -> np.ndarray:
    """Unit vectors around centers, (count, channels)."""
    near = centers[rng.integers(len(centers), size=count)] + 0.7 * rng.normal(size=(count, channels))
    return (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)


def cost(documents: int, channels: int, seed: int) -> dict[str, Any]:
    """Processor seconds of everything, on one lift with a model that moves every vector."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(CLUSTERS, channels))
    x, new = clustered(documents, channels, rng, centers), clustered(INSERTS, channels, rng, centers)
    queries = clustered(SINGLE, channels, rng, centers)
    build, index = timed(lambda: HnswIndex.build(x))
    lifted = random_lift(index, seed, PAST)
    relift, _ = timed(lambda: LiftedIndex(index, lifted.model, lifted.memory, past=lifted.past))
    start = Snapshot(index, lifted)
    ids = [documents + number for number in range(INSERTS)]

    def one_by_one() -> Lift:
        lift = Lift._of(Versions(start))
        for vector, name in zip(new, ids, strict=True):
            lift.add(vector[None], [name])
        return lift

    def at_once() -> Lift:
        lift = Lift._of(Versions(start))
        lift.add(new, ids)
        return lift

    apart, lift = timed(one_by_one)
    together, again = timed(at_once)
    linking, _ = timed(lift.compact)
    full = LiftedIndex(lift.index, lifted.model, lift._now.lifted.memory).walk_index.vectors
    results = {
        "documents": documents,
        "channels": channels,
        "past queries": len(lifted.memory),
        "full refresh: build and lift": build + relift,
        "of which lift": relift,
        "1,000 inserts, one call each": apart,
        "1,000 inserts, one call": together,
        "linking them": linking,
        "largest difference to a full recomputation": float(np.abs(lift._now.lifted.walk_index.vectors - full).max()),
    }
    singles = {
        "insert": lambda number: again.add(queries[number : number + 1], [2 * documents + number]),
        "update": lambda number: again.update([number], queries[number : number + 1]),
        "feedback": lambda number: again.feedback(queries[number], [number + SINGLE], [number + 2 * SINGLE]),
        "search": lambda number: again.search(queries[number : number + 1]),
        "remove": lambda number: again.remove([number]),
    }
    for name, change in singles.items():
        times = [timed(partial(change, number))[0] for number in range(SINGLE)]
        results[f"{name}, median"], results[f"{name}, slowest"] = float(np.median(times)), max(times)
    return results


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returned."""
    started = time.process_time()
    value = run()
    return time.process_time() - started, value
