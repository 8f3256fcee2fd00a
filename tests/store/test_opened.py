"""A store that is open: what was acknowledged is there, whoever ends how; and what cannot be done says so."""

from __future__ import annotations

import json
import resource
import shutil
import threading

import numpy as np
import pytest
from world import make_world

import graphlift as gl
from graphlift.store import opened, read_history
from graphlift.store.folder import CURRENT
from graphlift.store.journal import JOURNAL, TIP, Journal


@pytest.fixture(scope="module")
def world():
    return make_world(num_documents=80, num_queries=40, channels=6)


@pytest.fixture
def store(world, tmp_path):
    world.lift().save(tmp_path / "store")
    return tmp_path / "store"


def changed(lift, world):
    """A change of every kind."""
    lift.add(world.queries[:3], ["n0", "n1", "n2"], ["a", "b", "c"])
    lift.remove(["d1", "n1"])
    lift.update(["d2"], world.queries[4:5], ["new"])
    lift.feedback(world.queries[:2], [["d3"], ["n2"]], [["d4"], []])


def same(ours, theirs, world):
    mine, other = (lift.search(world.queries, k=20) for lift in (ours, theirs))
    assert (mine.ids == other.ids).all()
    np.testing.assert_allclose(mine.scores, other.scores, rtol=1e-4)  # sums go by where memory begins
    assert ours.texts == theirs.texts


