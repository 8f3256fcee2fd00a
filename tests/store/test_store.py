"""Laws of the store: bit-equal round trips, whole or not there, nothing trusted that does not fit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from world import QUICK, make_world

import graphlift as gl
from graphlift.store.folder import CURRENT, MANIFEST


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def lift(world):
    return world.fitted()


@pytest.fixture
def store(lift, tmp_path):
    lift.save(tmp_path / "store")
    return tmp_path / "store"


def version_of(store):
    return store / "versions" / json.loads((store / CURRENT).read_text())["version"]


def test_round_trip_is_bit_equal(world, lift, store):
    opened = gl.load(store)
    assert not opened.lifted.space.hubness.values.isnan().any()  # nothing is measured again
    assert torch.equal(opened.lifted.space.hubness.values, lift.lifted.space.hubness.values)
    for ef_search in (None, 20, 240):
        ours, theirs = (x.search(world.queries, 15, ef_search) for x in (lift, opened))
        assert (ours.ids == theirs.ids).all()
        assert (ours.scores == theirs.scores).all()
    assert opened.report == lift.report
    assert opened.texts == lift.texts


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_frozen_round_trip(world, tmp_path, metric):
    lift = gl.Lift(gl.HnswIndex.build(world.documents, metric=metric, M=5), embedder="wordllama")
    lift.save(tmp_path / "store")
    opened = gl.load(tmp_path / "store")
    assert (opened.search(world.queries).scores == lift.search(world.queries).scores).all()
    assert opened.search(world.queries).ids.dtype == np.int64
    assert (opened.embedder, opened.texts, opened.index.M) == ("wordllama", None, 5)


def test_many_past_queries_get_a_graph_that_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("graphlift.lifted.SCANNED_PAST", 100)
    world = make_world(num_queries=900)
    lift = world.lift()
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    assert isinstance(lift.lifted.past, gl.HnswIndex)
    lift.save(tmp_path / "store")
    opened = gl.load(tmp_path / "store")
    np.testing.assert_allclose(opened.search(world.queries).scores, lift.search(world.queries).scores, rtol=1e-4)


def test_new_version_takes_over_and_the_last_one_stays(world, store):
    first = version_of(store)
    lift = gl.load(store)
    for _ in range(3):
        lift.save(store)
    assert version_of(store) != first
    assert len(list((store / "versions").iterdir())) == 2
    assert (gl.load(store).search(world.queries).ids == lift.search(world.queries).ids).all()


def test_no_pickle_on_disk(store):
    names = {file.name for file in version_of(store).iterdir()}
    assert {name.rpartition(".")[2] for name in names} == {"json", "safetensors"}


FILES = ["index.safetensors", "lifted.safetensors", "model.safetensors", "memory.safetensors", "ids.json"]


@pytest.mark.parametrize("name", [*FILES, MANIFEST, "report.json", "texts.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_damage_is_found(store, name, damage):
    file = version_of(store) / name
    content = bytearray(file.read_bytes())
    if damage == "truncated":
        file.write_bytes(content[:-1])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    with pytest.raises(gl.StoreCorruptError, match=name):
        gl.load(store)


def rewritten(store, change):
    """Change the manifest as an attacker or a newer version would: with a hash that fits."""
    import hashlib

    folder = version_of(store)
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    text = json.dumps(manifest)
    (folder / MANIFEST).write_text(text)
    pointer = json.loads((store / CURRENT).read_text())
    (store / CURRENT).write_text(json.dumps(pointer | {"manifest": hashlib.sha256(text.encode()).hexdigest()}))


def test_newer_format_says_upgrade(store):
    rewritten(store, lambda manifest: manifest.update(format=99, graphlift="9.9"))
    with pytest.raises(gl.StoreVersionError, match=r"format 99.*graphlift 9\.9"):
        gl.load(store)


def test_foreign_files_with_fitting_hashes_are_refused(store, tmp_path, world):
    other = tmp_path / "other"
    gl.Lift(gl.HnswIndex.build(world.documents[:100])).save(other)
    theirs = json.loads((version_of(other) / MANIFEST).read_text())["files"]["index.safetensors"]
    shutil.copy(version_of(other) / "index.safetensors", version_of(store) / "index.safetensors")
    rewritten(store, lambda manifest: manifest["files"].update({"index.safetensors": theirs}))
    with pytest.raises(gl.StoreCorruptError, match="fit each other"):
        gl.load(store)


def test_manifest_cannot_point_outside(store):
    pointer = json.loads((store / CURRENT).read_text())
    (store / CURRENT).write_text(json.dumps(pointer | {"version": "../../elsewhere"}))
    with pytest.raises(gl.StoreCorruptError):
        gl.load(store)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff\xfe"])
def test_damaged_pointer(store, content):
    (store / CURRENT).write_bytes(content)
    with pytest.raises(gl.StoreError):
        gl.load(store)


def test_no_store(tmp_path):
    with pytest.raises(gl.StoreError, match="not a graphlift store"):
        gl.load(tmp_path)
    with pytest.raises(gl.StoreError, match="not a graphlift store"):
        gl.load(tmp_path / "nowhere")


def test_save_does_not_overwrite_what_is_no_store(lift, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(gl.StoreError, match="not a graphlift store"):
        lift.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(gl.StoreError):
        lift.save(tmp_path / "thesis.txt")


def test_failed_save_leaves_the_old_version(lift, store, monkeypatch):
    before = version_of(store)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graphlift.store.folder.sync", full)
    with pytest.raises(gl.StoreError, match="No space left"):
        lift.save(store)
    monkeypatch.undo()
    assert version_of(store) == before
    gl.load(store)


@pytest.mark.slow
def test_killed_while_saving_leaves_a_whole_store(world, lift, store):
    """A process that saves again and again is killed at random moments; the store opens every time."""
    script = textwrap.dedent(
        f"""
        import graphlift as gl
        lift = gl.load({str(store)!r})
        print("ready", flush=True)
        while True:
            lift.save({str(store)!r})
        """
    )
    rng = np.random.default_rng(0)
    expected = lift.search(world.queries).ids
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=os.environ)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert (gl.load(store).search(world.queries).ids == expected).all()
