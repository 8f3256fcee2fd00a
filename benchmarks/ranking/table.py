"""Results as a Markdown table and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.ranking.methods import METHODS, OURS
from graphlift.evaluation.bootstrap import paired_interval

matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes
FEW = 20
"""A mean over fewer queries says little."""


def write(results: dict[str, Any], out: Path) -> None:
    """Write `.md` and `.svg` beside the JSON file."""
    sections = [_section(name, runs) for name, runs in sorted(results["sets"].items())]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    pages = [_summary(results["sets"]), *sections, f"Versions: {versions}.", ""]
    out.with_suffix(".md").write_text("\n".join(pages), encoding="utf-8")
    _draw(results, out.with_suffix(".svg"))


def _mean(runs: list[dict[str, Any]], metric: str) -> np.ndarray:
    """Mean over seeds of every query's value, (Q,)."""
    return np.mean([run[metric] for run in runs], axis=0)


def _best_rival(methods: dict[str, Any]) -> tuple[str, np.ndarray]:
    """The rival with the best mean nDCG@10, and its values, (Q,)."""
    rivals = {method: _mean(runs, "nDCG@10") for method, runs in methods.items() if method != OURS}
    best = max(rivals, key=lambda method: float(rivals[method].mean()))
    return best, rivals[best]


def _summary(sets: dict[str, Any]) -> str:
    """One line a set: where we start, who comes closest, where we end."""
    heads = ["nDCG@10", "frozen", "best rival", "graphlift", "cold: frozen", "best rival", "graphlift"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, runs in sorted(sets.items()):
        methods, cold = runs["methods"], ~np.array(runs["warm"])
        if OURS not in methods or "frozen, exact" not in methods:
            continue
        best, rival = _best_rival(methods)
        values = [_mean(methods["frozen, exact"], "nDCG@10"), rival, _mean(methods[OURS], "nDCG@10")]
        means = [f"{value.mean():.3f}" for value in values]
        colds = [f"{value[cold].mean():.3f}" if cold.sum() >= FEW else "-" for value in values]
        lines.append(f"| {name} | {means[0]} | {means[1]} ({best}) | **{means[2]}** | {' | '.join(colds)} |")
    return "\n".join([*lines, "", f"Cold values of fewer than {FEW} queries are left out.", ""])


def _section(name: str, runs: dict[str, Any]) -> str:
    warm, methods = np.array(runs["warm"]), runs["methods"]
    lines = [
        f"### {name}",
        "",
        f"{len(warm)} test queries, {int((~warm).sum())} cold. Means over seeds.",
        "",
        "| method | nDCG@10 | warm | cold | Recall@10 | MRR@10 | Recall@100 | seconds | p50 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for method in (method for method in METHODS if method in methods):
        ndcg = _mean(methods[method], "nDCG@10")
        cold = f"{ndcg[~warm].mean():.3f}" if (~warm).any() else "-"
        rest = " | ".join(f"{_mean(methods[method], metric).mean():.3f}" for metric in ("R@10", "RR@10", "R@100"))
        seconds = np.mean([run["seconds"] for run in methods[method]])
        p50 = [run["p50"] for run in methods[method] if "p50" in run]  # not in runs from before there was such a column
        bold = "**" if method == OURS else ""
        lines.append(
            f"| {bold}{method}{bold} | {bold}{ndcg.mean():.3f}{bold} | {ndcg[warm].mean():.3f} | {cold} | {rest} "
            f"| {seconds:.0f} | {f'{np.mean(p50):.1f}' if p50 else '-'} |"
        )
    if OURS in methods and len(methods) > 1:
        best, rival = _best_rival(methods)
        ours = _mean(methods[OURS], "nDCG@10")
        low, high = paired_interval(rival, ours)
        lines += [
            "",
            f"Against the best rival, {best}: {ours.mean() - rival.mean():+.3f} nDCG@10, 95 % interval "
            f"{low:+.3f} to {high:+.3f}; "
            f"{int((ours > rival).sum())} queries better, {int((ours < rival).sum())} worse.",
        ]
    return "\n".join([*lines, ""])


def _draw(results: dict[str, Any], path: Path) -> None:
    """One row a set, a dot a method: the frozen scan named above, the best rival below, ours in blue."""
    sets = sorted(results["sets"], reverse=True)
    figure = Figure(figsize=(7.5, 0.8 * len(sets) + 0.8), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(sets):
        methods = results["sets"][name]["methods"]
        scores = {method: float(_mean(runs, "nDCG@10").mean()) for method, runs in methods.items()}
        axes.plot(list(scores.values()), [row] * len(scores), "-", color="#d0d4da", zorder=0)
        for method, score in scores.items():
            ours = method == OURS
            axes.plot(score, row, "o", color="#0b62a4" if ours else "#8a8f98", markersize=8 if ours else 5)
        labels = [("frozen", scores["frozen, exact"], 8)] if "frozen, exact" in scores else []
        labels += [(f"{scores[OURS]:.3f}", scores[OURS], 8)] if OURS in scores else []
        if scores.keys() - {OURS}:
            best, rival = _best_rival(methods)
            labels.append((best, float(rival.mean()), -14))
        for label, score, offset in labels:
            axes.annotate(label, (score, row), (0, offset), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(sets)), sets)
    axes.set_ylim(-0.5, len(sets) - 0.4)
    axes.set_xlabel("nDCG@10 on test queries, mean of seeds; blue: graphlift, gray: rivals")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
