"""The door to compiled loops: whether they can be had and are worth it, and on how many threads they run."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

SMALL = 2**21
"""Multiply-adds below which Numba is not worth its import, which takes as long as many small calls."""


def kernels(work: int, *tensors: Tensor) -> ModuleType | None:
    """The compiled loops, or None where plain torch should do the work.

    On the processor they need the extra ``fast``, float32 or float64, and enough to do. On a CUDA device they need
    Triton, and float32 or half precision.

    Args:
        work: multiply-adds of the call.
        tensors: what will be computed with; all of one type.
    """
    first = tensors[0]
    if any(tensor.device != first.device or tensor.dtype != first.dtype for tensor in tensors):
        return None
    if first.is_cuda and first.dtype in (torch.float32, torch.bfloat16, torch.float16):
        return loops("graphlift.nn.cuda_kernels")
    if first.device.type == "cpu" and first.dtype in (torch.float32, torch.float64) and work >= SMALL:
        return loops("graphlift.nn.kernels")
    return None


@cache
def loops(package: str) -> ModuleType | None:
    """A package of compiled loops, or None where its compiler, Numba or Triton, is missing."""
    try:
        return import_module(package)
    except (ImportError, RuntimeError):  # not installed, or no place is found where it may keep what it compiled
        return None


def run(kernel: Callable[..., None], size: int, *arguments: Any) -> None:
    """Run ``kernel(first, last, *arguments)`` over range(size), on as many threads as torch uses.

    Tensors reach the kernel contiguous, those of the processor as arrays that share their memory. What a kernel writes
    to must be contiguous.
    """
    arrays = [array(argument) if isinstance(argument, Tensor) else argument for argument in arguments]
    on_device = any(isinstance(argument, Tensor) and argument.is_cuda for argument in arguments)
    threads = 1 if on_device else min(torch.get_num_threads(), size)
    if threads <= 1:
        kernel(0, size, *arrays)
        return
    bounds = [size * thread // threads for thread in range(threads + 1)]
    (first, last), *others = pairwise(bounds)
    waiting = [_pool().submit(kernel, *span, *arrays) for span in others]
    kernel(first, last, *arrays)
    for other in waiting:
        other.result()


def array(tensor: Tensor) -> Any:
    """What a kernel takes for a tensor: contiguous, in the same memory if the tensor is contiguous, too."""
    contiguous = tensor.detach().contiguous()
    return contiguous if tensor.is_cuda else contiguous.numpy()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="graphlift")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
