"""From rankings to numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from torch import Tensor

from benchmarks.speed.timing import threads
from graphlift import Memory
from graphlift.evaluation import evaluate, run_from_rankings

METRICS = ("nDCG@10", "R@10", "RR@10", "R@100")


def per_query(rows: Tensor, queries: Memory, metrics: tuple[str, ...] = METRICS) -> dict[str, np.ndarray]:
    """Every metric of every query, (Q,), for ranked rows (Q, k)."""
    names = [str(number) for number in range(len(queries))]
    qrels = {name: dict.fromkeys(map(str, queries.answers(i).tolist()), 1.0) for i, name in enumerate(names)}
    return evaluate(qrels, run_from_rankings(names, rows.numpy().astype(str).tolist()), metrics).values


def dev_score(rows: Tensor, queries: Memory) -> float:
    """Mean nDCG@10, which every method is tuned on."""
    return float(per_query(rows, queries, ("nDCG@10",))["nDCG@10"].mean())


def top_rows(queries: Tensor, documents: Tensor, k: int = 100) -> Tensor:
    """Rows of the k documents with the largest inner product, (Q, k), by an exact scan."""
    return (queries @ documents.T).topk(min(k, len(documents))).indices


def median_seconds(search: Callable[[Tensor], object], queries: Tensor) -> float:
    """Median seconds of a search for one query, over up to 200 queries (Q, C), on one thread."""
    seconds = []
    with threads(1):
        for query in queries[:200].split(1):
            started = time.perf_counter()
            search(query)
            seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))
