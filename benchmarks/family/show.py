"""Numbers as parts print and draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

from matplotlib.axes import Axes

BLUE, GRAY = "#0b62a4", "#8a8f98"


def spread(runs: Sequence[float]) -> str:
    """Mean and deviation over seeds."""
    if not runs:
        return "-"
    return f"{fmean(runs):.1f} ± {pstdev(runs):.1f}" if len(runs) > 1 else f"{runs[0]:.1f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def dots(axes: Axes, runs: Mapping[str, Sequence[float]], label: str) -> None:
    """A row for each name, a dot for each seed, a line for their mean."""
    for y, values in enumerate(runs.values()):
        axes.plot(values, [y] * len(values), "o", color=BLUE, alpha=0.45, markersize=4)
        if values:
            axes.plot(fmean(values), y, "|", color="black", markersize=12)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.invert_yaxis()
    axes.set_xlabel(label, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
