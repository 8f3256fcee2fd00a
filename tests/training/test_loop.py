"""The loop: it learns, stops, reproduces, and goes on after an interruption as if there had been none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphlift.training.checkpoint import Checkpoint
from graphlift.training.config import LoopConfig
from graphlift.training.history import History
from graphlift.training.loop import train

CONFIG = LoopConfig(epochs=6, batch_size=8, lr=0.2, warmup_steps=1)


class Regression:
    """Learn a linear function, with dropout and a new draw every epoch, so that all sources of chance count."""

    def __init__(self, module):
        self.module = module
        self.x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5])

    def __len__(self):
        return 30

    def start_epoch(self, generator):
        self.drawn = torch.randint(40, (30,), generator=generator)

    def loss(self, examples, generator):
        rows = self.drawn[examples]
        noise = 0.01 * torch.randn(len(rows), generator=generator)
        return (self.module(self.x[rows]).squeeze(1) - self.y[rows] + noise).square().mean()


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.1))


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def run(seed=0, **options):
    module = make()
    history = train(module, Regression(module), CONFIG, seed=seed, **options)
    return weights(module), history


def test_it_learns_and_tells():
    told = []
    _, history = run(progress=lambda *step: told.append(step))
    assert history.losses[-1] < 0.2 * history.losses[0]
    assert [(done, total) for done, total, _ in told] == [(e, 6) for e in range(1, 7)]
    assert [loss for *_, loss in told] == history.losses


def test_seeds_reproduce_and_differ():
    assert torch.equal(run(seed=3)[0], run(seed=3)[0])
    assert not torch.equal(run(seed=3)[0], run(seed=4)[0])


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    module = make()
    torch.manual_seed(5)
    train(module, Regression(module), CONFIG, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_the_best_epoch_is_kept():
    seen = []
    module = make()
    scores = iter([0.1, 0.5, 0.2, 0.3, 0.4, 0.45])

    def evaluate():
        seen.append(weights(module))
        return next(scores)

    history = train(module, Regression(module), CONFIG, seed=0, evaluate=evaluate)
    assert history.best_epoch == 1
    assert torch.equal(weights(module), seen[1])


def test_it_stops_when_nothing_gets_better():
    config = CONFIG.model_copy(update={"epochs": 50, "patience": 2})
    module = make()
    history = train(module, Regression(module), config, seed=0, evaluate=lambda: 0.5)
    assert len(history.losses) == 3
    assert history.best_epoch == 0


def test_max_steps_cuts_epochs():
    config = CONFIG.model_copy(update={"max_steps": 9})  # 4 steps an epoch
    module = make()
    assert len(train(module, Regression(module), config, seed=0).losses) == 2


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("when", [1, 3, 5])
def test_interrupted_equals_uninterrupted(tmp_path, when):
    checkpoint = Checkpoint(tmp_path / "stage.safetensors", fingerprint="this")

    def interrupt(done, *_):
        if done == when:
            raise StoppedError

    scores = [0.1, 0.5, 0.2, 0.3, 0.4, 0.45]
    expected, whole = run(evaluate=iter(scores).__next__)
    with pytest.raises(StoppedError):
        run(checkpoint=checkpoint, progress=interrupt, evaluate=iter(scores).__next__)
    told = []
    found, history = run(
        checkpoint=checkpoint, progress=lambda done, *_: told.append(done), evaluate=iter(scores[when:]).__next__
    )
    assert told == list(range(when + 1, 7))
    assert torch.equal(found, expected)
    assert history == whole


@pytest.mark.parametrize("damage", ["foreign", "truncated", "not a file of ours", "another form"])
def test_a_checkpoint_that_does_not_fit_is_not_used(tmp_path, damage):
    path = tmp_path / "stage.safetensors"
    run(checkpoint=Checkpoint(path, fingerprint="other" if damage == "foreign" else "this"))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "not a file of ours":
        path.write_bytes(b"nonsense")
    elif damage == "another form":
        other = torch.nn.Linear(3, 4)
        Checkpoint(path, fingerprint="this").save(other, torch.optim.AdamW(other.parameters()), History(), {})
    told = []
    found, _ = run(checkpoint=Checkpoint(path, fingerprint="this"), progress=lambda done, *_: told.append(done))
    assert told == list(range(1, 7))
    assert torch.equal(found, run()[0])
