"""FAISS returns what is not removed, and nothing else."""

import faiss
import numpy as np

from graphlift.index.removed import Removed


def test_the_selector_says_what_the_mask_says(rng):
    for count in (1, 7, 8, 9, 64, 100):
        mask = rng.random(count) < 0.4
        mask[0] = True
        selector = Removed(mask).selector
        assert [not selector.is_member(row) for row in range(count)] == mask.tolist()
    assert Removed.none(5).selector is None


def test_faiss_obeys(rng):
    x = rng.normal(size=(60, 4)).astype(np.float32)
    index = faiss.IndexFlatL2(4)
    index.add(x)
    removed = Removed.none(60).marked(np.arange(0, 60, 3))
    found = index.search(x, 40, params=faiss.SearchParameters(sel=removed.selector))[1]
    assert all(sorted(row) == removed.kept.tolist() for row in found.tolist())


def test_marks_add_up_and_the_former_stays():
    first = Removed.none(4).marked([1])
    second = first.plus(2).marked([5, 1])
    assert first.kept.tolist() == [0, 2, 3]
    assert second.kept.tolist() == [0, 2, 3, 4]
    assert (first.count, second.count) == (1, 2)
