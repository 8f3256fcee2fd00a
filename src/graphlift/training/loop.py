"""The training loop that every stage of a fit goes through."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from graphlift.training.checkpoint import Checkpoint
from graphlift.training.config import LoopConfig
from graphlift.training.history import History


class Objective(Protocol):
    """What a loop trains: examples and their loss."""

    def __len__(self) -> int:
        """Number of examples an epoch."""
        ...

    def start_epoch(self, generator: torch.Generator) -> None:
        """Draw the examples of an epoch."""
        ...

    def loss(self, examples: Tensor, generator: torch.Generator) -> Tensor:
        """Mean loss of some of the epoch's examples, by their numbers."""
        ...


Penalty = Callable[[nn.Module], Tensor]
"""What is added to the loss for the weights that a module has, such as `graphlift.continual.EWC`."""


def train(
    module: nn.Module,
    objective: Objective,
    config: LoopConfig,
    *,
    seed: int,
    penalties: Sequence[Penalty] = (),
    evaluate: Callable[[], float] | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> History:
    """Train a module in place; it ends with the weights of its best epoch.

    Every epoch draws from its own seed, so a run that was interrupted goes on from its checkpoint to the same
    weights, bit for bit, as one that was not.

    Args:
        module: what is trained.
        objective: examples and loss.
        config: schedule.
        seed: fixes every random choice.
        penalties: are added to the loss of every step, and are no part of the losses told.
        evaluate: score of held-out queries, large is good; without it the last epoch is the best.
        checkpoint: where to write after every epoch, and to go on from.
        progress: called after every epoch with its number, the number of epochs, and the mean loss.

    Returns:
        The history of losses and scores.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    history = History()
    best = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    if checkpoint is not None and (saved := checkpoint.load(module, optimizer)):
        history, best = saved
    steps = math.ceil(len(objective) / config.batch_size)
    epochs = max(1, min(config.epochs, config.max_steps // max(steps, 1)))
    for epoch in range(len(history.losses), epochs):
        if evaluate is not None and epoch - history.best_epoch > config.patience:
            break
        generator = torch.Generator().manual_seed(_epoch_seed(seed, epoch))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_epoch_seed(seed, epoch))  # dropout draws from the global generator
            objective.start_epoch(generator)
            module.train()
            total = 0.0
            order = torch.randperm(len(objective), generator=generator)
            for step, batch in enumerate(order.split(config.batch_size)):
                rate = _schedule(epoch * steps + step, epochs * steps, config.warmup_steps)
                for group in optimizer.param_groups:
                    group["lr"] = config.lr * rate
                loss = objective.loss(batch, generator)
                optimizer.zero_grad()
                sum((penalty(module) for penalty in penalties), start=loss).backward()
                nn.utils.clip_grad_norm_(parameters, config.clip_norm)
                optimizer.step()
                total += float(loss.detach()) * len(batch)
        module.eval()
        history.losses.append(total / max(len(objective), 1))
        if evaluate is not None:
            history.scores.append(evaluate())
        if evaluate is None or history.scores[-1] > max(history.scores[:-1], default=-math.inf):
            history.best_epoch = epoch
            best = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        if checkpoint is not None:
            checkpoint.save(module, optimizer, history, best)
        if progress is not None:
            progress(epoch + 1, epochs, history.losses[-1])
    module.load_state_dict(best)
    module.eval()
    return history


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the highest learning rate: linear rise, then half a cosine down to 2 %."""
    return min(1.0, (step + 1) / max(warmup, 1)) * max(0.02, 0.5 * (1 + math.cos(math.pi * step / max(steps, 1))))


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 1_000_003 + epoch) % (1 << 63)
