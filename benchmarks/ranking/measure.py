"""From rankings to numbers."""

from __future__ import annotations

import numpy as np
from torch import Tensor

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
