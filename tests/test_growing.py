"""Rows that grow are what torch.cat makes of them, and what was handed out before stays as it was."""

import threading

import torch

from graphlift.growing import grown


def test_equals_cat_over_any_history():
    rows = torch.randn(5, 3)
    expected, kept = rows, []
    for step in range(60):
        more = torch.randn(step % 7, 3)
        kept.append((rows, expected))
        rows, expected = grown(rows, more), torch.cat([expected, more])
        assert torch.equal(rows, expected)
    assert all(torch.equal(old, was) for old, was in kept)


def test_rows_are_copied_seldom():
    rows, places = torch.zeros(1000, 2), set()
    for _ in range(1000):
        rows = grown(rows, torch.ones(1, 2))
        places.add(rows.data_ptr())
    assert len(places) < 10


def test_two_that_grow_from_one_do_not_meet():
    start = grown(torch.zeros(4), torch.zeros(1))
    found = [None] * 8

    def run(number):
        rows = start
        for _ in range(200):
            rows = grown(rows, torch.full((1,), float(number)))
        found[number] = rows

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((rows[5:] == number).all() and len(rows) == 205 for number, rows in enumerate(found))


def test_tensors_of_inference_grow():
    with torch.inference_mode():
        rows = grown(grown(torch.ones(2), torch.ones(1)), torch.ones(1))
    assert grown(rows, torch.ones(1)).tolist() == [1.0] * 5
