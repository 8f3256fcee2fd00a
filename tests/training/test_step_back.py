"""Between old and new weights: the best for the new of what the old allow."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphlift.training.step_back import step_back


@pytest.fixture
def lines():
    new, old = nn.Linear(2, 1), nn.Linear(2, 1)
    new.register_buffer("scale", torch.tensor([3.0]))
    old.register_buffer("scale", torch.tensor([3.0]))
    return new, old


@pytest.mark.parametrize(("allowed", "share"), [(-2.0, 1.0), (-0.85, 0.8), (-0.5, 0.4), (-0.25, 0.2), (-0.1, 1.0)])
def test_as_far_as_the_old_allow(lines, allowed, share):
    new, old = lines
    first, last = old.weight.detach().clone(), new.weight.detach().clone()

    def moved():
        return float((new.weight.detach() - first).norm() / (last - first).norm())

    found = step_back(new, old, moved, lambda: -moved(), allowed)
    assert found == share
    torch.testing.assert_close(new.weight.detach(), first.lerp(last, share))
    assert new.scale.item() == 3
    torch.testing.assert_close(old.weight.detach(), first)


def test_the_middle_may_be_best_for_the_new(lines):
    new, old = lines
    first, last = old.weight.detach().clone(), new.weight.detach().clone()
    middle = first.lerp(last, 0.6)
    assert step_back(new, old, lambda: -float((new.weight.detach() - middle).norm()), lambda: 0.0, 0.0) == 0.6
