"""How costs grow with the number of documents N. Extraction and refresh do not look at what vectors and links hold, so
theirs are random. A refresh lifts all documents and puts the result under the index's links; its memory is the peak of
a fresh process that loaded the store, over what it had before. Build and fit are those of GloVe, a fit learns from
1,000 made-up pairs with the default configuration."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import faiss
import numpy as np
from matplotlib.figure import Figure

from benchmarks.speed.glove import fitted
from benchmarks.speed.rows import Bar, Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import growth, interleaved, threads
from benchmarks.speed.world import M, random_graph, random_index, random_lift
from graphlift.index.links import read_links, write_links
from graphlift.store.snapshot import Snapshot, write_snapshot

TITLE = "Growth"
CHANNELS = 128
REFRESH = """
import resource, sys
import graphlift
lift = graphlift.load(sys.argv[1])
index, lifted = lift.index, lift.lifted
pages = int(open("/proc/self/statm").read().split()[1])
index.with_vectors(lifted.lift_documents())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - pages * resource.getpagesize())
"""


def measure(settings: Settings) -> list[Row]:
    """Extraction, refresh, build and fit."""
    sizes = (4000, 8000) if settings.quick else (10_000, 100_000, 1_000_000)
    rounds = 2 if settings.quick else 9
    with threads(settings.threads[-1]):
        rows = [*_extraction(sizes, rounds), *_refresh(sizes, rounds)]
    return rows + _learning((4000, 8000) if settings.quick else (10_000, 100_000, 400_000))


def _extraction(sizes: tuple[int, ...], rounds: int) -> list[Row]:
    rows = []
    for size in sizes:
        index = faiss.IndexHNSWFlat(1, M)
        write_links(random_graph(size), index.hnsw)
        seconds = interleaved({"extraction": lambda hnsw=index.hnsw: read_links(hnsw)}, rounds)["extraction"]
        value = Spread.of(seconds * 1e3 * 1e5 / size)
        rows.append(_row(size, "extraction, all levels, per 100,000 nodes", value, "ms", Bar(high=50)))
    return rows


def _refresh(sizes: tuple[int, ...], rounds: int) -> list[Row]:
    rows, times = [], []
    for size in sizes:
        index = random_index(size, CHANNELS)
        lifted = random_lift(index)
        seconds = interleaved({"refresh": lambda i=index, x=lifted: i.with_vectors(x.lift_documents())}, rounds)
        times.append(float(np.median(seconds["refresh"])))
        rows.append(_row(size, "refresh", Spread.of(size / seconds["refresh"] / 1e6), "million nodes/s"))
        peak = _peak_of_refresh(Snapshot(index, lifted)) / (2 * size * CHANNELS * 4)
        rows.append(
            _row(size, "peak memory of a refresh, over input and output", Spread.single(peak), "", Bar(high=1.5))
        )
    slope = Spread.single(growth(sizes, times))
    return [*rows, Row("all", "time of a refresh, slope in N", slope, bar=Bar(0.9, 1.1))]


def _peak_of_refresh(snapshot: Snapshot) -> int:
    """Bytes at most that a refresh adds to a process which loaded the store."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_snapshot(store, snapshot)
        command = [sys.executable, "-c", REFRESH, str(store)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _learning(sizes: tuple[int, ...]) -> list[Row]:
    made = [fitted(size) for size in sizes]
    rows = []
    for what, times in (
        ("build, seconds per 100,000 nodes", [x.build_seconds * 1e5 / len(x.index) for x in made]),
        ("fit, seconds per 1,000 pairs", [x.fit_seconds for x in made]),
    ):
        rows += [_row(size, what, Spread.single(time), "s") for size, time in zip(sizes, times, strict=True)]
        rows.append(Row("all", f"{what}, slope in N", Spread.single(growth(sizes, times))))
    return rows


def _row(size: int, measure: str, value: Spread, unit: str, bar: Bar | None = None) -> Row:
    return Row(f"N = {size:,}", measure, value, unit=unit, bar=bar, figures={"N": size})


def draw(rows: list[Row]) -> Figure:
    """Each measurement against N."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        if "N" in row.figures:
            curves.setdefault(row.measure, []).append(row)
    figure = Figure(figsize=(2.6 * len(curves), 2.6), layout="constrained")
    for axes, (measure, points) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        axes.plot([p.figures["N"] for p in points], [p.value.median for p in points], "o-", color="#0b62a4")
        bar = points[0].bar
        if bar is not None:
            axes.axhline(bar.high, color="#8a8f98", linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("N")
        axes.set_ylabel(points[0].unit or "ratio")
        axes.set_title(measure.replace(", ", ",\n"), fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
