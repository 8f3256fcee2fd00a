"""Starting cold: every import is a fresh process, and processes of the two kinds take turns."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.speed.rows import Bar, Row
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import interleaved, ratio

TITLE = "Cold start"


def measure(settings: Settings) -> list[Row]:
    """Import against torch alone."""
    rounds = 2 if settings.quick else 11
    seconds = interleaved({name: lambda name=name: _fresh(f"import {name}") for name in ("torch", "graphlift")}, rounds)
    return [
        Row(
            "a fresh process",
            "import graphlift, time, ours to theirs",
            ratio(seconds["graphlift"], seconds["torch"]),
            "import torch",
            bar=Bar(high=1.2),
            figures={f"{name} s": float(values.mean()) for name, values in seconds.items()},
        )
    ]


def _fresh(program: str) -> str:
    """What a new interpreter prints when it runs a program."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
