"""A store on disk: whole or not there, checked when it is read, no pickle."""

from graphlift.store.snapshot import Snapshot as Snapshot
from graphlift.store.snapshot import read_snapshot as read_snapshot
from graphlift.store.snapshot import write_snapshot as write_snapshot
