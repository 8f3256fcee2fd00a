"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import graphlift

PACKAGES = ("torch", "numpy", "faiss-cpu", "hnswlib", "torch-geometric", "ruvector", "numba", "triton")


def describe() -> dict[str, Any]:
    """Processor, cores that may be used, memory and versions; the accelerator where there is one."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "versions": {"graphlift": graphlift.__version__, "python": platform.python_version()} | _versions(),
    }
    if torch.cuda.is_available():
        facts["accelerator"] = torch.cuda.get_device_name()
    return facts


def sentence(facts: dict[str, Any]) -> str:
    """The facts for people."""
    where = f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gb']} GB"
    if "accelerator" in facts:
        where += f", {facts['accelerator']}"
    return f"{where}. " + ", ".join(f"{name} {number}" for name, number in facts["versions"].items()) + "."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
