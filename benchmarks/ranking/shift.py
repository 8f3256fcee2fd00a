"""Live queries unlike training queries: `python -m benchmarks.ranking.shift --data DIR TRAINED LIVE`.

The documents of both sets stand in one index. The fit sees the training queries of the first set, and then queries of
the second set are asked: its dev queries, or else its training queries, at most `--queries` of them, none of which the
fit has seen. How familiar a query is, is the share of training queries that are further from their nearest other
training query than it is from its nearest one. Prints nDCG@10 of frozen and lifted search by familiarity.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.ranking.task import Task, load_task
from graphlift import FitConfig, HnswIndex, Memory
from graphlift.training.fit import fit
from graphlift.training.gate import ndcg

BINS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)
"""Upper ends of the bins of familiarity."""


def familiarity(queries: Tensor, trained: Tensor) -> np.ndarray:
    """Share of training queries (T, C) that are further from the others than each query (Q, C) is from them, (Q,)."""
    among = (trained @ trained.T).fill_diagonal_(-torch.inf).amax(dim=1).sort().values
    nearest = (queries @ trained.T).amax(dim=1)
    return (torch.searchsorted(among, nearest) / len(among)).numpy()


def report(name: str, frozen: np.ndarray, lifted: np.ndarray, familiar: np.ndarray) -> None:
    """One line for all queries and one a bin."""
    print(f"{name}: {len(frozen)} queries, frozen {frozen.mean():.4f}, lifted {lifted.mean():.4f}")
    low = -1.0
    for high in BINS:
        inside = (familiar > low) & (familiar <= high)
        if inside.any():
            gain = lifted[inside] - frozen[inside]
            error = gain.std() / len(gain) ** 0.5
            print(f"  familiarity up to {high:g}: {len(gain)} queries, gain {gain.mean():+.4f} +- {error:.4f}")
        low = high


def live_queries(task: Task, first_row: int, count: int) -> Memory:
    """Queries of a set whose documents start at a row of the joint index."""
    queries = task.train if task.given_dev is None else task.given_dev
    some = torch.randperm(len(queries), generator=torch.Generator().manual_seed(0))[:count]
    chosen = queries.select(some)
    return Memory(chosen.queries, chosen.offsets, chosen.rows + first_row, chosen.grades)


def main() -> None:
    """One fit, two groups of queries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained")
    parser.add_argument("live")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    trained, live = (load_task(arguments.data / name) for name in (arguments.trained, arguments.live))
    index = HnswIndex.build(np.concatenate([trained.index.vectors, live.index.vectors]))
    learned, held = trained.split(arguments.seed)
    lifted = fit(index, learned, FitConfig(seed=arguments.seed), dev=held).lifted
    if lifted is None:
        raise SystemExit("the gate let nothing pass: the frozen index serves")
    groups = {"held out": held, f"live {arguments.live}": live_queries(live, len(trained.index), arguments.queries)}
    for name, queries in groups.items():
        frozen, now = (ndcg(searcher, queries, lifted.beam(128)) for searcher in (index, lifted))
        report(name, frozen, now, familiarity(queries.queries, lifted.memory.queries))


if __name__ == "__main__":
    main()
