"""Adaptive dimension: searching with the first channels only

nDCG@10 of an exact scan of the test queries by cosine, with the first 64, 128, 256 and all 384 channels of MiniLM
vectors. `frozen` are the given vectors, `lift` those after the first stage of a fit (no ranker), `nested` after the
same stage with losses on all four widths. "PCA" turns vectors to the principal axes of the documents before the cut,
which changes no similarity of whole vectors; nested on PCA trains on vectors that were turned first. 10 epochs, one
seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.family.lifts import lifted, ndcg, train_lift
from benchmarks.family.show import markdown
from benchmarks.ranking.task import Task, load_task
from graphlift import HnswIndex, Memory
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.similarity import Similarity

WIDTHS, EPOCHS, SEED = (64, 128, 256, 384), 10, 0
SETS = ("fontawesome", "scifact", "nl2bash", "openbookqa", "clinc150")
METHODS = ("frozen", "frozen, PCA", "lift", "lift, PCA", "nested", "nested on PCA")


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each set."""
    for name in SETS:
        if name in results or not (data / name).exists():
            continue
        task = load_task(data / name)
        results[name] = {
            method: [ndcg(q[:, :w], d[:, :w], task.test) for w in WIDTHS] for method, q, d in vectors(task)
        }
        yield f"{name}: " + "; ".join(f"{method} {[round(v, 3) for v in r]}" for method, r in results[name].items())


def vectors(task: Task) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Queries and documents of each method."""
    fit, _ = task.split(SEED)
    axes = principal_axes(task.x)
    yield "frozen", task.test.queries, task.x
    yield "frozen, PCA", task.test.queries @ axes, task.x @ axes
    queries, documents = trained(task.index, fit, task.test, ())
    axes_lifted = principal_axes(documents)
    yield "lift", queries, documents
    yield "lift, PCA", queries @ axes_lifted, documents @ axes_lifted
    yield "nested", *trained(task.index, fit, task.test, WIDTHS[:-1])
    turned = task.index.with_vectors((task.x @ axes).contiguous().numpy())
    yield "nested on PCA", *trained(turned, rotate(fit, axes), rotate(task.test, axes), WIDTHS[:-1])


def principal_axes(x: Tensor) -> Tensor:
    """An orthogonal matrix (C, C) whose first columns hold most of the vectors."""
    return torch.linalg.eigh(x.T @ x).eigenvectors.flip(1)


def rotate(memory: Memory, axes: Tensor) -> Memory:
    """The same queries in other axes."""
    return Memory(memory.queries @ axes, memory.offsets, memory.rows, memory.grades)


def trained(index: HnswIndex, fit: Memory, test: Memory, nested: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Test queries and documents after the lift."""
    torch.manual_seed(SEED)
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), ModelConfig())
    train_lift(model, index, fit, SEED, EPOCHS, nested)
    return lifted(model, index, test)


def table(results: dict[str, Any]) -> str:
    """A table for each set."""
    parts = []
    for name, methods in results.items():
        rows = [[method, *(f"{value:.3f}" for value in values)] for method, values in methods.items()]
        parts += [f"## {name}", markdown(["vectors", *WIDTHS], rows)]
    return "\n\n".join(parts)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """nDCG@10 over channels, a panel for each set."""
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (name, methods) in zip(panels, results.items(), strict=True):
        for method, values in methods.items():
            axes.plot(WIDTHS, values, "o-", markersize=3, label=method)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("channels")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("nDCG@10")
    panels[0].legend(frameon=False, fontsize=7)
