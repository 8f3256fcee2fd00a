"""Continuous depth: what accuracy costs, and both ways to a gradient

`OdeConv` from 384 to 64 channels with 4 heads, fresh weights in float64, on the bottom level of an HNSW graph of the
fontawesome set. Error is the largest difference of any channel to the solution at a tolerance of 1e-9, whose values are
about 1 in size; evaluations are calls of the layer inside. The gradient of the squared output is computed by
backpropagation and by the adjoint equation, at a tolerance of 1e-6: largest difference relative to the largest
gradient, and what the forward pass keeps in memory for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.family.show import markdown
from graphlift import HnswIndex
from graphlift.data import read_vectors
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.ode import OdeConv

TOLERANCES, STEPS, DEPTHS, NODES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6), (1.0, 0.5, 0.25, 0.125), (1.0, 2.0), 200
SOLVERS = [
    *(("dopri5", {"tolerance": t}) for t in TOLERANCES),
    *((method, {"method": method, "step": step}) for method in ("euler", "rk4") for step in STEPS),
]


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each solver, then one for each way to a gradient."""
    vectors = read_vectors(data / "fontawesome" / "corpus_emb.npy")[:NODES]
    index = HnswIndex.build(vectors)
    x, neighbors = index.x.double(), index.graph.neighbors
    exact = solve({"tolerance": 1e-9}, x, neighbors)[0]
    for method, options in SOLVERS:
        name = f"{method}|{options.get('tolerance', options.get('step'))}"
        if name not in results:
            out, calls = solve(options, x, neighbors)
            results[name] = {"error": float((out - exact).abs().max()), "calls": calls}
            yield f"{name}: {results[name]}"
    for depth in DEPTHS:
        name = f"gradient|{depth}"
        if name not in results:
            (direct, kept), (adjoint, kept_less) = (gradient(way, depth, x, neighbors) for way in (False, True))
            apart = max(float((a - d).abs().max()) for a, d in zip(adjoint, direct, strict=True))
            size = max(float(d.abs().max()) for d in direct)
            results[name] = {"apart": apart / size, "kept": kept, "kept_by_adjoint": kept_less}
            yield f"{name}: {results[name]}"


def build(**options: Any) -> OdeConv:
    """The same weights for every solver."""
    torch.manual_seed(0)
    return OdeConv(384, 64, **options).double()


@torch.no_grad()
def solve(options: dict[str, Any], x: Tensor, neighbors: NeighborTable) -> tuple[Tensor, int]:
    """Output, and how often the layer was called."""
    conv, calls = build(**options), []
    conv.conv.register_forward_hook(lambda *call: calls.append(1))
    return conv(x, neighbors), len(calls)


def gradient(adjoint: bool, depth: float, x: Tensor, neighbors: NeighborTable) -> tuple[list[Tensor], int]:
    """Gradients of all parameters, and the bytes that the forward pass kept."""
    conv, kept = build(adjoint=adjoint, depth=depth, tolerance=1e-6), {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = conv(x, neighbors).square().sum()
    loss.backward()
    gradients = [p.grad for name, p in conv.named_parameters() if p.grad is not None and "lin_key.bias" not in name]
    return gradients, sum(kept.values())


def table(results: dict[str, Any]) -> str:
    """A line for each solver, and one for each depth whose gradients were compared."""
    solvers, gradients = [], []
    for name, found in results.items():
        kind, setting = name.split("|")
        if kind == "gradient":
            sizes = (f"{found[key] / 2**20:.1f} MiB" for key in ("kept", "kept_by_adjoint"))
            gradients.append([setting, f"{found['apart']:.1e}", *sizes])
        else:
            what = "tolerance" if kind == "dopri5" else "step"
            solvers.append([kind, f"{what} {setting}", f"{found['error']:.1e}", found["calls"]])
    return "\n\n".join(
        [
            markdown(["solver", "setting", "error", "evaluations"], solvers),
            markdown(["depth", "gradients differ by", "kept by backpropagation", "by the adjoint"], gradients),
        ]
    )


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Error over evaluations, a line for each solver."""
    axes = figure.subplots()
    for method in ("dopri5", "euler", "rk4"):
        found = [run for name, run in results.items() if name.startswith(method)]
        axes.loglog([run["calls"] for run in found], [run["error"] for run in found], "o-", label=method)
    axes.set_xlabel("evaluations of the layer")
    axes.set_ylabel("largest error")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
