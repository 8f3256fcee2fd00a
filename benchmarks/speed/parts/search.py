"""Ten results a query. *frozen* is `HnswIndex` on FAISS, *lifted* is a lift of the same index with the same
`ef_search`, *small* the same lift with `ModelConfig.small`, *hnswlib* has the same `M` and `ef_construction` and the
smallest beam that finds as much as *frozen* does (recall@10 against an exact scan). Batches of 1 run on one thread,
batches of 256 on all. The memory of a lift holds its training queries. The lifts of GloVe are fitted on made-up pairs,
those of other sets have random weights, which cost the same as trained ones. Strange queries are looked for as after a
fit: on GloVe as the fit decided, on the other sets for every query, which is the most that it can cost. *Walk recall*
is what the lifted walk finds of an exact scan of the lifted documents, and what FAISS finds there with that beam."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from benchmarks.ranking.task import load_task
from benchmarks.speed.glove import fitted
from benchmarks.speed.page import BAD, GOOD, PLAIN
from benchmarks.speed.rows import Bar, Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.split import shares
from benchmarks.speed.timing import growth, interleaved, ratio, threads
from benchmarks.speed.world import random_model, small
from graphlift import HnswIndex
from graphlift.errors import require
from graphlift.lifted import LiftedIndex
from graphlift.serving.coded_walk import CodedWalk

TITLE = "Search"
K, EF, BATCH = 10, 64, 256
SHARE = "share of a lifted search at batch "
SHADES = ("#0b62a4", "#5b9bd0", "#b3541e", "#7a4b9d", "#dfa27c", "#d0d4da")
PROMISED = 100_000
"""Vectors in the index that the promise of a search's p50 is about."""
ALL_CHECKED = (torch.inf, 0.0)
"""Bounds that have every query looked at, and none served as a stranger where most documents are warm."""
BEAMS = (10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512)

Search = Callable[[npt.NDArray[np.float32]], Any]


class Case(NamedTuple):
    """An index, its lift, the same with messages among few, and queries (Q, C)."""

    name: str
    index: HnswIndex
    lifted: LiftedIndex
    small: LiftedIndex
    queries: npt.NDArray[np.float32]
    glove: bool


def measure(settings: Settings) -> list[Row]:
    """All sizes of GloVe, then the sets of `--data`."""
    rows, sizes, p50 = [], [], []
    for case in _cases(settings):
        found = _rows(case, settings)
        rows += found
        if case.glove:
            sizes.append(len(case.index))
            p50.append(found[0].figures["lifted ms"])
    slope = Row("GloVe", "p50 at batch 1, lifted, slope in N", Spread.single(growth(sizes, p50)), bar=Bar(high=0.3))
    return [*rows, slope]


def _cases(settings: Settings) -> Iterator[Case]:
    for words in settings.words:
        with threads(settings.threads[-1]):
            made = fitted(words)
        name = f"GloVe, {len(made.index):,} x 50"
        yield Case(name, made.index, made.lifted, small(made.lifted), made.queries, glove=True)
    for folder in [] if settings.data is None else sorted(settings.data.glob("*/corpus_emb.npy")):
        task = load_task(folder.parent)
        model = random_model(task.index)
        model.familiarity_bounds.copy_(torch.tensor(ALL_CHECKED))
        lifted = LiftedIndex(task.index, model, task.train.merged())
        yield Case(
            f"{task.name}, {len(task.index):,} x {task.index.channels}",
            task.index,
            lifted,
            small(lifted),
            np.resize(task.test.queries.numpy(), (BATCH, task.index.channels)),
            glove=False,
        )


def _rows(case: Case, settings: Settings) -> list[Row]:
    """Latency and throughput of one case, and what the lifted search spends its time on."""
    rounds, asked = (2, 20) if settings.quick else (9, 200)
    with threads(1):
        calls, figures = _rivals(case, 1)
        each = [{name: _each(call, case.queries[:asked]) for name, call in calls.items()} for _ in range(rounds + 1)]
        alone = shares(case.lifted, case.queries[:asked], 1, calls["lifted"])
    rows = []
    for quantile, name in ((0.5, "p50"), (0.99, "p99")):
        values = {rival: np.array([np.quantile(one[rival], quantile) for one in each[1:]]) for rival in calls}
        promised = Bar(high=2) if name == "p50" and len(case.index) == PROMISED else None
        rows += _ratios(case, f"{name} at batch 1, time", values, figures, promised)
    with threads(settings.threads[-1]):
        calls, _ = _rivals(case, settings.threads[-1])
        batch = np.resize(case.queries, (BATCH, case.queries.shape[1]))
        values = interleaved({name: lambda c=call: c(batch) for name, call in calls.items()}, rounds)
        rates = {name: BATCH / seconds for name, seconds in values.items()}
        rows += _ratios(case, f"queries/s at batch {BATCH}", rates, figures, Bar(low=0.5) if case.glove else None)
    with threads(1):
        together = shares(case.lifted, batch, BATCH, calls["lifted"])
    rows += _walk_recall(case)
    for size, found in ((1, alone), (BATCH, together)):
        rows += [Row(case.name, f"{SHARE}{size}: {part}", Spread.single(share)) for part, share in found.items()]
    return rows


