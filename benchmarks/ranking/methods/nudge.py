"""NUDGE (Zeighami et al., ICLR 2025), by its authors' package `nudge-ft`."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import torch
from nudge import NUDGEM, NUDGEN

from benchmarks.ranking.methods.served import Moved, Served
from benchmarks.ranking.task import Task
from graphlift import Memory


def nudge_m(task: Task, seed: int) -> Served:
    """Unnormalised: the inner product then prefers documents that answered often."""
    return _run(NUDGEM, task, seed)


def nudge_n(task: Task, seed: int) -> Served:
    """Normalised."""
    return _run(NUDGEN, task, seed)


def _run(method: type, task: Task, seed: int) -> Served:
    train, dev = task.split(seed)
    dense = len(dev.rows) > 20 * len(dev)  # its memory grows with batch x answers x documents
    with contextlib.redirect_stdout(io.StringIO()):
        moved = method(torch.device("cpu")).finetune_embeddings(
            task.x.numpy().copy(), _pairs(train), _pairs(dev), val_batch_size=8 if dense else 128
        )
    return Moved(lambda queries: queries, torch.from_numpy(moved).float())


def _pairs(memory: Memory) -> dict[str, Any]:
    answers = [memory.answers(query).tolist() for query in range(len(memory))]
    return {"q_embs": memory.queries.numpy(), "q_ans_indx": answers}
