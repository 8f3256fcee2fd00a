"""What people told outright moves candidates, and nothing else counts."""

from __future__ import annotations

import torch

import graphlift as gl
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex

COUNT, CHANNELS = 60, 12


def test_padding_names_nobody():
    """Rows behind the mask are no candidates, whatever their number; past queries that name them do not agree by it."""
    generator = torch.Generator().manual_seed(0)
    documents = torch.randn(COUNT, CHANNELS, generator=generator)
    index = gl.HnswIndex.build(documents.numpy(), metric="l2", M=8)
    query = torch.randn(1, CHANNELS, generator=generator)
    past = query + 0.1 * torch.randn(12, CHANNELS, generator=generator)
    candidates = index.search_rows(query.numpy(), 20)[1][0].tolist()
    far = next(row for row in range(COUNT) if row not in candidates)
    told = gl.Memory.of(past, [{row: 1.0, far: 1.0} for row in candidates[:12]])
    lifted = LiftedIndex.unlearned(index).remembering(Feedback(gl.Memory.empty(CHANNELS), told))
    mask = torch.arange(24).unsqueeze(0) < 20
    scores = torch.linspace(1, 0, 24).unsqueeze(0)

    def moved(padding):
        rows = torch.tensor([candidates + 4 * [padding]])
        return lifted.told_outright(query, rows, rows[:, 0], mask, scores)[mask]

    assert torch.equal(moved(far), moved(candidates[-1]))
    assert (moved(far) != scores[mask]).any()
