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
LABELS = {"frozen": "frozen, PCA", "lift": "lift, PCA", "nested": "nested", "nested_on_axes": "nested on PCA"}
"""What each kind of vectors yields last."""


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each kind of vectors of each set; principal axes come with it."""
    for name in (name for name in SETS if (data / name).exists()):
        found = results.setdefault(name, {})
        if not set(METHODS) <= found.keys():
            task = load_task(data / name)
            for vectors in (frozen, lift, nested, nested_on_axes):
                if LABELS[vectors.__name__] not in found:
                    for method, queries, documents in vectors(task):
                        cut = ((queries[:, :width], documents[:, :width]) for width in WIDTHS)
                        found[method] = [ndcg(*pair, task.test) for pair in cut]
                        yield f"{name}, {method}: {[round(value, 3) for value in found[method]]}"


def frozen(task: Task) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The given queries and documents."""
    yield from turned("frozen", task.test.queries, task.x)


def lift(task: Task) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Lifted as a fit does it."""
    yield from turned("lift", *trained(task.index, task.split(SEED)[0], task.test, ()))


def nested(task: Task) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Lifted with losses on all widths."""
    yield "nested", *trained(task.index, task.split(SEED)[0], task.test, WIDTHS[:-1])


def nested_on_axes(task: Task) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The same, from vectors that were turned first."""
    axes = principal_axes(task.x)
    index = task.index.with_vectors((task.x @ axes).contiguous().numpy())
    fit, test = (rotate(memory, axes) for memory in (task.split(SEED)[0], task.test))
    yield "nested on PCA", *trained(index, fit, test, WIDTHS[:-1])


def turned(name: str, queries: Tensor, documents: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Vectors as they are, and turned to the principal axes of the documents."""
    axes = principal_axes(documents)
    yield name, queries, documents
    yield f"{name}, PCA", queries @ axes, documents @ axes


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
        if not methods:
            continue
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
