"""A file is the old one or the new one, never half of one."""

import os
import signal
import subprocess
import sys
from textwrap import dedent

import pytest

from graphlift.atomic import replacing_file


@pytest.mark.parametrize("old", [None, "old"])
def test_a_block_that_ends_well_leaves_the_new_file(tmp_path, old):
    target = tmp_path / "folder" / "file"
    if old is not None:
        target.parent.mkdir()
        target.write_text(old)
    with replacing_file(target) as path:
        path.write_text("new")
        assert path.parent == target.parent  # a rename across file systems would not be atomic
        assert (target.read_text() if target.exists() else None) == old
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_block_that_fails_changes_nothing(tmp_path, old):
    target = tmp_path / "file"
    if old is not None:
        target.write_text(old)

    def write_half():
        with replacing_file(target) as path:
            path.write_text("ne")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_half()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == ({"file": old} if old else {})


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), replacing_file(target):
        pass
    assert target.read_text() == "old"


def test_two_writers_do_not_meet(tmp_path):
    target = tmp_path / "file"
    with replacing_file(target) as first:
        with replacing_file(target) as second:
            first.write_text("first")
            second.write_text("second")
        assert target.read_text() == "second"
    assert target.read_text() == "first"


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    script = """
        import os, pathlib, signal, sys
        from graphlift.atomic import replacing_file
        with replacing_file(pathlib.Path(sys.argv[1])) as path:
            path.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(script), target], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
