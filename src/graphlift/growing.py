"""Rows that grow at the end without a copy each time."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

SPARE = 0.125
"""Share of the rows that is kept free behind them, so that rows are copied seldom."""


@dataclass
class _Room:
    """Memory for more rows than are in use; whoever owns the last row in use may go on behind it."""

    buffer: Tensor
    used: int
    lock: Lock


def grown(rows: Tensor, more: Tensor) -> Tensor:
    """``rows`` followed by ``more``, like `torch.cat`, in time that does not depend on ``rows`` most of the time.

    What was handed out before keeps its rows and its values: growing twice from the same tensor makes a copy.

    Args:
        rows: (N, ...); not to be written to.
        more: (n, ...), of the same type.

    Example:
        >>> first = grown(torch.zeros(3), torch.ones(1))
        >>> second, other = grown(first, torch.tensor([2.0])), grown(first, torch.tensor([3.0]))
        >>> second.tolist(), other.tolist()
        ([0.0, 0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 0.0, 1.0, 3.0])
    """
    if not len(more):
        return rows
    count = len(rows) + len(more)
    room: _Room | None = getattr(rows, "_room", None)
    with torch.inference_mode(False), torch.no_grad():
        if room is not None:
            with room.lock:
                if room.used == len(rows) and count <= len(room.buffer):
                    room.buffer[len(rows) : count] = more
                    room.used = count
                    return _handed_out(room, count)
        room = _Room(rows.new_empty((count + 64 + int(SPARE * count), *rows.shape[1:])), count, Lock())
        room.buffer[: len(rows)], room.buffer[len(rows) : count] = rows, more
        return _handed_out(room, count)


def _handed_out(room: _Room, count: int) -> Tensor:
    rows = room.buffer[:count]
    rows._room = room  # type: ignore[attr-defined]
    return rows