def test_changes_are_there_without_closing(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
        same(gl.load(store), lift, world)
    same(gl.load(store), lift, world)
    with gl.open(store) as again:
        same(again, lift, world)


def test_a_checkpoint_changes_nothing_but_where_it_is_written(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
        lift.checkpoint()
        same(gl.load(store), lift, world)
        lift.add(world.queries[:1], ["later"], ["later"])
        same(gl.load(store), lift, world)
    assert len(Journal(store, 0, writable=False).history()) == 1


def test_versions_are_written_when_the_journal_grows(world, store, monkeypatch):
    monkeypatch.setattr(opened, "JOURNAL_CHANGES", 7)
    with gl.open(store) as lift:
        for number in range(40):
            lift.add(world.queries[:1], [f"n{number}"], ["text"])
        kept = list(lift._versions._store._journal.after(lift._versions._store._before))
        same(gl.load(store), lift, world)
    assert json.loads((store / CURRENT).read_text())["version"] > "000003"
    assert len(list((store / "versions").iterdir())) == 2
    assert len(kept) < 20, "changes that no version needs are dropped"
    events = read_history(store)
    assert {event.event for event in events} == {"version"}
    assert all(event.said["reason"] == "journal" for event in events)


def test_the_version_before_can_be_gone_back_to(world, store):
    """By hand: CURRENT names another version, and the journal still has the changes that came after that one."""
    with gl.open(store) as lift:
        changed(lift, world)
        first = (store / CURRENT).read_text()
        lift.checkpoint()
    (store / CURRENT).write_text(first)
    assert "n0" in gl.load(store).index.ids


def test_a_second_writer_is_refused_and_readers_are_not(world, store):
    with gl.open(store) as lift:
        with pytest.raises(gl.StoreLockedError, match="open for writing"):
            gl.open(store)
        with pytest.raises(gl.StoreLockedError, match="open for writing"):
            gl.load(store).save(store)
        lift.remove(["d5"])
        assert "d5" not in gl.load(store).index.ids
    gl.open(store).close()


def test_saving_to_the_own_store_is_a_version_of_it(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
        lift.save(store)
        same(gl.load(store), lift, world)
    assert read_history(store)[-1].said["reason"] == "saved"


def test_readers_are_served_while_versions_go_by(world, store):
    wrong, done = [], threading.Event()

    def read():
        try:
            while not done.is_set():
                assert len(gl.load(store).index) in (79, 80)
        except BaseException as error:
            wrong.append(error)

    with gl.open(store) as lift:
        reader = threading.Thread(target=read)
        reader.start()
        for number in range(15):
            lift.remove([f"d{number}"])
            lift.checkpoint()
            lift.add(world.documents[:1], [f"n{number}"], ["text"])
        done.set()
        reader.join()
    assert not wrong, wrong[0]


def test_a_closed_lift_is_a_copy(world, store):
    lift = gl.open(store)
    lift.close()
    lift.close()
    lift.remove(["d5"])
    assert "d5" in gl.load(store).index.ids
    with pytest.raises(gl.StoreError, match="not attached"):
        lift.checkpoint()


def test_saving_over_a_store_supersedes_its_journal(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
    other = world.lift()
    other.save(store)
    same(gl.load(store), other, world)
    with gl.open(store) as lift:
        same(lift, other, world)
        lift.remove(["d5"])
    assert "d5" not in gl.load(store).index.ids


def test_fit_is_durable_and_noted(store):
    from world import QUICK

    world = make_world()
    world.lift().save(store)
    with gl.open(store) as lift:
        lift.feedback(world.queries[150], ["d5"], ["d6"])
        report = lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
        same(gl.load(store), lift, world)
    assert report.published
    assert gl.load(store).report == report
    assert len(gl.load(store).lifted.told) == 2, "what was told before a fit is not forgotten"
    event = read_history(store)[-1]
    assert (event.event, event.said["published"]) == ("fit", True)


def test_no_journal_without_need(store):
    gl.load(store)
    assert not (store / JOURNAL).exists()


def test_damage_is_an_error_and_the_way_out_works(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
    content = (store / JOURNAL).read_bytes()
    (store / JOURNAL).write_bytes(content[: len(content) // 2])
    for way in (gl.open, gl.load):
        with pytest.raises(gl.StoreCorruptError, match=JOURNAL):
            way(store)
    (store / JOURNAL).write_bytes(content)
    same(gl.load(store), lift, world)
    (store / JOURNAL).unlink()
    (store / TIP).unlink()
    same(gl.load(store), world.lift(), world)


def test_a_lost_journal_is_noticed(world, store):
    with gl.open(store) as lift:
        changed(lift, world)
    (store / JOURNAL).unlink()
    for way in (gl.open, gl.load):
        with pytest.raises(gl.StoreCorruptError, match="acknowledged"):
            way(store)


def test_a_foreign_journal_is_refused(world, store, tmp_path):
    with gl.open(store) as lift:
        changed(lift, world)
    gl.Lift(gl.HnswIndex.build(world.documents[:50])).save(tmp_path / "other")
    for name in (JOURNAL, TIP):
        shutil.copy(store / name, tmp_path / "other" / name)
    with pytest.raises(gl.StoreCorruptError, match="does not fit"):
        gl.open(tmp_path / "other")
    gl.Lift(gl.HnswIndex.build(world.documents[:50])).save(tmp_path / "third")
    with gl.open(tmp_path / "third"):
        pass  # the lock was given back


def test_no_store(tmp_path):
    with pytest.raises(gl.StoreError, match="not a graphlift store"):
        gl.open(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_loses_nothing(world, store):
    """Files may not grow beyond a limit, as on a disk that is full: the change is refused, all before it is there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    done = []

    def fill(lift):
        while len(done) < 2000:
            names = [f"n{len(done)}.{i}" for i in range(200)]
            lift.add(np.tile(world.queries, (5, 1)), names, ["t"] * 200)
            done.append(lift._now)

    with gl.open(store) as lift:
        limit = 200_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(gl.StoreError, match="cannot be written"):
                fill(lift)
            assert lift._now is done[-1], "a change that is not durable does not serve"
            with pytest.raises(gl.StoreError, match="cannot be written"):
                lift.checkpoint()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        same(gl.load(store), lift, world)
        lift.remove(["d5"])  # there is room again
    again = gl.load(store)
    assert "d5" not in again.index.ids
    assert len(again.index) == 79 + 200 * len(done)
