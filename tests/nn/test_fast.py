"""The door to compiled loops: who may pass, threads, and what happens without Numba."""

import os
import subprocess
import sys

import pytest
import torch

from graphlift.nn import fast


@pytest.mark.parametrize("count", [1, 3, 50])
def test_run_shares_the_range(threads, count):
    threads(count)
    written = torch.zeros(7)

    def kernel(first, last, array):
        array[first:last] += range(first, last)

    fast.run(kernel, 7, written)
    assert torch.equal(written, torch.arange(7.0))


def test_who_may_pass(monkeypatch):
    monkeypatch.setattr(fast, "loops", lambda package: "kernels")
    x = torch.zeros(2)
    assert fast.kernels(fast.SMALL, x, x) == "kernels"
    assert fast.kernels(fast.SMALL, x.double()) == "kernels"
    assert fast.kernels(fast.SMALL - 1, x) is None
    assert fast.kernels(fast.SMALL, x, x.double()) is None
    assert fast.kernels(fast.SMALL, x.half()) is None
    assert fast.kernels(fast.SMALL, x.to("meta")) is None


PROGRAM = """
import sys
if {hide}: sys.modules["numba"] = None
import torch
from graphlift.graph import NeighborTable
from graphlift.nn import RuvectorConv, fast
torch.set_num_threads(1)
conv, x = RuvectorConv(8, 8, heads=2), torch.ones(3, 8)
with torch.no_grad():
    conv(x, NeighborTable(torch.tensor([[1], [2], [0]])))
    print("numba" in sys.modules and not {hide})
    fast.SMALL = 0
    conv(x, NeighborTable(torch.tensor([[1], [2], [0]])))
    print("numba.core" in sys.modules)
"""


@pytest.mark.parametrize("hide", [True, False], ids=["without", "with"])
def test_numba_is_imported_for_large_calls_alone_and_not_missed(hide):
    if not hide:
        pytest.importorskip("numba")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(hide=hide)], env=os.environ, capture_output=True, text=True
    )
    assert ran.stdout.split() == ["False", str(not hide)], ran.stderr
