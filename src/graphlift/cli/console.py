"""What the command line prints with: results to stdout, all else to stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from graphlift.evaluation.comparison import Comparison, Slice
from graphlift.training.progress import Progress as FitProgress

out = Console(markup=False, emoji=False, highlight=False)  # texts and paths are anybody's
err = Console(stderr=True, markup=False, emoji=False, highlight=False)

METRIC_NAMES = {"nDCG@10": "nDCG@10", "R@10": "Recall@10", "RR@10": "MRR@10"}


def say(text: str) -> None:
    """Lines on stdout, never broken by us."""
    out.print(text, soft_wrap=True)


def program() -> str:
    """How to call graphlift again: as now where its name alone finds nothing, as in an environment not activated."""
    called = sys.argv[0]
    return called if Path(called).name == "graphlift" and shutil.which("graphlift") is None else "graphlift"


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, ensure_ascii=out.encoding != "utf-8"))


def shown(text: str) -> str:
    """A text of the user's on one line, without characters that a terminal would obey."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


@contextmanager
def counting(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; call what it gives with the number that is done so far."""
    with _bars() as bars:
        task = bars.add_task(description, total=total, note="")
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def fitting() -> Iterator[Callable[[FitProgress], None]]:
    """A progress bar on stderr for every stage of a fit."""
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def tell(step: FitProgress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(f"train {step.stage}", total=step.total, note="")
            loss = "" if step.loss is None else f"loss {step.loss:.3f}"
            bars.update(tasks[step.stage], completed=step.done, note=loss)

        yield tell


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", justify="left"),
        console=err,
    )


def print_comparison(comparison: Comparison) -> None:
    """Frozen against lifted as a table that fits 80 columns: all queries, warm and cold ones."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("queries", no_wrap=True)
    table.add_column("index", no_wrap=True)
    for name in METRIC_NAMES.values():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("change of nDCG@10")
    slices = {"all": comparison.all, "warm": comparison.warm, "cold": comparison.cold}
    for name, part in slices.items():
        if part is not None:
            _add_slice(table, f"{name} {part.queries}", part)
    out.print(table)
    out.print("warm: a relevant document was an answer in training; cold: none was.\n", style="dim")


def _add_slice(table: Table, name: str, part: Slice) -> None:
    low, high = part.interval
    gain = part.lifted["nDCG@10"] - part.frozen["nDCG@10"]
    color = "green" if low > 0 else "red" if high < 0 else "yellow"
    frozen, lifted = ([f"{side[metric]:.3f}" for metric in METRIC_NAMES] for side in (part.frozen, part.lifted))
    change = Text(f"{gain:+.3f} ({low:+.3f} to {high:+.3f})", style=color)
    counts = f"{part.better} up, {part.worse} down, {part.same} same"
    table.add_row(name, "frozen", *frozen, change)
    table.add_row("", Text("lifted", "bold"), *(Text(value, "bold") for value in lifted), counts, end_section=True)
