"""Rows in chunks on several threads: every row once, errors come through, and torch's own threads stay as they were."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.nn.side_by_side import ON_DEVICE, chunks, fill, side_by_side


@given(count=st.integers(0, 30), size=st.integers(1, 8))
def test_chunks_cover_every_row_once(count, size):
    slices = list(chunks(torch.empty(count), size))
    assert [row for rows in slices for row in range(count)[rows]] == list(range(count))
    assert all(0 < len(range(count)[rows]) <= size for rows in slices)


def test_an_accelerator_takes_more_at_a_time():
    rows = torch.empty(ON_DEVICE + 1, device="meta")
    assert list(chunks(rows, 1)) == [slice(0, ON_DEVICE), slice(ON_DEVICE, 2 * ON_DEVICE)]


@pytest.mark.parametrize("count", [1, 3])
def test_fill_writes_every_row_and_leaves_the_threads_alone(threads, count):
    threads(count)
    seen = set()

    def rows(chunk):
        seen.add((torch.get_num_threads(), torch.is_grad_enabled()))
        return torch.arange(11.0)[chunk]

    with torch.no_grad():
        assert torch.equal(fill(torch.empty(11), 2, rows), torch.arange(11.0))
    assert seen == {(1, False)}
    assert torch.get_num_threads() == count


def test_an_error_in_a_chunk_comes_through(threads):
    threads(2)

    def rows(chunk):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill(torch.empty(11), 2, rows)
    assert torch.get_num_threads() == 2


def test_results_come_in_order_and_new_threads_are_as_before(threads):
    threads(3)
    seen = []
    assert side_by_side(lambda number: number**2, list(range(20)), 3) == [number**2 for number in range(20)]
    assert side_by_side(lambda number: torch.get_num_threads(), list(range(20)), 3) == [1] * 20
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [torch.get_num_threads()] == [3]
