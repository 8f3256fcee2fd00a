"""Compiled functions read from a pinned tuple what Python reads from the tuple."""

import gc
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("numba")
from numba import njit
from numba.core.errors import TypingError

from graphlift.serving.kernels import Pinned


class Leaf(NamedTuple):
    array: np.ndarray
    number: np.float32


class Tree(NamedTuple):
    flag: bool
    count: int
    deep: np.ndarray
    leaf: Leaf
    leaves: list[Leaf]


@njit
def read(tree, number):
    leaf = tree.leaves[number]
    return (
        tree.flag,
        tree.count,
        tree.deep,
        tree.leaf.array,
        tree.leaf.number,
        len(tree.leaves),
        leaf.array,
        leaf.number,
    )


@njit
def write(tree):
    tree.deep[0] += tree.leaf.number


def grown(deep, flag=True):
    leaves = [Leaf(np.full(size, size, dtype=np.float32), np.float32(size / 3)) for size in range(1, 4)]
    return Tree(flag, -7, deep, Leaf(np.arange(6, dtype=np.int8), np.float32(0.1)), leaves)


@pytest.mark.parametrize(
    "deep",
    [
        np.arange(24, dtype=np.float64).reshape(2, 3, 4),
        np.arange(24, dtype=np.int32).reshape(4, 6).T,
        np.arange(24, dtype=np.uint8)[::5],
        np.empty((0, 3), dtype=np.float32),
        np.array([True, False]),
    ],
    ids=["three axes", "turned", "with gaps", "empty", "bools"],
)
@pytest.mark.parametrize("flag", [True, False])
def test_reads_what_is_there(deep, flag):
    tree = grown(deep, flag)
    pinned = Pinned(tree)
    for number, leaf in enumerate(tree.leaves):
        found = read(pinned, number)
        expected = (*tree[:3], *tree.leaf, len(tree.leaves), *leaf)
        for ours, theirs in zip(found, expected, strict=True):
            assert_array_equal(ours, theirs)


def test_arrays_are_shared_and_kept():
    tree = grown(np.zeros((2, 3), dtype=np.float32))
    pinned, deep = Pinned(tree), tree.deep
    write(pinned)
    assert_array_equal(deep, np.array([[0.1] * 3, [0] * 3], dtype=np.float32))
    del tree
    gc.collect()
    np.random.default_rng(0).normal(size=10_000)  # would write where something was let go
    assert_array_equal(read(pinned, 2)[6], np.full(3, 3, dtype=np.float32))


def test_tuples_of_one_type_share_compiled_code():
    read(Pinned(grown(np.zeros((2, 2)))), 0)
    before = len(read.signatures)
    read(Pinned(grown(np.ones((5, 5)))), 1)
    assert len(read.signatures) == before


def test_what_is_not_there():
    @njit
    def wrong(tree):
        return tree.branch

    with pytest.raises(TypingError, match="branch"):
        wrong(Pinned(grown(np.zeros(1))))
