"""Measurements against the number of documents."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.speed.rows import Bar, Row, Spread


def at(size: int, measure: str, value: Spread, unit: str, bar: Bar | None = None) -> Row:
    """One point of a curve."""
    return Row(f"N = {size:,}", measure, value, unit=unit, bar=bar, figures={"N": size})


def draw(rows: list[Row]) -> Figure:
    """Each measurement against N."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        if "N" in row.figures:
            curves.setdefault(row.measure, []).append(row)
    figure = Figure(figsize=(2.6 * len(curves), 2.6), layout="constrained")
    for axes, (measure, points) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        axes.plot([p.figures["N"] for p in points], [p.value.median for p in points], "o-", color="#0b62a4")
        bar = points[0].bar
        if bar is not None:
            axes.axhline(bar.high, color="#8a8f98", linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("N")
        axes.set_ylabel(points[0].unit or "ratio")
        axes.set_title(measure.replace(", ", ",\n"), fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
