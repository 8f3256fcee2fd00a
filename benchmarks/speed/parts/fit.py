"""Index builds and fits on GloVe, with their default configurations and all threads: a fit learns from 1,000 made-up
pairs, and what it costs beyond them is lifting all documents, a few times. Each is timed once."""

from __future__ import annotations

from benchmarks.speed.curves import at, draw
from benchmarks.speed.glove import fitted
from benchmarks.speed.rows import Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import growth, threads

TITLE = "Build and fit"
__all__ = ["TITLE", "draw", "measure"]


def measure(settings: Settings) -> list[Row]:
    """Seconds of both at every size, and how they grow."""
    with threads(settings.threads[-1]):
        made = [fitted(words) for words in settings.words]
    sizes = [len(x.index) for x in made]
    rows = []
    for what, times in (
        ("build, seconds per 100,000 nodes", [x.build_seconds * 1e5 / len(x.index) for x in made]),
        ("fit, seconds per 1,000 pairs", [x.fit_seconds for x in made]),
    ):
        rows += [at(size, what, Spread.single(time), "s") for size, time in zip(sizes, times, strict=True)]
        rows.append(Row("all", f"{what}, slope in N", Spread.single(growth(sizes, times))))
    return rows
