"""One writer at a time, and none after its process has ended."""

import os
import signal
import time

import pytest

from graphlift.errors import StoreError, StoreLockedError
from graphlift.store.lock import WriterLock


def test_a_second_writer_is_refused_until_the_first_lets_go(tmp_path):
    first = WriterLock(tmp_path)
    with pytest.raises(StoreLockedError, match="open for writing elsewhere"):
        WriterLock(tmp_path)
    first.release()
    WriterLock(tmp_path).release()


def test_a_killed_process_holds_nothing(tmp_path):
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        lock = WriterLock(tmp_path)
        os.write(tell, b"!")
        time.sleep(60)
        lock.release()
        os._exit(0)
    os.read(ready, 1)
    with pytest.raises(StoreLockedError):
        WriterLock(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    WriterLock(tmp_path).release()


def test_no_folder(tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        WriterLock(tmp_path / "nowhere")
