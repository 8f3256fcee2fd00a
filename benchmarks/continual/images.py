"""Permuted Fashion-MNIST: the classic protocol of continual learning, to check our EWC against Avalanche's.

Every task shows the same images with the pixels in another order; one head, no task labels. The four files are those
of the data set itself (Xiao et al., 2017); Debian has them as `dataset-fashion-mnist`. Avalanche runs in a Python of
its own (`pip install avalanche-lib`), on the same permutations, first weights, batch size and learning rate.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.continual import EWC, Reservoir, fisher_of_batch

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
TASKS, TRAIN, DEV = 5, 10_000, 5_000
EPOCHS, BATCH, LR, HIDDEN = 5, 64, 0.05, 256
FISHER_SAMPLES, REPLAY, DECAY = 1_000, 1_000, 0.9
STRENGTHS = {
    "EWC": (1.0, 3.0, 10.0, 30.0, 100.0),
    "online EWC": (1.0, 3.0, 10.0, 30.0, 100.0),
    "Avalanche EWC": (10.0, 100.0, 300.0, 1000.0, 10_000.0),
}
"""The strength is chosen on images that neither train nor test, with seed 0. Avalanche squares the mean gradient of a
batch, so its Fisher is smaller and its strengths are larger."""
AVALANCHE = Path(__file__).with_name("avalanche_ewc.py")

Penalty = Callable[[nn.Module], Tensor]
Task = dict[str, tuple[Tensor, Tensor]]


def run(folder: Path, avalanche: str | None, seeds: list[int], results: dict[str, Any], write: Any) -> None:
    """All methods that are not there yet; ``results`` gets accuracies after the last task, one a task."""
    methods: dict[str, Callable[[list[Task], int, float], list[list[float]]]] = {
        "naive fine-tuning": lambda tasks, seed, _: learn(tasks, seed),
        "EWC": lambda tasks, seed, strength: learn(tasks, seed, strength=strength),
        "online EWC": lambda tasks, seed, strength: learn(tasks, seed, strength=strength, decay=DECAY),
        "replay": lambda tasks, seed, _: learn(tasks, seed, replay=REPLAY),
        "joint training": joint,
    }
    if avalanche is not None:
        methods["Avalanche EWC"] = lambda tasks, seed, strength: by_avalanche(avalanche, tasks, seed, strength)
    for name, method in methods.items():
        entry = results.setdefault(name, {"strength": None, "runs": {}})
        if all(str(seed) in entry["runs"] for seed in seeds):
            continue
        if name in STRENGTHS and entry["strength"] is None:
            tasks = load(folder, 0, "dev")
            found = {strength: float(np.mean(method(tasks, 0, strength)[-1])) for strength in STRENGTHS[name]}
            entry["strength"], entry["dev"] = max(found, key=lambda s: found[s]), found
            print(f"images      {name:20}dev accuracy by strength: {found}", flush=True)
        for seed in seeds:
            matrix = method(load(folder, seed, "test"), seed, entry["strength"] or 0.0)
            entry["runs"][str(seed)] = matrix
            print(f"images      {name:20}seed {seed}  accuracy {np.mean(matrix[-1]):.4f}", flush=True)
            write()


def load(folder: Path, seed: int, judges: str) -> list[Task]:
    """Tasks of pixels in [0, 1]; ``judges`` is ``"dev"`` for images that are kept apart, or ``"test"``."""
    x, y = _images(folder / "train-images-idx3-ubyte.gz"), _labels(folder / "train-labels-idx1-ubyte.gz")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    taught, rest = order[:TRAIN], order[TRAIN : TRAIN + DEV]
    judging = (x[rest], y[rest])
    if judges == "test":
        judging = _images(folder / "t10k-images-idx3-ubyte.gz"), _labels(folder / "t10k-labels-idx1-ubyte.gz")
    tasks = []
    for number in range(TASKS):
        pixels = torch.randperm(784, generator=torch.Generator().manual_seed(1000 * seed + number))
        tasks.append({"train": (x[taught][:, pixels], y[taught]), "judge": (judging[0][:, pixels], judging[1])})
    return tasks


def network(seed: int) -> nn.Module:
    """A perceptron with one hidden layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))


def learn(
    tasks: list[Task], seed: int, *, strength: float = 0.0, decay: float | None = None, replay: int = 0
) -> list[list[float]]:
    """Accuracy on every task after each of them."""
    net, generator = network(seed), torch.Generator().manual_seed(seed)
    penalties: list[EWC] = []
    past = Reservoir(max(replay, 1), generator)
    matrix = []
    for task in tasks:
        x, y = task["train"]
        train(net, x, y, generator, penalties, past)
        if not all(bool(weight.isfinite().all()) for weight in net.parameters()):  # too strong for this learning rate
            return [[0.0] * TASKS]
        if strength:
            sample = torch.randperm(len(x), generator=generator)[:FISHER_SAMPLES]
            fisher = fisher_of_batch(net, _cross_entropy, x[sample], y[sample], chunk_size=100)
            if decay is None or not penalties:
                penalties.append(EWC.at(net, fisher, strength))
            else:
                penalties = [penalties[0].then(net, fisher, decay)]
        if replay:
            past.add(torch.cat([x, y.unsqueeze(1)], dim=1))
        matrix.append([accuracy(net, *other["judge"]) for other in tasks])
    return matrix


def joint(tasks: list[Task], seed: int, _: float) -> list[list[float]]:
    """One training on all tasks at once."""
    net = network(seed)
    x, y = (torch.cat([task["train"][part] for task in tasks]) for part in (0, 1))
    train(net, x, y, torch.Generator().manual_seed(seed), [], Reservoir(1, torch.Generator()))
    return [[accuracy(net, *task["judge"]) for task in tasks]]


def train(
    net: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator, penalties: list[EWC], past: Reservoir
) -> None:
    """Plain gradient descent on one task, with as many old images a batch as new ones if there are some."""
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            loss = _cross_entropy(net, x[batch], y[batch])
            if len(past):
                old = past.draw(len(batch), generator)
                loss = (loss + _cross_entropy(net, old[:, :-1], old[:, -1].long())) / 2
            optimizer.zero_grad()
            sum((penalty(net) for penalty in penalties), start=loss).backward()
            optimizer.step()


def by_avalanche(python: str, tasks: list[Task], seed: int, strength: float) -> list[list[float]]:
    """The same by `avalanche.training.supervised.EWC`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save({"tasks": tasks, "weights": network(seed).state_dict()}, folder / "tasks.pt")
        options = [str(value) for value in (folder, strength, EPOCHS, BATCH, LR, HIDDEN, seed)]
        done = subprocess.run([python, str(AVALANCHE), *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return torch.load(folder / "matrix.pt").tolist()


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of images whose class is found."""
    return round(float((net(x).argmax(dim=1) == y).double().mean()), 4)


def _cross_entropy(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y)


def _images(path: Path) -> Tensor:
    pixels = np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 784).astype(np.float32) / 255)


def _labels(path: Path) -> Tensor:
    return torch.from_numpy(
        np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=8).astype(np.int64)
    )
