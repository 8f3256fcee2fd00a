"""A long random history in a store equals a plain-Python model of it, whatever is linked, compacted or reopened."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from plain import CHANNELS, Plain, in_step, prepared

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.model import LiftModel
from graphlift.online import policy
from graphlift.online.versions import Versions
from graphlift.search.similarity import Similarity
from graphlift.store import opened

SEEDS = st.integers(0, 2**32 - 1)


def vectors(seed, count):
    return np.random.default_rng(seed).normal(size=(count, CHANNELS))


def distorted(snapshot):
    """A snapshot with a model whose lift is far from identity, as if it was fitted twice."""
    model = LiftModel(CHANNELS, Similarity.of(snapshot.index.metric, snapshot.index.x), gl.ModelConfig(num_walked=8))
    model.take_turns([model.served], *torch.randn(2, 2, CHANNELS + 1))
    with torch.no_grad():
        for residual in (*model.query_maps, *model.document_maps):
            residual.lin.weight.normal_(std=0.3)
    return replace(snapshot, lifted=LiftedIndex(snapshot.index, model.eval(), gl.Memory.empty(CHANNELS)))


class History(RuleBasedStateMachine):
    fitted = False

    def __init__(self):
        super().__init__()
        self.folder, self.count = tempfile.mkdtemp(), 0
        self.kept = policy.TAIL, policy.REMOVED, policy.PAST_TAIL, opened.JOURNAL_CHANGES
        policy.TAIL, policy.REMOVED, policy.PAST_TAIL, opened.JOURNAL_CHANGES = 6, 5, 3, 7

    @initialize(seed=SEEDS)
    def start(self, seed):
        x = vectors(seed, 9)
        ids, texts = [f"d{i}" for i in range(9)], [f"text {i}" for i in range(9)]
        lift = gl.Lift(gl.HnswIndex.build(x, ids, M=4), texts=texts)
        self.plain = Plain()
        self.plain.add(x, ids, texts)
        if self.fitted:
            lift = gl.Lift._of(Versions(distorted(lift._now)))
        lift.save(f"{self.folder}/store")
        self.lift = gl.open(f"{self.folder}/store")

    def some(self, data, low=1):
        return data.draw(st.lists(st.sampled_from(sorted(self.plain.documents)), min_size=low, max_size=4, unique=True))

    @rule(seed=SEEDS, count=st.integers(1, 5), again=st.booleans())
    def add(self, seed, count, again):
        ids = [f"n{self.count + i}" for i in range(count)]
        if again and "d0" not in self.plain.documents:
            ids[0] = "d0"
        self.count += count
        texts = [f"text of {name}, {seed}" for name in ids]
        self.lift.add(vectors(seed, count), ids, texts)
        self.plain.add(vectors(seed, count), ids, texts)

    @rule(data=st.data())
    def remove(self, data):
        if len(self.plain.documents) > 5:
            ids = self.some(data)
            self.lift.remove(ids)
            self.plain.remove(ids)

    @rule(seed=SEEDS, data=st.data())
    def update(self, seed, data):
        ids = self.some(data)
        self.lift.update(ids, vectors(seed, len(ids)))
        self.plain.update(ids, vectors(seed, len(ids)))

    @rule(seed=st.integers(0, 12), data=st.data(), split=st.integers(0, 4))
    def feedback(self, seed, data, split):
        ids, query = self.some(data), vectors(seed, 1)[0]  # few queries, so that they come again
        self.lift.feedback(query, ids[:split], ids[split:])
        self.plain.feedback(query, ids[:split], ids[split:])

    @rule()
    def compact(self):
        self.lift.compact()
        assert self.lift.index.num_linked == self.lift.index.num_rows == len(self.lift.index)

    @rule()
    def checkpoint(self):
        self.lift.checkpoint()

    @rule(close=st.booleans())
    def reopen(self, close):
        if close:
            self.lift.close()
            self.lift = gl.open(f"{self.folder}/store")
        else:
            assert not self.plain.differs(gl.load(f"{self.folder}/store"))

    @rule(seed=SEEDS, k=st.integers(1, 5))
    def search(self, seed, k):
        queries, k = vectors(seed, 3), min(k, len(self.plain.documents))
        hits, index = self.lift.search(queries, k), self.lift.index
        assert hits.ids.shape == (3, k)
        assert all(len(set(row)) == k and set(row) <= self.plain.documents.keys() for row in hits.ids.tolist())
        everything = self.lift.search(queries[:1], len(index)).ids[0].tolist()
        assert sorted(everything) == sorted(self.plain.documents)
        names = list(self.plain.documents)
        exact = prepared(queries) @ np.array([self.plain.documents[name] for name in names]).T
        np.testing.assert_allclose(index.search(queries, k).scores, -np.sort(-exact, axis=1)[:, :k], atol=1e-5)

    @rule()
    def refused(self):
        now = self.lift._now
        known = next(iter(self.plain.documents))
        for call in (
            lambda: self.lift.add(vectors(0, 2), ["fresh", known], ["t", "t"]),
            lambda: self.lift.remove([known, "nobody"]),
            lambda: self.lift.update([known], vectors(0, 2)),
            lambda: self.lift.feedback(vectors(0, 1)[0], [known], [known]),
        ):
            with pytest.raises(gl.InputError):
                call()
        assert self.lift._now is now

    @invariant()
    def equals_the_plain_model(self):
        if hasattr(self, "lift"):
            assert not self.plain.differs(self.lift)
            assert in_step(self.lift)

    def teardown(self):
        policy.TAIL, policy.REMOVED, policy.PAST_TAIL, opened.JOURNAL_CHANGES = self.kept
        if hasattr(self, "lift"):
            self.lift.close()
        shutil.rmtree(self.folder)


class FittedHistory(History):
    fitted = True


FEW = settings(max_examples=8, stateful_step_count=20, deadline=None, derandomize=True, phases=[Phase.generate])
MANY = settings(max_examples=60, stateful_step_count=60, deadline=None, derandomize=True, phases=[Phase.generate])

TestHistory, TestFittedHistory = History.TestCase, FittedHistory.TestCase
TestHistory.settings = TestFittedHistory.settings = FEW


@pytest.mark.slow
@pytest.mark.parametrize("machine", [History, FittedHistory])
def test_long_histories(machine):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=MANY)
