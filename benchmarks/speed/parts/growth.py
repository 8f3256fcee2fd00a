"""How costs grow with the number of documents N. Extraction and refresh do not look at what vectors and links hold, so
both are random. A refresh lifts all documents and puts the result under the index's links; its memory is the peak of
a fresh process that loaded the store, over what it had before."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import faiss
import numpy as np

from benchmarks.speed.curves import at, draw
from benchmarks.speed.rows import Bar, Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import growth, interleaved, threads
from benchmarks.speed.world import M, random_graph, random_index, random_lift
from graphlift.index.links import read_links, write_links
from graphlift.store.snapshot import Snapshot, write_snapshot

TITLE = "Growth"
__all__ = ["TITLE", "draw", "measure"]
CHANNELS = 128
REFRESH = """
import re, sys
import graphlift
def kilobytes(name):  # getrusage would count the process that started this one, too
    return int(re.search(rf"{name}:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
lift = graphlift.load(sys.argv[1])
index, lifted = lift.index, lift.lifted
before = kilobytes("VmRSS")
index.with_vectors(lifted.lift_documents())
print((kilobytes("VmHWM") - before) * 1024)
"""


def measure(settings: Settings) -> list[Row]:
    """Extraction, then refresh."""
    sizes = (4000, 8000) if settings.quick else (10_000, 100_000, 1_000_000)
    rounds = 2 if settings.quick else 9
    with threads(settings.threads[-1]):
        return [*_extraction(sizes, rounds), *_refresh(sizes, rounds)]


def _extraction(sizes: tuple[int, ...], rounds: int) -> list[Row]:
    rows = []
    for size in sizes:
        index = faiss.IndexHNSWFlat(1, M)
        write_links(random_graph(size), index.hnsw)
        seconds = interleaved({"extraction": lambda hnsw=index.hnsw: read_links(hnsw)}, rounds)["extraction"]
        value = Spread.of(seconds * 1e3 * 1e5 / size)
        rows.append(at(size, "extraction, all levels, per 100,000 nodes", value, "ms", Bar(high=50)))
    return rows


def _refresh(sizes: tuple[int, ...], rounds: int) -> list[Row]:
    rows, times = [], []
    for size in sizes:
        index = random_index(size, CHANNELS)
        lifted = random_lift(index)
        seconds = interleaved({"refresh": lambda i=index, x=lifted: i.with_vectors(x.lift_documents())}, rounds)
        times.append(float(np.median(seconds["refresh"])))
        rows.append(at(size, "refresh", Spread.of(size / seconds["refresh"] / 1e6), "million nodes/s"))
        peak = _peak_of_refresh(Snapshot(index, lifted)) / (2 * size * CHANNELS * 4)
        rows.append(at(size, "peak memory of a refresh, over input and output", Spread.single(peak), "", Bar(high=1.5)))
    slope = Spread.single(growth(sizes, times))
    return [*rows, Row("all", "time of a refresh, slope in N", slope, bar=Bar(0.9, 1.1))]


def _peak_of_refresh(snapshot: Snapshot) -> int:
    """Bytes at most that a refresh adds to a process which loaded the store."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_snapshot(store, snapshot)
        command = [sys.executable, "-c", REFRESH, str(store)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
