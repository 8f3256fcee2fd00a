"""The door to compiled loops: who may pass, threads, and what happens without Numba."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.nn import fast


@pytest.fixture
def threads():
    def use(count):
        torch.set_num_threads(count)

    yield use
    torch.set_num_threads(1)


@given(count=st.integers(0, 30), size=st.integers(1, 8))
def test_chunks_cover_every_row_once(count, size):
    chunks = list(fast.chunks(count, size))
    assert [row for chunk in chunks for row in range(count)[chunk]] == list(range(count))
    assert all(0 < len(range(count)[chunk]) <= size for chunk in chunks)


@pytest.mark.parametrize("count", [1, 3])
def test_fill_writes_every_row_and_leaves_the_threads_alone(threads, count):
    threads(count)
    seen = set()

    def rows(chunk):
        seen.add((torch.get_num_threads(), torch.is_grad_enabled()))
        return torch.arange(11.0)[chunk]

    with torch.no_grad():
        assert torch.equal(fast.fill(torch.empty(11), 2, rows), torch.arange(11.0))
    assert seen == {(1, False)}
    assert torch.get_num_threads() == count


def test_an_error_in_a_chunk_comes_through(threads):
    threads(2)

    def rows(chunk):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fast.fill(torch.empty(11), 2, rows)
    assert torch.get_num_threads() == 2


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
