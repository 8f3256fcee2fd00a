"""Results as one Markdown page with a figure for each part."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.speed.machine import sentence
from benchmarks.speed.rows import Row

matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes
matplotlib.rcParams["svg.fonttype"] = "none"
GOOD, BAD, PLAIN = "#0b62a4", "#b3541e", "#8a8f98"


def write(results: dict[str, Any], parts: dict[str, ModuleType], folder: Path) -> None:
    """Write `results.md`, and a figure for each part that was measured."""
    sections = [
        "# Speed",
        "Medians, with quartiles in brackets, of rounds in which rivals take turns. Written by "
        "`python -m benchmarks.speed`; absolute figures are in `results.json`.",
    ]
    for name, part in parts.items():
        if name not in results["parts"]:
            continue
        stored = results["parts"][name]
        rows = [Row.from_json(row) for row in stored["rows"]]
        if stored["quick"]:
            sections.append("**Small sizes and few rounds, to see that it runs: these numbers mean nothing.**")
        sections += [_section(name, part, rows), f"{_threads(stored['threads'])} {sentence(stored['machine'])}"]
        _draw(part, rows).savefig(folder / f"{name}.svg", metadata={"Date": None})
    (folder / "results.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _section(name: str, part: ModuleType, rows: list[Row]) -> str:
    with_rival = any(row.against for row in rows)
    heads = ["on", "measured", *(["against"] if with_rival else []), "value", "bar"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row.case, row.measure, *([row.against] if with_rival else []), value_of(row), verdict(row)]
        lines.append(f"| {' | '.join(cells)} |")
    about = (part.__doc__ or "").strip()
    return "\n".join([f"## {part.TITLE}", "", about, "", f"![{part.TITLE}]({name}.svg)", "", *lines])


def value_of(row: Row) -> str:
    """Median and quartiles, as the table says them."""
    value = row.value
    unit = f" {row.unit}" if row.unit else ""
    if value.low == value.high:
        return f"{value.median:.3g}{unit}"
    return f"{value.median:.3g}{unit} ({value.low:.3g} to {value.high:.3g})"


def verdict(row: Row) -> str:
    """The bar, and whether the median passes it."""
    if row.bar is None:
        return ""
    return f"{row.bar}: {'met' if row.bar.holds(row.value.median) else '**missed**'}"


def _threads(counts: list[int]) -> str:
    return f"Threads: {', '.join(map(str, counts))}."


def _draw(part: ModuleType, rows: list[Row]) -> Figure:
    """The part's own figure, or a dot for each row with a bar."""
    if hasattr(part, "draw"):
        return part.draw(rows)
    shown = [row for row in rows if row.bar is not None] or rows
    figure = Figure(figsize=(8, 0.3 * len(shown) + 0.9), layout="constrained")
    dots(figure.subplots(), shown)
    return figure


def dots(axes: Axes, rows: list[Row]) -> None:
    """A dot a row with its quartiles, and a mark where its bar is."""
    for y, row in enumerate(reversed(rows)):
        value, bar = row.value, row.bar
        color = PLAIN if bar is None else GOOD if bar.holds(value.median) else BAD
        axes.plot([value.low, value.high], [y, y], "-", color=color, linewidth=2)
        axes.plot(value.median, y, "o", color=color, markersize=5)
        for limit in () if bar is None else (bar.low, bar.high):
            if limit is not None:
                axes.plot(limit, y, "|", color="black", markersize=11)
    labels = [" · ".join(filter(None, (row.case, row.measure, row.against))) for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("dots: medians with quartiles; strokes: the bar", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
