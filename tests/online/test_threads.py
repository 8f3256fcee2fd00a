"""Readers in other threads see one whole version, while a writer changes it and a fit publishes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from world import QUICK, make_world

import graphlift as gl
from graphlift.online import policy


class Readers:
    """Threads that search until they are stopped, and keep what went wrong."""

    def __init__(self, search, count=3):
        self.wrong, self.done, self._stop = [], 0, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(search,)) for _ in range(count)]

    def _run(self, search):
        try:
            while not self._stop.is_set():
                search()
                self.done += 1
                self._stop.wait(0.001)  # let the writer work, too
        except BaseException as error:
            self.wrong.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("told", [False, True])
def test_pairs_come_and_go_together(told, monkeypatch):
    """Documents come and go in pairs of the same vector, in one change each: no search may see one alone."""
    monkeypatch.setattr(policy, "TAIL", 16)
    monkeypatch.setattr(policy, "REMOVED", 12)
    rng = np.random.default_rng(0)
    lift = gl.Lift(gl.HnswIndex.build(rng.normal(size=(60, 6)), [f"d{i}" for i in range(60)], M=6))
    place = rng.normal(size=6)
    if told:
        lift.feedback(rng.normal(size=6), ["d1"], ["d2"])

    def search():
        found = lift.search(place[None], k=20, ef_search=200).ids[0].tolist()
        pairs = [name[:-1] for name in found if name.startswith("p")]
        assert all(pairs.count(name) == 2 for name in pairs), found

    with Readers(search) as readers:
        for number in range(60):
            pair = [f"p{number}.{half}" for half in "ab"]
            lift.add(place + 0.001 * number + np.zeros((2, 6)), pair)
            if number % 3:
                lift.update(pair, place + 0.002 * number + np.zeros((2, 6)))
            if number > 4:
                lift.remove([f"p{number - 5}.{half}" for half in "ab"])
            if told and number % 10 == 0:
                lift.feedback(rng.normal(size=6), [f"d{number}"])
        while readers.done < 30 and not readers.wrong:
            pass
    assert not readers.wrong, readers.wrong[0]


def test_changes_while_a_fit_runs_are_in_what_it_publishes():
    world = make_world()
    lift = world.lift()
    changed = threading.Event()

    def progress(step):
        if not changed.is_set():
            lift.add(world.documents[:2] * -1, ["n0", "n1"], ["a", "b"])
            lift.remove(["d3"])
            lift.feedback(world.queries[170], ["n0"], ["d4"])
            changed.set()

    with Readers(lambda: lift.search(world.queries[:3], k=5), count=1) as readers:
        report = lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK, progress=progress)
    assert not readers.wrong, readers.wrong[0]
    assert report.published
    assert lift.lifted.model.config == QUICK.model
    assert {"n0", "n1"} <= set(lift.index.ids.array)
    assert "d3" not in lift.index.ids
    assert len(lift.lifted.told) == 2


def test_one_fit_at_a_time():
    world = make_world()
    lift, refused = world.lift(), []

    def progress(step):
        if not refused:
            with pytest.raises(gl.InputError, match="running") as error:
                lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
            refused.append(error)

    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK, progress=progress)
    assert refused
