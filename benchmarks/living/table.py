"""Results as Markdown and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

matplotlib.rcParams["svg.hashsalt"] = "graphlift"  # the same numbers give the same bytes
INSERTS = ("1,000 inserts, one call each", "1,000 inserts, one call")


def write(results: dict[str, Any], out: Path) -> None:
    """Write `.md` and `.svg` beside the JSON file."""
    pages = []
    if "cost" in results:
        pages.append(_cost(results["cost"]))
    if "soak" in results:
        pages.append(_soak(results["soak"]))
        _draw(results["soak"], out.with_suffix(".svg"))
    if "told" in results:
        pages.append(_told(results["told"]))
    note = "Seconds are those of the processor, on one thread; flushing to a disk comes on top."
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    out.with_suffix(".md").write_text("\n".join([*pages, note, "", f"Versions: {versions}.", ""]), encoding="utf-8")


def _cost(cost: dict[str, Any]) -> str:
    refresh, link = cost["full refresh: build and lift"], cost["linking them"]
    lines = [
        f"### {cost['documents']:,} documents, {cost['channels']} channels, {cost['past queries']:,} past queries",
        "",
        "| what | seconds | share of a full refresh |",
        "|---|---|---|",
        f"| full refresh: build and lift | {refresh:.1f} | |",
        f"| of which lift, links reused | {cost['of which lift']:.2f} | |",
    ]
    for name in INSERTS:
        lines.append(f"| {name} | {cost[name]:.2f} | 1/{refresh / cost[name]:.0f} |")
        both = cost[name] + link
        lines.append(f"| {name}, and linking them | {both:.2f} | 1/{refresh / both:.0f} |")
    lines += ["", "The first search of a process compiles or loads its loops.", ""]
    lines += ["| one call | median ms | slowest of 200 ms |", "|---|---|---|"]
    for name in ("insert", "update", "remove", "feedback", "search"):
        lines.append(f"| {name} | {1000 * cost[f'{name}, median']:.1f} | {1000 * cost[f'{name}, slowest']:.1f} |")
    difference = cost["largest difference to a full recomputation"]
    return "\n".join([*lines, "", f"Lifted vectors differ from a full recomputation by at most {difference:.1e}.", ""])


def _soak(soak: dict[str, Any]) -> str:
    samples = soak["samples"]
    rows = [samples[0], *samples[len(samples) // 4 - 1 :: len(samples) // 4]]
    heads = list(samples[0])
    lines = [
        f"### {soak['operations']:,} mixed operations on one store",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(f'{sample[head]:,}' for head in heads)} |" for sample in rows),
        "",
        "| operation | median ms | 99 % ms | slowest ms |",
        "|---|---|---|---|",
    ]
    for kind, values in soak["milliseconds"].items():
        lines.append(
            f"| {kind} | " + " | ".join(f"{values[name]:.1f}" for name in ("median", "99 %", "slowest")) + " |"
        )
    return "\n".join([*lines, "", f"Opening the store afterwards took {soak['open']:.2f} s.", ""])


def _told(told: dict[str, Any]) -> str:
    heads = list(next(iter(told.values())))
    return "\n".join(
        [
            "### Feedback alone, without a fit",
            "",
            "Mean nDCG@10. All training queries are told.",
            "",
            f"| set | {' | '.join(heads)} |",
            "|---" * (len(heads) + 1) + "|",
            *(f"| {name} | {' | '.join(f'{values[head]:.3f}' for head in heads)} |" for name, values in told.items()),
            "",
        ]
    )


def _draw(soak: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(7.5, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("MiB in memory", "MiB on disk"), strict=True):
        done = [sample["operations"] / 1000 for sample in soak["samples"]]
        axes.plot(done, [sample[name] for sample in soak["samples"]], color="#0b62a4")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("thousand operations")
        axes.set_title(name, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
