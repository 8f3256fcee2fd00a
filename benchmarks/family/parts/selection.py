"""Soft top-k: three operators in the hierarchical encoder

The query's walk through the levels keeps 8 candidates on each and mixes them by a soft top-k. nDCG@10 of the lifted
queries on the lifted documents of the fontawesome set by an exact scan, dev and test, after 2 epochs of the first
stage of a fit (no ranker); one seed. `none` is the linear query map without the walk. The last columns are the
learned temperature and the time of a training step's operator on 256 rows of 512 candidates, forward and backward.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.family.lifts import lifted, ndcg, train_lift
from benchmarks.family.show import markdown
from benchmarks.ranking.task import load_task
from graphlift.model import LiftModel, ModelConfig
from graphlift.nn import HierarchicalEncoder
from graphlift.search.similarity import Similarity
from graphlift.search.soft_top_k import Selection, dftopk_top_k, lapsum_top_k, soft_top_k

SELECTIONS: dict[str, Selection | None] = {
    "none": None,
    "softmax": soft_top_k,
    "LapSum": lapsum_top_k,
    "DFTopK": dftopk_top_k,
}
SEEDS, EPOCHS = range(1), 2


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each operator and seed."""
    task = load_task(data / "fontawesome")
    index = task.index
    for name, selection in SELECTIONS.items():
        for seed in SEEDS:
            key = f"{name}|{seed}"
            if key in results:
                continue
            fit, dev = task.split(seed)
            torch.manual_seed(seed)
            model = LiftModel(index.channels, Similarity.of(index.metric, index.x), ModelConfig())
            found: dict[str, float] = {}
            if selection is not None:
                model.hierarchical = HierarchicalEncoder(index.channels, selection=selection)
                found["milliseconds"] = milliseconds(selection)
            train_lift(model, index, fit, seed, EPOCHS)
            for split, queries in (("dev", dev), ("test", task.test)):
                found[split] = ndcg(*lifted(model, index, queries), queries)
            if model.hierarchical is not None:
                found["temperature"] = float(model.hierarchical.log_temperature.detach().exp())
            results[key] = found
            yield f"{key}: {found}"


def milliseconds(selection: Selection) -> float:
    """Median time of the operator, forward and backward."""
    scores, taken = torch.rand(256, 512, requires_grad=True), []
    for _ in range(9):
        started = time.process_time()
        selection(scores, 8, 0.1, None).weights.square().sum().backward()
        taken.append(1000 * (time.process_time() - started))
    return sorted(taken)[len(taken) // 2]


def grouped(results: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The runs of each operator."""
    runs = {name: [run for key, run in results.items() if key.split("|")[0] == name] for name in SELECTIONS}
    return {name: found for name, found in runs.items() if found}


def table(results: dict[str, Any]) -> str:
    """A line for each operator."""
    rows = []
    for name, runs in grouped(results).items():
        scores = (f"{fmean(run[split] for run in runs):.4f}" for split in ("dev", "test"))
        rest = ("-", "-")
        if "temperature" in runs[0]:
            rest = (f"{fmean(r['temperature'] for r in runs):.3f}", f"{fmean(r['milliseconds'] for r in runs):.1f}")
        rows.append([name, *scores, *rest])
    return markdown(["operator", "dev", "test", "temperature", "milliseconds"], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """nDCG@10 on test, a dot for each seed."""
    axes, groups = figure.subplots(), grouped(results)
    for place, runs in enumerate(groups.values()):
        axes.plot([run["test"] for run in runs], [place] * len(runs), "o")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_xlabel("nDCG@10 on fontawesome, test queries")
    axes.spines[["top", "right"]].set_visible(False)
