"""Paired timing: rivals take turns within each round, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import faiss
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.speed.rows import Spread

Seconds = npt.NDArray[np.float64]


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int = 11, warm_up: int = 2) -> dict[str, Seconds]:
    """Seconds of every call in every round, (rounds,) each; the order turns from round to round.

    Args:
        calls: what to time, by name; each should take a few milliseconds or more.
        rounds: how often each is timed.
        warm_up: rounds before that, which do not count.
    """
    names = list(calls)
    seconds = {name: np.empty(rounds) for name in names}
    for number in range(-warm_up, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            calls[name]()
            elapsed = time.perf_counter() - started
            if number >= 0:
                seconds[name][number] = elapsed
    return seconds


def ratio(above: Seconds, below: Seconds) -> Spread:
    """The quotient of two rivals, round by round."""
    return Spread.of(above / below)


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent b of values = a * sizes ** b that fits best."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch and FAISS compute with so many threads inside the block."""
    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        faiss.omp_set_num_threads(before[1])
