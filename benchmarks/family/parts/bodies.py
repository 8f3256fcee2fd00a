"""Equivariant: where will five charges be?

Five particles with random charges of +1 and -1 fly under Coulomb's force, softened at short range. From positions,
velocities and charges the network says where they will be after 1 unit of time, a few of their encounters later. Three
layers of width 32 on the complete graph, with the product of charges as edge attribute; 400 training systems, 500
test systems, the same schedule for all. The plain network has the same layers, but hears positions and velocities as
features. "Turned" is the error on the same test systems, each turned at random. Mean squared error, mean of 2 seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.show import markdown
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.equivariant import EquivariantConv

BODIES, TIME, STEP, SOFT = 5, 1.0, 1e-3, 0.1
TRAIN, TEST, EPOCHS, BATCH, WIDTH, LAYERS = 400, 500, 80, 50, 32, 3
SEEDS = range(2)
METHODS = ("at rest", "straight on", "plain", "equivariant")


def simulate(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions, velocities (count, 5, 3), charges (count, 5), and positions after a while; leapfrog integration."""
    first = torch.randn(count, BODIES, 3, generator=generator, dtype=torch.float64)
    velocity = 0.5 * torch.randn(count, BODIES, 3, generator=generator, dtype=torch.float64)
    charge = torch.randint(2, (count, BODIES), generator=generator).double() * 2 - 1
    product = charge.unsqueeze(2) * charge.unsqueeze(1)

    def force(position: Tensor) -> Tensor:
        gap = position.unsqueeze(2) - position.unsqueeze(1)
        return (product / (gap.square().sum(-1) + SOFT).pow(1.5)).unsqueeze(-1).mul(gap).sum(dim=2)

    position, speed = first, velocity + STEP / 2 * force(first)
    for _ in range(round(TIME / STEP)):
        position = position + STEP * speed
        speed = speed + STEP * force(position)
    return first.float(), velocity.float(), charge.float(), position.float()


class Bodies(nn.Module):
    """Three layers among five particles; what they hear as features decides whether they are equivariant."""

    def __init__(self, equivariant: bool) -> None:
        super().__init__()
        self.equivariant = equivariant
        self.embed = nn.Linear(2 if equivariant else 8, WIDTH)
        # The plain network gets positions as features, and a coordinate of its own that is never read.
        width = WIDTH + 3
        self.convs = nn.ModuleList(EquivariantConv(width, width, edge_dim=1) for _ in range(LAYERS))
        self.head = nn.Linear(WIDTH, 1 if equivariant else 3)

    def forward(self, position: Tensor, velocity: Tensor, charge: Tensor) -> Tensor:
        """Positions after a while, (B, 5, 3)."""
        table, attr = _complete(charge)
        speed = velocity.norm(dim=-1, keepdim=True)
        facts = [charge.unsqueeze(-1), speed] if self.equivariant else [charge.unsqueeze(-1), speed, position, velocity]
        state = self.embed(torch.cat(facts, dim=-1))
        start = position if self.equivariant else torch.zeros_like(position)
        x = torch.cat([state, start], dim=-1).flatten(0, 1)
        for conv in self.convs:
            x = conv(x, table, None, attr)
        state, moved = x.view(*charge.shape, -1).split([WIDTH, 3], dim=-1)
        if self.equivariant:
            return moved + (1 + self.head(state)) * velocity
        return position + velocity + self.head(state)


def _complete(charge: Tensor) -> tuple[NeighborTable, Tensor]:
    """All pairs within each system, and the product of their charges."""
    others = torch.tensor([[j for j in range(BODIES) if j != i] for i in range(BODIES)])
    ids = others + BODIES * torch.arange(len(charge)).view(-1, 1, 1)
    attr = charge.unsqueeze(2) * charge[:, others]
    return NeighborTable(ids.flatten(0, 1)), attr.flatten(0, 1).unsqueeze(-1)


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each method and seed."""
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        train, test = simulate(TRAIN, generator), simulate(TEST, generator)
        turn = torch.linalg.qr(torch.randn(TEST, 3, 3, generator=generator)).Q
        turned = tuple(part @ turn if part.ndim == 3 else part for part in test)
        for method in METHODS:
            name = f"{method}|{seed}"
            if name in results:
                continue
            torch.manual_seed(seed)
            if method == "at rest":
                model: Any = lambda position, velocity, charge: position  # noqa: E731
            elif method == "straight on":
                model = lambda position, velocity, charge: position + TIME * velocity  # noqa: E731
            else:
                model = fit(Bodies(method == "equivariant"), train)
            results[name] = {"test": error(model, test), "turned": error(model, turned)}
            if isinstance(model, nn.Module):
                results[name]["parameters"] = sum(p.numel() for p in model.parameters())
            yield f"{name}: {results[name]}"


def fit(model: Bodies, train: tuple[Tensor, Tensor, Tensor, Tensor]) -> Bodies:
    """Adam with cosine decay on the mean squared error."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(TRAIN).split(BATCH):
            *given, after = (part[batch] for part in train)
            loss = F.mse_loss(model(*given), after)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def error(model: Any, systems: tuple[Tensor, ...]) -> float:
    """Mean squared error."""
    *given, after = systems
    return float(F.mse_loss(model(*given), after))


def table(results: dict[str, Any]) -> str:
    """A line for each method."""
    rows = []
    for method, runs in grouped(results).items():
        test, turned = (f"{fmean(run[key] for run in runs):.4f}" for key in ("test", "turned"))
        rows.append([method, test, turned, runs[0].get("parameters", "-")])
    return markdown(["method", "error", "turned", "parameters"], rows)


def grouped(results: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The runs of each method."""
    runs = {method: [run for name, run in results.items() if name.split("|")[0] == method] for method in METHODS}
    return {method: found for method, found in runs.items() if found}


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Errors side by side."""
    axes, groups = figure.subplots(), grouped(results)
    for shift, key in [(-0.2, "test"), (0.2, "turned")]:
        heights = [fmean(run[key] for run in runs) for runs in groups.values()]
        axes.bar([i + shift for i in range(len(groups))], heights, width=0.4, label=key)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_yscale("log")
    axes.set_ylabel("mean squared error")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
