"""Equivariant: where will five charges be?

Five particles with random charges of +1 and -1 fly under Coulomb's force, softened at short range, and drift together
along the first axis. From positions, velocities and charges the network says where they will be after 1 unit of time.
Three layers of width 32 on the complete graph, with the product of charges as edge attribute; 50 or 400 training
systems, 500 steps of 50 of them, 500 test systems. The plain network has the same layers, but hears positions and
velocities as features. "Turned" is the error on the same test systems, each turned at random, so that they drift
anywhere. Mean squared error, one seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.show import markdown
from graphlift.graph import NeighborTable
from graphlift.nn.experimental.equivariant import EquivariantConv

BODIES, TIME, STEP, SOFT = 5, 1.0, 1e-3, 0.1
TRAIN, TEST, STEPS, BATCH, WIDTH, LAYERS = (50, 400), 500, 500, 50, 32, 3
METHODS = ("at rest", "straight on", "plain", "equivariant")


def simulate(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions, velocities (count, 5, 3), charges (count, 5), and positions after a while; leapfrog integration."""
    first = torch.randn(count, BODIES, 3, generator=generator, dtype=torch.float64)
    velocity = 0.5 * torch.randn(count, BODIES, 3, generator=generator, dtype=torch.float64)
    velocity[..., 0] += 1
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
    """One piece for each method and number of training systems."""
    generator = torch.Generator().manual_seed(0)
    train, test = simulate(max(TRAIN), generator), simulate(TEST, generator)
    turn = torch.linalg.qr(torch.randn(TEST, 3, 3, generator=generator)).Q
    turned = tuple(part @ turn if part.ndim == 3 else part for part in test)
    for method in METHODS:
        for count in TRAIN:
            name = f"{method}|{count}"
            if name in results:
                continue
            torch.manual_seed(0)
            model: Any = RULES.get(method)
            if model is None:
                model = fit(Bodies(method == "equivariant"), tuple(part[:count] for part in train))
            results[name] = {"test": error(model, test), "turned": error(model, turned)}
            yield f"{name}: {results[name]}"


RULES = {
    "at rest": lambda position, velocity, charge: position,
    "straight on": lambda position, velocity, charge: position + TIME * velocity,
}


def fit(model: Bodies, train: tuple[Tensor, ...]) -> Bodies:
    """Adam with cosine decay on the mean squared error."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        batch = torch.randperm(len(train[0]))[:BATCH]
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
    for method in METHODS:
        found = [results.get(f"{method}|{count}", {}) for count in TRAIN]
        rows.append([method, *(f"{run[key]:.4f}" if run else "-" for run in found for key in ("test", "turned"))])
    return markdown(["method", *(f"{count}{what}" for count in TRAIN for what in (" systems", ", turned"))], rows)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Errors side by side, a group for each number of training systems."""
    axes = figure.subplots()
    for shift, method in enumerate(METHODS):
        for where, count in enumerate(TRAIN):
            run = results.get(f"{method}|{count}")
            if run:
                heights, places = [run["test"], run["turned"]], [2 * where, 2 * where + 1]
                axes.bar([p + 0.2 * shift for p in places], heights, 0.2, color=f"C{shift}", label=method)
    axes.set_xticks([i + 0.3 for i in range(2 * len(TRAIN))], [f"{c}{w}" for c in TRAIN for w in ("", ", turned")])
    axes.set_yscale("log")
    axes.set_xlabel("training systems")
    axes.set_ylabel("mean squared error")
    handles, labels = axes.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    axes.legend(kept.values(), kept.keys(), frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