def _ratios(case: Case, what: str, values: dict, figures: dict, promised: Bar | None) -> list[Row]:
    """Lifted against frozen, which something is promised of, and both against hnswlib."""
    unit, scale = ("ms", 1e3) if "time" in what else ("queries/s", 1)
    absolute = {f"{name} {unit}": float(np.median(v)) * scale for name, v in values.items()}
    absolute |= figures | {"vectors": len(case.index)}
    pairs = (("lifted", "frozen"), ("small", "frozen"), ("frozen", "hnswlib"), ("lifted", "hnswlib"))
    return [
        Row(
            case.name,
            f"{what}, {ours} to {theirs}",
            ratio(values[ours], values[theirs]),
            theirs,
            bar=promised if (ours, theirs) == ("lifted", "frozen") else None,
            figures=absolute,
        )
        for ours, theirs in pairs
    ]


def _walk_recall(case: Case) -> list[Row]:
    """What the walk of a lifted search finds, and what FAISS finds in its place."""
    walk, queries = case.lifted.walk_index, case.lifted.lift_queries(torch.from_numpy(case.queries[:200])).numpy()
    exact = walk.exact_search_rows(queries, K)[1]
    walkers = {"lifted": CodedWalk.of(walk) or walk, "FAISS": walk}
    recalls = {name: _recall(walker.search_rows(queries, K, EF)[1], exact) for name, walker in walkers.items()}
    return [Row(case.name, f"walk recall, {name}", Spread.single(recall)) for name, recall in recalls.items()]


def draw(rows: list[Row]) -> Figure:
    """The p50 of the rivals against N, and where a lifted search spends its time."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    points = [row.figures for row in rows if row.measure.startswith("p50") and "lifted ms" in row.figures]
    for rival, color in (("lifted", GOOD), ("small", SHADES[1]), ("frozen", PLAIN), ("hnswlib", BAD)):
        found = sorted({(figures["vectors"], figures[f"{rival} ms"]) for figures in points})
        left.plot(*zip(*found, strict=True), "o-", color=color, label=rival, markersize=4)
    left.set(xscale="log", yscale="log", xlabel="vectors", ylabel="ms, p50 at batch 1")
    left.legend(frameon=False, fontsize=8)
    shown = [row for row in rows if row.measure.startswith(SHARE)]
    bars = list(dict.fromkeys((row.case, row.measure.split(":")[0].removeprefix(SHARE)) for row in shown))
    ends = dict.fromkeys(bars, 0.0)
    for part, color in zip(dict.fromkeys(row.measure.split(": ")[1] for row in shown), SHADES, strict=True):
        for row in shown:
            bar = row.case, row.measure.split(":")[0].removeprefix(SHARE)
            if row.measure.endswith(f": {part}"):
                right.barh(bars.index(bar), row.value.median, left=ends[bar], color=color)
                ends[bar] += row.value.median
        right.plot([], [], "s", color=color, label=part)
    right.set_yticks(range(len(bars)), [f"{case}, batch {size}" for case, size in bars], fontsize=7)
    right.invert_yaxis()
    right.set_xlabel("share of a lifted search")
    right.legend(frameon=False, fontsize=7, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _each(call: Search, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Seconds of every query, asked one at a time, (Q,)."""
    seconds = np.empty(len(queries))
    for place in range(len(queries)):
        started = time.perf_counter()
        call(queries[place : place + 1])
        seconds[place] = time.perf_counter() - started
    return seconds


def _rivals(case: Case, count: int) -> tuple[dict[str, Search], dict[str, float]]:
    """Who is compared, on so many threads, and what their beams find."""
    index, sample = case.index, case.queries[:200]
    exact = index.exact_search_rows(sample, K)[1]
    target = _recall(index.search_rows(sample, K, EF)[1], exact)
    rival = _hnswlib(case.index)
    for beam in BEAMS:
        rival.set_ef(beam)
        found = _recall(rival.knn_query(sample, K, num_threads=count)[0], exact)
        if found >= target:
            break
    calls: dict[str, Search] = {
        "lifted": lambda queries: case.lifted.search_rows(queries, K, EF),
        "small": lambda queries: case.small.search_rows(queries, K, EF),
        "frozen": lambda queries: index.search_rows(queries, K, EF),
        "hnswlib": lambda queries: rival.knn_query(queries, K, num_threads=count),
    }
    return calls, {"frozen recall": target, "hnswlib recall": found, "hnswlib ef": beam}


_BUILT: dict[int, Any] = {}


def _hnswlib(index: HnswIndex) -> Any:
    """The same vectors in hnswlib, built once."""
    if id(index) not in _BUILT:
        library = require("hnswlib", extra="bench")
        built = library.Index("ip", index.channels)
        built.init_index(len(index), index.ef_construction, index.M, random_seed=0)
        built.add_items(index.vectors)
        _BUILT[id(index)] = built
    return _BUILT[id(index)]


def _recall(found: npt.NDArray[Any], exact: npt.NDArray[Any]) -> float:
    return float((found[:, :, None].astype(np.int64) == exact[:, None, :]).any(axis=1).mean())
