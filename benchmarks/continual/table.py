"""Results as Markdown tables and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.continual.methods import DEFAULT, JOINT, METHODS

matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes


def write(results: dict[str, Any], out: Path) -> None:
    """Write `.md` and, where there are streams, `.svg` beside the JSON file."""
    pages = [_section(name, stream, part) for name, stream in results["streams"].items() for part in ("test", "dev")]
    if results["images"]:
        pages.append(_images(results["images"]))
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    out.with_suffix(".md").write_text("\n".join([*pages, f"Versions: {versions}.", ""]), encoding="utf-8")
    if results["streams"]:
        _draw(results["streams"], out.with_suffix(".svg"))


def forgetting(matrix: np.ndarray) -> np.ndarray:
    """What each task but the last lost since it was learned, (T - 1,)."""
    return np.diag(matrix)[:-1] - matrix[-1, :-1]


def forward_transfer(matrix: np.ndarray, frozen: np.ndarray) -> float:
    """What tasks gained over the frozen index before they were learned themselves, mean."""
    return float(np.mean([matrix[task - 1, task] - frozen[task] for task in range(1, len(frozen))]))


def _matrices(runs: dict[str, Any], part: str) -> np.ndarray:
    """Mean over seeds of the scores after each task, on every task, (steps, tasks)."""
    return np.mean([[row[part] for row in run["matrix"]] for run in runs.values()], axis=0)


def _section(name: str, stream: dict[str, Any], part: str) -> str:
    tasks, frozen = stream["tasks"], np.array(stream["frozen"][part])
    heads = [
        "method",
        *tasks,
        "average",
        *(f"forgotten: {task}" for task in tasks[:-1]),
        "forward transfer",
        "seconds",
        "seeds",
    ]
    lines = [
        f"### {name}, {part} queries",
        "",
        "nDCG@10 after the last task.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        _row("frozen", [*frozen, frozen.mean()], len(heads)),
    ]
    for method in (method for method in [*METHODS, JOINT] if stream["runs"].get(method)):
        runs = stream["runs"][method]
        matrix = _matrices(runs, part)
        values = [*matrix[-1], matrix[-1].mean()]
        if method != JOINT:
            values += [*forgetting(matrix), forward_transfer(matrix, frozen)]
        ends = f"{np.mean([run['seconds'] for run in runs.values()]):.0f}", str(len(runs))
        lines.append(_row(f"**{method}**" if method == DEFAULT else method, values, len(heads), ends))
    lines += ["", *_after_each(stream, part)] if stream["runs"].get(DEFAULT) else []
    return "\n".join([*lines, ""])


def _after_each(stream: dict[str, Any], part: str) -> list[str]:
    """The default's scores after every task."""
    tasks, runs = stream["tasks"], stream["runs"][DEFAULT]
    lines = ["The default after each task, and what its gate said with the first seed:", ""]
    lines.append(f"| after | {' | '.join(tasks)} | gate |")
    lines.append("|---" * (len(tasks) + 2) + "|")
    said = ["", *next(iter(runs.values()))["gate"]]
    for task, row, gate in zip(tasks, _matrices(runs, part), said, strict=True):
        lines.append(f"| {task} | {' | '.join(f'{value:.3f}' for value in row)} | {gate} |")
    return lines


def _row(name: str, values: list[float], width: int, ends: tuple[str, ...] = ("-", "-")) -> str:
    cells = [f"{value:.3f}" for value in values]
    return f"| {' | '.join([name, *cells, *['-'] * (width - 1 - len(cells) - len(ends)), *ends])} |"


def _images(images: dict[str, Any]) -> str:
    lines = [
        "### images: permuted MNIST",
        "",
        "Accuracy on test images, mean of the tasks after the last one; strength chosen on images kept apart.",
        "",
        "| method | strength | accuracy | first task | last task | forgotten | seeds |",
        "|---" * 7 + "|",
    ]
    for name, entry in images.items():
        if not entry["runs"]:
            continue
        matrices = [np.array(matrix) for matrix in entry["runs"].values()]
        last = np.mean([matrix[-1] for matrix in matrices], axis=0)
        lost = [forgetting(matrix).mean() for matrix in matrices if len(matrix) > 1]
        strength = "-" if entry["strength"] is None else f"{entry['strength']:g}"
        forgotten = f"{np.mean(lost):.3f}" if lost else "-"
        scores = f"{last.mean():.3f} | {last[0]:.3f} | {last[-1]:.3f}"
        lines.append(f"| {name} | {strength} | {scores} | {forgotten} | {len(matrices)} |")
    return "\n".join([*lines, ""])


def _draw(streams: dict[str, Any], path: Path) -> None:
    """One panel a stream: the score of every method on each task after the last one."""
    figure = Figure(figsize=(8, 3.2 * len(streams)), layout="constrained")
    for axes, (name, stream) in zip(np.atleast_1d(figure.subplots(len(streams))), streams.items(), strict=True):
        methods = [method for method in [*METHODS, JOINT] if stream["runs"].get(method)]
        for place, method in enumerate(methods):
            matrix = _matrices(stream["runs"][method], "test")
            left = np.arange(len(stream["tasks"])) + (place - len(methods) / 2) * 0.8 / len(methods)
            color = "#0b62a4" if method == DEFAULT else f"{0.85 - 0.5 * place / len(methods):.2f}"
            axes.bar(left, matrix[-1], width=0.75 / len(methods), color=color, label=method)
        axes.set_xticks(range(len(stream["tasks"])), stream["tasks"])
        axes.set_title(name, fontsize=10)
        axes.set_ylabel("test nDCG@10 after the last task", fontsize=8)
        axes.legend(fontsize=7, ncols=4, loc="lower center")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
