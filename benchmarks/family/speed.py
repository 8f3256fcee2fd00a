"""What a layer costs, apart from what it is good for."""

from __future__ import annotations

import os
import resource
import struct
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from graphlift.graph import NeighborTable

NODES, SLOTS, CHANNELS, HEADS = 10_000, 16, 64, 4
"""A graph like that of an HNSW index of M = 8, and the layer on it."""


def random_graph(nodes: int = NODES, slots: int = SLOTS, channels: int = CHANNELS) -> tuple[Tensor, NeighborTable]:
    """States, and a table without empty slots."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(nodes, (nodes, slots), generator=generator)
    return torch.randn(nodes, channels, generator=generator), NeighborTable(ids)


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """The fastest of some calls: what disturbs only slows down."""
    call()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return min(taken)


def megabytes(call: Callable[[], object]) -> float:
    """By how much the memory of a process of its own grows through a call, at most."""
    read, write = os.pipe()
    if not os.fork():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(write, struct.pack("d", grown / 1024))
        os._exit(0)
    os.wait()
    grown = struct.unpack("d", os.read(read, 8))[0]
    os.close(read)
    os.close(write)
    return grown


@torch.inference_mode()
def cost(conv: nn.Module) -> dict[str, float]:
    """Parameters, nodes a second without gradient, and memory of a call on `random_graph`."""
    x, neighbors = random_graph()
    conv.eval()
    taken = seconds(lambda: conv(x, neighbors))
    return {
        "parameters": sum(parameter.numel() for parameter in conv.parameters()),
        "nodes a second": round(len(x) / taken),
        "megabytes": round(megabytes(lambda: conv(x, neighbors)), 1),
    }
