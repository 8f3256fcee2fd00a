"""Nothing that was acknowledged is lost, and nothing is half there, when the process is killed at any moment.

A child writes changes of every kind to a store and tells after each that it came back from the call. It is killed at a
random moment: inside a change, while a version is written, or between the two. Then the store must hold what was
acknowledged, with the one change that was on its way or without it.
"""

from __future__ import annotations

import os
import signal
import time
from copy import deepcopy

import numpy as np
import pytest
from plain import CHANNELS, Plain, in_step

import graphlift as gl
from graphlift.online import policy
from graphlift.store import opened

KILLS = [12, pytest.param(220, marks=pytest.mark.slow)]


def change(target, plain, rng, number):
    """One random change, the same for a lift and for a plain model: both have the same calls."""
    names = sorted(plain.documents)
    some = [names[i] for i in rng.choice(len(names), size=min(3, len(names)), replace=False)]
    vectors = rng.normal(size=(3, CHANNELS))
    match rng.integers(4 if len(names) > 20 else 1):
        case 0:
            ids = [f"n{number}.{i}" for i in range(3)]
            target.add(vectors, ids, [f"text of {name}" for name in ids])
        case 1:
            target.remove(some)
        case 2:
            target.update(some, vectors)
        case 3:
            target.feedback(vectors[0], some[:2], some[2:])


def write_until_killed(store, plain, seed, tell):
    """The child: opens the store, and changes it for as long as it lives."""
    rng = np.random.default_rng(seed)
    with gl.open(store) as lift:
        os.write(tell, b"o")
        for number in range(10_000):
            state = deepcopy(rng)
            change(lift, plain, rng, f"{seed}.{number}")
            os.write(tell, b".")
            change(plain, plain, state, f"{seed}.{number}")


def killed(store, plain, seed, changes, moment):
    """Run a child, kill it a moment after it acknowledged so many changes, and say how many it did by then."""
    listen, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            write_until_killed(store, plain, seed, tell)
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(listen, 1) == b"o"
    acknowledged = b""
    while len(acknowledged) < changes:
        acknowledged += os.read(listen, changes - len(acknowledged))
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the child ended by itself"
    while some := os.read(listen, 4096):
        acknowledged += some
    os.close(listen)
    return len(acknowledged)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kills", KILLS)
def test_nothing_is_lost(kills, tmp_path, monkeypatch):
    monkeypatch.setattr(policy, "TAIL", 12)
    monkeypatch.setattr(policy, "REMOVED", 10)
    monkeypatch.setattr(opened, "JOURNAL_CHANGES", 9)
    store, rng, plain = tmp_path / "store", np.random.default_rng(0), Plain()
    x, ids = rng.normal(size=(30, CHANNELS)), [f"d{i}" for i in range(30)]
    gl.Lift(gl.HnswIndex.build(x, ids, M=4), texts=ids).save(store)
    plain.add(x, ids, ids)
    for seed in range(kills):
        acknowledged = killed(store, plain, seed, int(rng.integers(7)), rng.exponential(0.004))
        again = np.random.default_rng(seed)
        for number in range(acknowledged):
            change(plain, plain, again, f"{seed}.{number}")
        lift = gl.load(store)
        if plain.differs(lift):  # then the change that was on its way is there, as a whole
            change(plain, plain, again, f"{seed}.{acknowledged}")
            assert not plain.differs(lift), f"kill {seed} after {acknowledged} changes"
        assert in_step(lift)
        hits = lift.search(rng.normal(size=(2, CHANNELS)), k=len(plain.documents))
        assert all(sorted(row) == sorted(plain.documents) for row in hits.ids.tolist())
    assert len(list((store / "versions").iterdir())) >= 2
