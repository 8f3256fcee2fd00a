"""Work on many rows, some at a time, on as many threads as torch uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

Task = TypeVar("Task")
Result = TypeVar("Result")


ON_DEVICE = 64
"""Times as many rows at a time on an accelerator, which has many more cores to keep busy."""


def fill(out: Tensor, chunk_size: int, function: Callable[[slice], Tensor]) -> Tensor:
    """Write ``function(rows)`` to ``out[rows]`` for all rows, some at a time.

    For what needs no gradient. Whole chunks side by side leave each in the cache of one core, where torch's own threads
    would meet after every operation.
    """

    def compute(rows: slice) -> None:
        out[rows] = function(rows)

    side_by_side(compute, list(chunks(out, chunk_size)), threads_for(out))
    return out


def chunks(x: Tensor, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` consecutive rows, of more on an accelerator, that together cover all of ``x``."""
    size = size if x.device.type == "cpu" else size * ON_DEVICE
    return (slice(start, start + size) for start in range(0, len(x), size))


def threads_for(x: Tensor) -> int:
    """How many threads of ours may compute with a tensor: as many as torch uses, on the processor."""
    return 1 if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") else torch.get_num_threads()


def side_by_side(function: Callable[[Task], Result], tasks: Sequence[Task], threads: int) -> list[Result]:
    """``function`` of every task, as many at a time as there are threads; on several threads without gradients.

    torch computes with one thread in each of ours: its own keep turning for a while after an operation, in the way.
    """
    if threads == 1 or len(tasks) <= 1:
        return [function(task) for task in tasks]
    inference = torch.is_inference_mode_enabled()

    def alone(task: Task) -> Result:
        with torch.inference_mode(inference), torch.no_grad():
            return function(task)

    return list(_pool(threads).map(alone, tasks))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in each of which torch computes with one; all of them have begun."""
    pool = ThreadPoolExecutor(threads, "graphlift", initializer=_compute_alone)
    used, begun = torch.get_num_threads(), Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(begun.wait)
    begun.wait()
    torch.set_num_threads(used)  # for threads that begin later; those of the pool keep theirs
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()  # a thread's first question sets what it asks for
    torch.set_num_threads(1)


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
