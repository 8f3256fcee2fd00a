"""What feedback alone gains, without any fit: all training queries are told, and other queries are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.ranking.task import Task, load_task
from graphlift import Memory
from graphlift.feedback import Feedback
from graphlift.index.hnsw import HnswIndex
from graphlift.lifted import LiftedIndex
from graphlift.training.gate import ndcg

MOST = 600
"""Dev queries that are asked."""


def told(data: Path, seed: int) -> dict[str, Any]:
    """Mean nDCG@10 of every set in BEIR layout below a folder."""
    folders = sorted(path.parent for path in data.glob("*/corpus_emb.npy"))
    return {folder.name: _set(load_task(folder), seed) for folder in folders}


def _set(task: Task, seed: int) -> dict[str, Any]:
    learned, dev = task.split(seed)
    dev = dev.select(torch.arange(len(dev))[:MOST])
    lifted = _told(task.index, learned)
    results: dict[str, Any] = {"dev, frozen": _mean(task.index, dev, lifted.beam())}
    results["dev, told"] = _mean(lifted, dev, lifted.beam())
    lifted = _told(task.index, task.train)
    results["test, frozen"] = _mean(task.index, task.test, lifted.beam())
    results["test, told"] = _mean(lifted, task.test, lifted.beam())
    sample = task.train.select(torch.arange(len(task.train))[:MOST])
    results["told queries again"] = _mean(lifted, sample, lifted.beam())
    print(task.name, results, flush=True)
    return results


def _told(index: HnswIndex, queries: Memory) -> LiftedIndex:
    return LiftedIndex.unlearned(index).remembering(Feedback(queries, Memory.empty(index.channels)))


def _mean(searcher: HnswIndex | LiftedIndex, queries: Memory, beam: int) -> float:
    return float(ndcg(searcher, queries, beam).mean())
