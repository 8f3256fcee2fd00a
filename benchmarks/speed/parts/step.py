"""Steps/s of training one layer on all nodes: forward, backward, Adam. Rivals are those of the part *layer*; the
*limit* is three times that of the forward pass, as each product has two more on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from benchmarks.speed.layers import SHAPES, Setting, Shape, synced
from benchmarks.speed.rows import Bar, Row
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import interleaved, ratio, threads

TITLE = "Training step"
STACK, LIMIT = Bar(low=2.5), Bar(low=0.35)


def measure(settings: Settings) -> list[Row]:
    """Rivals at every shape and thread count."""
    shapes = [Shape(32, 4, 8, 500)] if settings.quick else SHAPES
    return [row for shape in shapes for count in settings.threads for row in _rivals(shape, count, settings)]


def _rivals(shape: Shape, count: int, settings: Settings) -> Iterator[Row]:
    setting = Setting.draw(shape)
    calls = {
        "ours": step_of(setting.ours, setting.x, setting.table),
        "stack": step_of(setting.stack, setting.x, setting.table.edge_index),
        "product": setting.product(),
    }
    with threads(count):
        seconds = interleaved(calls, rounds=3, warm_up=1)
    limit = 3 * setting.limit(seconds["product"]) * shape.nodes
    figures = {f"{name} ms": float(1000 * seconds[name].mean()) for name in ("ours", "stack")}
    bars = (STACK, LIMIT) if shape.channels in (128, 384) else (None, None)
    for rival, theirs, bar in (("stack", seconds["stack"], bars[0]), ("limit", limit, bars[1])):
        speed = f"steps/s, {count} thread{'s' * (count > 1)}, ours to theirs"
        yield Row(str(shape), speed, ratio(theirs, seconds["ours"]), rival, bar=bar, figures=figures)


def step_of(layer: nn.Module, x: torch.Tensor, links: object) -> Callable[[], object]:
    """A training step of a layer, timed to its end."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss = layer(x, links).square().mean()
        loss.backward()
        optimizer.step()
        synced(loss)

    return step
