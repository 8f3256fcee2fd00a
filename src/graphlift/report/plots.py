"""The drawings of the report: numbers in, one SVG element out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphlift.report.svg import FONT_SIZE, GAIN, INK, LINE, LOSS, MUTED, REST, draw
from graphlift.report.wording import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 800
"""More queries than pixels are drawn by a sample of so many, evenly spaced in their order."""

SMALL: dict[str, Any] = {"fontsize": FONT_SIZE, "color": MUTED}
STRONG: dict[str, Any] = {"fontsize": FONT_SIZE, "color": INK, "fontweight": 700}


def gains(differences: npt.NDArray[np.float64], width: int = 440, height: int = 240) -> str:
    """Change of nDCG@10 of every query, the largest gain first, (Q,)."""
    ordered = np.sort(differences)[::-1]
    total, better, worse = len(ordered), int((ordered > 0).sum()), int((ordered < 0).sum())
    points = min(total, MAX_POINTS)
    shown = ordered[np.linspace(0, total - 1, points).round().astype(int)]
    edges = np.linspace(0, total, points + 1)

    def paint(ax: Axes) -> None:
        for part, color in ((np.clip(shown, 0, None), GAIN), (np.clip(shown, None, 0), LOSS)):
            ax.stairs(part, edges, fill=True, color=color, linewidth=0)
        ax.axhline(0, color=MUTED, linewidth=1)
        high, low = max(float(ordered[0]), 0.05), min(float(ordered[-1]), -0.05)
        margin = 0.16 * (high - low)
        ax.set(xlim=(0, total), ylim=(low - margin, high + margin), ylabel="change in nDCG@10")
        if better:
            ax.text(0, high + margin / 4, f"{better:,} better", **STRONG | {"color": GAIN})
        if worse:
            end = {"ha": "right", "va": "top", "color": LOSS}
            ax.text(total, low - margin / 4, f"{worse:,} worse", **STRONG | end)
        if (same := total - better - worse) > 0.08 * total:
            ax.text(better + same / 2, margin / 4, f"{same:,} same", ha="center", **SMALL)
        _only_horizontal(ax)
        ax.spines["bottom"].set_visible(False)
        ax.set_xticks([])
        ax.yaxis.set_major_formatter(lambda value, _: signed(value, 1))

    return draw(width, height, f"Change of every query: {better} better, {worse} worse, of {total}.", paint)


def intervals(names: Sequence[str], means: Sequence[float], bounds: Sequence[tuple[float, float]]) -> str:
    """Mean gains with their intervals, one a line."""

    def paint(ax: Axes) -> None:
        ax.axvline(0, color=MUTED, linewidth=1)
        for line, (mean, (low, high)) in enumerate(zip(means, bounds, strict=True)):
            color = GAIN if low > 0 else LOSS if high < 0 else REST
            ax.plot([low, high], [line, line], color=color, linewidth=4, alpha=0.55)
            ax.plot([mean], [line], "o", color=color, markersize=9)
            ax.text(mean, line - 0.24, signed(mean), ha="center", va="bottom", **STRONG)
        ax.set(ylim=(len(names) - 0.5, -0.75), xlabel="change in nDCG@10, 95 % interval")
        ax.set_yticks(range(len(names)), names)
        ax.margins(x=0.12)
        ax.grid(axis="y", visible=False)
        ax.xaxis.set_major_formatter(lambda value, _: signed(value, 2))
        ax.locator_params(axis="x", nbins=5)

    spoken = "; ".join(f"{name} {signed(mean)}" for name, mean in zip(names, means, strict=True))
    return draw(440, 70 + 48 * len(names), f"Mean change of nDCG@10: {spoken}.", paint)


def curve(values: Sequence[float], best_epoch: int, *, rises: bool) -> str:
    """One number an epoch, with its first, last and best value named; ``rises`` where large is good."""
    epochs = np.arange(1, len(values) + 1)
    color = GAIN if rises else REST

    def paint(ax: Axes) -> None:
        ax.plot(epochs, values, color=color)
        last = len(values) - 1
        named = {end for end in (0, last) if abs(end - best_epoch) > 0.3 * last} | {best_epoch}  # none meets another
        span = (max(values) - min(values)) or abs(values[0]) or 1.0
        for epoch in sorted(named):
            best = epoch == best_epoch
            ax.plot([epochs[epoch]], [values[epoch]], "o", color=color, markersize=8 if best else 5)
            style = STRONG if best else SMALL
            side = "left" if epoch == 0 else "right" if epoch == last else "center"
            below = epoch in (0, last) and values[epoch] < (min(values) + max(values)) / 2  # where no curve passes
            height = values[epoch] + (-0.1 if below else 0.1) * span
            ax.text(epochs[epoch], height, f"{values[epoch]:.3f}", ha=side, va="top" if below else "bottom", **style)
        ax.set(ylim=(min(values) - 0.42 * span, max(values) + 0.42 * span))
        ax.set(xlim=(1 - 0.06 * len(values), len(values) * 1.06))
        ax.set_xticks([epoch + 1 for epoch in sorted(named)])
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.tick_params(axis="x", length=3)

    spoken = f"From {values[0]:.3f} to {values[-1]:.3f} in {len(values)} epochs, the best is {best_epoch + 1}."
    return draw(180, 130, spoken, paint)


def bars(names: Sequence[str], values: Sequence[float], labels: Sequence[str], strong: str | None = None) -> str:
    """Bars from zero, each under its name and beside its label; ``strong`` is the name of the one to see."""

    def paint(ax: Axes) -> None:
        top = max([*values, 1e-9])
        for line, (name, value, label) in enumerate(zip(names, values, labels, strict=True)):
            seen = name == strong
            ax.barh(line, value, height=0.42, color=GAIN if seen else REST, alpha=1.0 if seen else 0.6)
            ax.text(0, line - 0.3, name, ha="left", va="bottom", **STRONG if seen else SMALL)
            ax.text(value + top * 0.015, line, label, ha="left", va="center", **STRONG if seen else SMALL)
        ax.set(xlim=(0, top * 1.2), ylim=(len(names) - 0.6, -0.85))
        ax.set_axis_off()

    spoken = "; ".join(f"{name} {label}" for name, label in zip(names, labels, strict=True))
    return draw(440, 12 + 44 * len(names), spoken + ".", paint)


Ends = tuple[float, float]
"""A score before and after."""


def steps(names: Sequence[str], moves: Sequence[tuple[Ends | None, Ends | None]], published: Sequence[bool]) -> str:
    """What fits did, one after the other, to new queries (left dot pair) and to old ones (right)."""

    def paint(ax: Axes) -> None:
        for place, (ends, kept) in enumerate(zip(moves, published, strict=True)):
            for shift, pair, color in ((-0.12, ends[0], GAIN), (0.12, ends[1], INK)):
                if pair is not None:
                    shade = color if kept else REST
                    ax.plot([place + shift] * 2, pair, color=shade, linewidth=2, alpha=0.5)
                    ax.plot([place + shift], pair[:1], "o", color=shade, markersize=7, markerfacecolor="none")
                    ax.plot([place + shift], pair[1:], "o", color=shade, markersize=7)
        for line, (text, color) in enumerate(
            (("new queries", GAIN), ("queries learned before", INK), ("refused", REST))
        ):
            ax.text(0.01 + 0.17 * line, 1.04, text, transform=ax.transAxes, **STRONG | {"color": color})
        ax.set(xlim=(-0.6, max(len(names) - 0.4, 3)), ylabel="nDCG@10")
        ax.set_xticks(range(len(names)), names)
        _only_horizontal(ax)

    spoken = "; ".join(
        f"{name} {'published' if kept else 'refused'}" for name, kept in zip(names, published, strict=True)
    )
    return draw(860, 260, spoken + ".", paint)


def levels(sizes: Sequence[int]) -> str:
    """Nodes of each level of the graph, level 0 first, on a logarithmic scale; the top level is drawn on top."""

    def paint(ax: Axes) -> None:
        for level, size in enumerate(sizes):
            ax.barh(
                level,
                np.log10(size + 1),
                height=0.55,
                color=GAIN if level == 0 else REST,
                alpha=1 if level == 0 else 0.6,
            )
            ax.text(np.log10(size + 1) + 0.05, level, f"{size:,}", va="center", **STRONG if level == 0 else SMALL)
        reach = int(np.ceil(np.log10(max(sizes) + 1)))
        powers = range(reach + 1)
        ax.set_xticks([np.log10(10**power + 1) for power in powers], [f"{10**power:,}" for power in powers])
        ax.set_yticks(range(len(sizes)), [f"level {level}" for level in range(len(sizes))])
        ax.set(xlim=(0, reach + 0.4), ylim=(-0.6, max(len(sizes) - 0.4, 1.6)), xlabel="nodes, logarithmic")
        ax.grid(axis="y", visible=False)

    spoken = ", ".join(f"level {level} {size}" for level, size in enumerate(sizes))
    return draw(440, 240, f"Nodes: {spoken}.", paint)


def degrees(leaving: npt.NDArray[np.int64], arriving: npt.NDArray[np.int64]) -> str:
    """How many links leave and reach a node of the bottom level, both (N,)."""
    far = int(max(leaving.max(), np.quantile(arriving, 0.995), 1))
    edges = np.arange(far + 2) - 0.5

    def paint(ax: Axes) -> None:
        out, into = (np.bincount(d[d <= far], minlength=far + 1) / len(d) for d in (leaving, arriving))
        ax.stairs(into, edges, fill=True, color=GAIN, alpha=0.35, linewidth=0)
        ax.stairs(into, edges, color=GAIN, linewidth=1.5)
        ax.stairs(out, edges, color=REST, linewidth=2)
        top = max(float(out.max()), float(into.max()))
        end = {"ha": "right", "va": "center"}
        leave = f"links that leave a document, at most {leaving.max():,}"
        ax.text(far + 0.5, 1.36 * top, leave, **STRONG | end | {"color": MUTED})
        ax.text(
            far + 0.5, 1.2 * top, f"links that reach it, at most {arriving.max():,}", **STRONG | end | {"color": GAIN}
        )
        ax.set(
            xlim=(-0.5, far + 0.5),
            ylim=(0, 1.45 * top),
            xlabel="links on the bottom level",
            ylabel="share of documents",
        )
        _only_horizontal(ax)
        ax.locator_params(axis="y", nbins=5, steps=[1, 2, 5, 10])
        ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= 1.1 * top])
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")

    return draw(
        440, 240, f"Links a node: {leaving.mean():.1f} leave it in the mean, at most {arriving.max()} reach one.", paint
    )


def _only_horizontal(ax: Axes) -> None:
    ax.grid(axis="x", visible=False)
    ax.grid(axis="y", color=LINE)
