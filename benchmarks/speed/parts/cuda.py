"""The layer on a CUDA device, on many nodes: nodes/s of the forward pass and steps/s of training, in single precision,
with TF32 products and in bfloat16. *stack* and *GATConv* are PyG's, as above, in the same precision. The *limit* of a
forward pass is the longer of two times: 12 products of a node with a square matrix at the card's rate (8,192 rows and
columns, in the same precision and run), and reading the messages of all its neighbors once at the card's bandwidth (a
copy of 1 GiB). With `--data`, a lift of scifact is fitted on the card, and the scores that its ranker gives on the card
are compared with those in single precision on the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.ranking.task import load_task
from benchmarks.speed.layers import PRODUCTS, Setting, Shape, synced
from benchmarks.speed.page import dots
from benchmarks.speed.parts.step import step_of
from benchmarks.speed.rows import Row, Spread
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Seconds, interleaved, ratio
from graphlift import FitConfig
from graphlift.training.fit import fit
from graphlift.training.gate import ndcg_of_scores
from graphlift.training.ranking import candidate_scores

TITLE = "CUDA"
SHAPES = (Shape(128, 4, 16, 200_000), Shape(384, 4, 32, 100_000), Shape(768, 8, 32, 40_000))
PRECISIONS = {"float32": torch.float32, "TF32": torch.float32, "bfloat16": torch.bfloat16}
SQUARE = 8192
COPIED = 2**28
"""Numbers in a copy that measures the bandwidth."""


def measure(settings: Settings) -> list[Row]:
    """Nothing without a CUDA device."""
    if not torch.cuda.is_available():
        return []
    shapes = [Shape(32, 4, 8, 5000)] if settings.quick else SHAPES
    rows = [row for shape in shapes for precision in PRECISIONS for row in _layer(shape, precision)]
    if settings.data is not None:
        rows += _ranking(settings)
    return rows


def _layer(shape: Shape, precision: str) -> Iterator[Row]:
    dtype = PRECISIONS[precision]
    torch.set_float32_matmul_precision("high" if precision == "TF32" else "highest")
    setting = Setting.draw(shape, "cuda", dtype=dtype)
    x, table, edge_index = setting.x, setting.table, setting.table.edge_index
    layers = {"ours": (setting.ours, table), "stack": (setting.stack, edge_index), "GATConv": (setting.gat, edge_index)}
    with torch.no_grad():
        calls = {
            name: lambda layer=layer, links=links: synced(layer(x, links)) for name, (layer, links) in layers.items()
        }
        forward = interleaved(calls | _limits(dtype), rounds=5)
    layers.pop("GATConv")
    step = interleaved({name: step_of(layer, x, links) for name, (layer, links) in layers.items()}, rounds=3)
    torch.set_float32_matmul_precision("highest")

    case = f"{shape}, {shape.nodes:,} nodes, {precision}"
    yield Row(case, "forward", _rate(shape, forward["ours"]), unit="million nodes/s")
    for rival in ("stack", "GATConv"):
        yield Row(case, "forward, ours to theirs", ratio(forward[rival], forward["ours"]), rival)
    products = PRODUCTS * shape.channels**2 / SQUARE**3 * forward["product"]
    reading = (shape.slots + 2) * shape.channels * dtype.itemsize / (2 * 4 * COPIED) * forward["copy"]
    limit = shape.nodes * np.maximum(products, reading)
    figures = {
        "product TFLOP/s": float(2 * SQUARE**3 / forward["product"].mean() / 1e12),
        "copy TB/s": float(2 * 4 * COPIED / forward["copy"].mean() / 1e12),
    }
    bound = "limit: products" if products.mean() > reading.mean() else "limit: reading"
    yield Row(case, "forward, ours to the card", ratio(limit, forward["ours"]), bound, figures=figures)
    yield Row(case, "training step", _rate(shape, step["ours"]), unit="million nodes/s")
    yield Row(case, "training step, ours to theirs", ratio(step["stack"], step["ours"]), "stack")


def draw(rows: list[Row]) -> Figure:
    """How many times as fast as the rivals."""
    shown = [row for row in rows if row.measure.endswith("ours to theirs")]
    figure = Figure(figsize=(8, 0.22 * len(shown) + 0.9), layout="constrained")
    dots(figure.subplots(), shown)
    return figure


def _rate(shape: Shape, seconds: Seconds) -> Spread:
    return Spread.of(shape.nodes / seconds / 1e6)


def _limits(dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    square = torch.randn(SQUARE, SQUARE, device="cuda", dtype=dtype)
    source = torch.zeros(COPIED, device="cuda")
    target = torch.empty_like(source)
    return {"product": lambda: synced(square @ square), "copy": lambda: synced(target.copy_(source))}


def _ranking(settings: Settings) -> Iterator[Row]:
    """Whether a lift ranks alike on the card and in less precision."""
    task = load_task(settings.data / "scifact")
    train, dev = task.split(0)
    fits, seconds = {}, {}
    for device in ("cpu", "cuda", "cpu"):  # the first compiles loops that all search with
        started = time.perf_counter()
        fits[device] = fit(task.index, train, FitConfig(), dev=dev, device=device)
        seconds[device] = np.array([time.perf_counter() - started])
    yield Row("scifact", "fit", Spread.of(seconds["cuda"]), unit="s")
    yield Row("scifact", "fit, seconds, theirs to ours", ratio(seconds["cpu"], seconds["cuda"]), "processor")
    lifted = fits["cuda"].lifted
    subgraphs = lifted.subgraphs(task.test.queries)

    def first_ten(device: str, dtype: torch.dtype) -> tuple[float, Tensor]:
        """nDCG@10 of the candidates, and the ten best of every query."""
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            scores = candidate_scores(lifted.model.to(device), subgraphs).float()
        best = scores.masked_fill(~subgraphs.mask, -torch.inf).topk(10).indices
        return float(ndcg_of_scores(scores, subgraphs, task.test).mean()), best

    ndcg, expected = first_ten("cpu", torch.float32)
    yield Row("scifact", "nDCG@10 of candidates, processor, float32", Spread.single(ndcg))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        name = str(dtype).removeprefix("torch.")
        ndcg, found = first_ten("cuda", dtype)
        same = (found == expected).all(dim=1).double().mean()
        shared = (found.unsqueeze(2) == expected.unsqueeze(1)).any(dim=2).double().mean()
        yield Row("scifact", f"nDCG@10 of candidates, card, {name}", Spread.single(ndcg))
        yield Row(
            "scifact", f"queries with the same ten in the same order, {name}", Spread.single(float(same)), "processor"
        )
        yield Row("scifact", f"share of the first ten, {name}", Spread.single(float(shared)), "processor")
