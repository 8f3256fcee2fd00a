"""The door to compiled loops: whether they can be had and are worth it, and on how many threads they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor

Task = TypeVar("Task")
Result = TypeVar("Result")

SMALL = 2**21
"""Multiply-adds below which Numba is not worth its import, which takes as long as many small calls."""


def kernels(work: int, *tensors: Tensor) -> ModuleType | None:
    """The compiled loops, or None where plain torch should do the work.

    They need the extra ``fast``, float32 or float64 on the processor, and enough to do.

    Args:
        work: multiply-adds of the call.
        tensors: what will be computed with; all of one type.
    """
    first = tensors[0]
    if work < SMALL or first.dtype not in (torch.float32, torch.float64):
        return None
    if any(tensor.device.type != "cpu" or tensor.dtype != first.dtype for tensor in tensors):
        return None
    return loops("graphlift.nn.kernels")


@cache
def loops(package: str) -> ModuleType | None:
    """A package of compiled loops, or None without the extra ``fast``."""
    try:
        return import_module(package)
    except (ImportError, RuntimeError):  # not installed, or Numba finds no place where it may keep what it compiled
        return None


def run(kernel: Callable[..., None], size: int, *arguments: Any) -> None:
    """Run ``kernel(first, last, *arguments)`` over range(size), on as many threads as torch uses.

    Tensors reach the kernel as contiguous arrays that share their memory. What a kernel writes to must be contiguous.
    """
    arrays = [array(argument) if isinstance(argument, Tensor) else argument for argument in arguments]
    threads = min(torch.get_num_threads(), size)
    if threads <= 1:
        kernel(0, size, *arrays)
        return
    bounds = [size * thread // threads for thread in range(threads + 1)]
    (first, last), *others = pairwise(bounds)
    waiting = [_pool().submit(kernel, *span, *arrays) for span in others]
    kernel(first, last, *arrays)
    for other in waiting:
        other.result()


def fill(out: Tensor, chunk_size: int, function: Callable[[slice], Tensor]) -> Tensor:
    """Write ``function(rows)`` to ``out[rows]`` for all rows, some at a time, on as many threads as torch uses.

    For what needs no gradient. Whole chunks side by side leave each in the cache of one core, where torch's own threads
    would meet after every operation.
    """

    def compute(rows: slice) -> None:
        out[rows] = function(rows)

    side_by_side(compute, list(chunks(len(out), chunk_size)), threads_for(out))
    return out


def threads_for(x: Tensor) -> int:
    """How many threads of ours may compute with a tensor side by side: what torch uses, on the processor."""
    return 1 if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") else torch.get_num_threads()


def side_by_side(function: Callable[[Task], Result], tasks: Sequence[Task], threads: int) -> list[Result]:
    """``function`` of every task, without gradients, each on one thread, as many at a time as there are threads.

    torch's own threads keep turning for a while after an operation, in the way of ours; so torch has one thread
    meanwhile.
    """
    if threads == 1 or len(tasks) == 1:
        return [function(task) for task in tasks]

    def alone(task: Task) -> Result:
        torch.set_num_threads(1)  # of this thread, and of those that begin later
        with torch.inference_mode(inference), torch.no_grad():
            return function(task)

    used, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(alone, tasks))
    finally:
        torch.set_num_threads(used)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` consecutive rows that together cover all."""
    return (slice(start, start + size) for start in range(0, count, size))


def array(tensor: Tensor) -> Any:
    """A contiguous array for a kernel, which shares the tensor's memory if that is contiguous, too."""
    return tensor.detach().contiguous().numpy()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="graphlift")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
