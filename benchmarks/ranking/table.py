"""Results as a Markdown table and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.ranking.methods import METHODS, OURS
from graphlift.evaluation.bootstrap import paired_interval


def write(results: dict[str, Any], out: Path) -> None:
    """Write `.md` and `.svg` beside the JSON file."""
    sections = [_section(name, runs) for name, runs in sorted(results["sets"].items())]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    out.with_suffix(".md").write_text("\n".join([*sections, f"Versions: {versions}.", ""]), encoding="utf-8")
    _draw(results, out.with_suffix(".svg"))


def _mean(runs: list[dict[str, Any]], metric: str) -> np.ndarray:
    """Mean over seeds of every query's value, (Q,)."""
    return np.mean([run[metric] for run in runs], axis=0)


def _section(name: str, runs: dict[str, Any]) -> str:
    warm, methods = np.array(runs["warm"]), runs["methods"]
    lines = [
        f"### {name}",
        "",
        f"{len(warm)} test queries, {int((~warm).sum())} cold. Means over seeds.",
        "",
        "| method | nDCG@10 | warm | cold | Recall@10 | MRR@10 | Recall@100 | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in (method for method in METHODS if method in methods):
        ndcg = _mean(methods[method], "nDCG@10")
        cold = f"{ndcg[~warm].mean():.3f}" if (~warm).any() else "-"
        rest = " | ".join(f"{_mean(methods[method], metric).mean():.3f}" for metric in ("R@10", "RR@10", "R@100"))
        seconds = np.mean([run["seconds"] for run in methods[method]])
        bold = "**" if method == OURS else ""
        lines.append(
            f"| {bold}{method}{bold} | {bold}{ndcg.mean():.3f}{bold} | {ndcg[warm].mean():.3f} | {cold} | {rest} "
            f"| {seconds:.0f} |"
        )
    rivals = {method: _mean(methods[method], "nDCG@10") for method in methods if method != OURS}
    if OURS in methods and rivals:
        best = max(rivals, key=lambda method: rivals[method].mean())
        ours = _mean(methods[OURS], "nDCG@10")
        low, high = paired_interval(rivals[best], ours)
        better, worse = int((ours > rivals[best]).sum()), int((ours < rivals[best]).sum())
        lines += [
            "",
            f"Against the best rival, {best}: {ours.mean() - rivals[best].mean():+.3f} nDCG@10, 95 % interval "
            f"{low:+.3f} to {high:+.3f}; {better} queries better, {worse} worse.",
        ]
    return "\n".join([*lines, ""])


def _draw(results: dict[str, Any], path: Path) -> None:
    """One row a set, a dot a method; ours stands out."""
    sets = sorted(results["sets"])
    figure = Figure(figsize=(7.5, 0.9 * len(sets) + 1), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(reversed(sets)):
        methods = results["sets"][name]["methods"]
        scores = {method: float(_mean(runs, "nDCG@10").mean()) for method, runs in methods.items()}
        axes.plot(list(scores.values()), [row] * len(scores), "-", color="#d0d4da", zorder=0)
        for method, score in scores.items():
            ours = method == OURS
            axes.plot(score, row, "o", color="#0b62a4" if ours else "#8a8f98", markersize=8 if ours else 5)
            if ours or score == max(v for m, v in scores.items() if m != OURS) or method == "frozen, exact":
                axes.annotate(method, (score, row), (0, 8), textcoords="offset points", ha="center", fontsize=7)
    axes.set_yticks(range(len(sets)), list(reversed(sets)))
    axes.set_ylim(-0.5, len(sets) - 0.3)
    axes.set_xlabel("nDCG@10 on test queries, mean of seeds")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
