"""Where a lifted search spends its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.lifted import LiftedIndex


def shares(
    lifted: LiftedIndex, queries: npt.NDArray[np.float32], batch: int, search: Callable[[Any], object]
) -> dict[str, float]:
    """Shares of the walk, the encoder, the memory, and the subgraph with the ranker; what is left is the rest."""
    seconds = dict.fromkeys(("walk", "encoder", "memory", "scoring"), 0.0)
    steps = [
        (lifted, "_walk", "walk"),
        (lifted, "_lifted", "encoder"),
        (lifted, "_nearest_past", "memory"),
        (lifted, "_ranked", "scoring"),
    ]
    with ExitStack() as stack:
        for owner, method, part in steps:
            stack.enter_context(_timed(owner, method, part, seconds))
        started = time.perf_counter()
        for place in range(0, len(queries), batch):
            search(queries[place : place + batch])
        whole = time.perf_counter() - started
    found = {part: taken / whole for part, taken in seconds.items()}
    return found | {"rest": 1 - sum(found.values())}


@contextmanager
def _timed(owner: Any, method: str, part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Add what one method of one object takes to the seconds of a part."""
    untimed = getattr(owner, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = untimed(*args, **kwargs)
        seconds[part] += time.perf_counter() - started
        return result

    owner.__dict__[method] = timed
    try:
        yield
    finally:
        del owner.__dict__[method]
