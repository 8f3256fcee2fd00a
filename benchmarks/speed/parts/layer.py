"""Nodes/s of `RuvectorConv` without gradients, with the extra `fast`, at (width, heads, neighbors). All rows of
neighbors are full and point anywhere, which is the hardest case for memory. *native* is `ruvector.GnnLayer`, which
takes one node at a time on one thread. *stack* is PyG's `TransformerConv` with `torch.nn.GRUCell` and `LayerNorm`. The
*limit* is the time of 12 products of a node with a square matrix of that width, at the rate at which torch multiplies
2,048 rows in the same round; folded weights need only 11. Rivals are compared on 10,000, 4,000 and 1,500 nodes, as
PyG holds several tensors of all edges times the width; the last rows give our layer alone on many nodes."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.speed.layers import SHAPES, Setting, Shape
from benchmarks.speed.rows import Bar, Row
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import interleaved, ratio, threads

TITLE = "Layer"
NATIVE = {(128, 1): Bar(low=15), (384, 1): Bar(low=45)}
STACK = {(128, 2): Bar(low=4), (384, 2): Bar(low=6)}
LIMIT = {(384, 1): Bar(low=0.6), (384, 2): Bar(low=0.6)}
GROWTH = {128: (100_000, 1_000_000), 384: (100_000,)}


@torch.no_grad()
def measure(settings: Settings) -> list[Row]:
    """Rivals at every shape and thread count, then ours alone with more nodes."""
    shapes = [Shape(32, 4, 8, 500)] if settings.quick else SHAPES
    rows = [row for shape in shapes for count in settings.threads for row in _rivals(shape, count, settings)]
    if not settings.quick:
        rows += _growth(settings)
    return rows


def _rivals(shape: Shape, count: int, settings: Settings) -> Iterator[Row]:
    setting = Setting.draw(shape)
    x, table, edge_index = setting.x, setting.table, setting.table.edge_index
    sample = max(2**24 // shape.channels**2, 20)
    calls = {
        "ours": lambda: setting.ours(x, table),
        "stack": lambda: setting.stack(x, edge_index),
        "GATConv": lambda: setting.gat(x, edge_index),
        "product": setting.product(),
    }
    if count == 1:
        calls["native"] = setting.native(sample)
    with threads(count):
        seconds = interleaved(calls, rounds=3, warm_up=1)
    a_node = {name: values / shape.nodes for name, values in seconds.items()}
    a_node |= {"limit": setting.limit(seconds["product"]), "native": seconds.get("native", seconds["ours"]) / sample}
    speed = f"nodes/s, {count} thread{'s' * (count > 1)}"
    figures = {f"{name} nodes/s": float(1 / values.mean()) for name, values in a_node.items() if name != "product"}
    for rival, bars in (("native", NATIVE), ("stack", STACK), ("GATConv", {}), ("limit", LIMIT)):
        if rival != "native" or "native" in calls:
            bar = bars.get((shape.channels, count))
            value = ratio(a_node[rival], a_node["ours"])
            yield Row(str(shape), f"{speed}, ours to theirs", value, rival, bar=bar, figures=figures)


def _growth(settings: Settings) -> Iterator[Row]:
    with threads(settings.threads[-1]):
        for shape in SHAPES:
            sizes = (shape.nodes, *GROWTH.get(shape.channels, ()))
            drawn = {nodes: Setting.draw(shape, nodes=nodes) for nodes in sizes}
            calls = {str(n): lambda s=s: s.ours(s.x, s.table) for n, s in drawn.items()}
            seconds = interleaved(calls, rounds=2, warm_up=1)
            for nodes in sizes[1:]:
                value = ratio(seconds[str(sizes[0])] / sizes[0], seconds[str(nodes)] / nodes)
                yield Row(str(shape), f"nodes/s with {nodes:,} nodes", value, f"{sizes[0]:,} nodes")
