"""A store on disk: whole or not there, checked when it is read, no pickle; and the journal of what came after."""

from graphlift.store.journal import Event as Event
from graphlift.store.opened import OpenStore as OpenStore
from graphlift.store.opened import read_history as read_history
from graphlift.store.opened import read_store as read_store
from graphlift.store.opened import replace_store as replace_store
from graphlift.store.snapshot import Snapshot as Snapshot
from graphlift.store.snapshot import read_snapshot as read_snapshot
from graphlift.store.snapshot import write_snapshot as write_snapshot
