"""Ways to learn one task after the other."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.continual.streams import Stream
from graphlift import FitConfig
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.training.config import MoreConfig
from graphlift.training.fit import FitResult, fit
from graphlift.training.more import fit_more

OPEN = 1.0
"""The gate for old queries is left open, so that what would be forgotten shows; the default keeps its gate."""
STRENGTH, DECAY = 3.0, 0.9

METHODS: dict[str, MoreConfig | None] = {
    "memory only": None,
    "naive fine-tuning": MoreConfig(replay=0, turns=False, max_loss=OPEN),
    "EWC": MoreConfig(replay=0, ewc=STRENGTH, turns=False, max_loss=OPEN),
    "online EWC": MoreConfig(replay=0, ewc=STRENGTH, ewc_decay=DECAY, turns=False, max_loss=OPEN),
    "replay": MoreConfig(turns=False),
    "replay and EWC": MoreConfig(ewc=STRENGTH, turns=False, max_loss=OPEN),
    "replay and turns (default)": MoreConfig(),
}
"""Name -> how `fit_more` is set; None trains nothing."""
JOINT = "joint training"
DEFAULT = "replay and turns (default)"


def first(stream: Stream, seed: int) -> FitResult:
    """A fit on the first task, from which all methods go on."""
    task = stream.tasks[0]
    return fit(stream.index, task.train, FitConfig(seed=seed, confidence=0.51), dev=task.dev)


def joint(stream: Stream, seed: int) -> LiftedIndex:
    """One fit on all tasks at once."""
    train, dev = (_all([getattr(task, part) for task in stream.tasks]) for part in ("train", "dev"))
    lifted = fit(stream.index, train, FitConfig(seed=seed, confidence=0.51), dev=dev).lifted
    assert lifted is not None
    return lifted


def steps(stream: Stream, start: FitResult, more: MoreConfig | None, seed: int) -> Iterator[tuple[LiftedIndex, str]]:
    """What serves after each further task, and what the gate said of it."""
    assert start.lifted is not None
    lifted, legacy = start.lifted, start.legacy
    for task in stream.tasks[1:]:
        told = lifted.remembering(Feedback(task.train, Memory.empty(stream.index.channels)))
        if more is None:
            lifted = told
            yield lifted, "trains nothing"
            continue
        result = fit_more(told, FitConfig(seed=seed, confidence=0.51, more=more), legacy=legacy)
        lifted, legacy = result.lifted or told, result.legacy or legacy
        yield lifted, result.report.reason


def _all(memories: list[Memory]) -> Memory:
    whole = memories[0]
    for memory in memories[1:]:
        whole = whole.extend(memory)
    return whole
