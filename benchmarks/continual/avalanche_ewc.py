"""Avalanche's EWC on images that `images.py` wrote; runs in a Python with `avalanche-lib`, and knows no graphlift."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import torch
from torch import nn

# torchvision, which Avalanche imports and this protocol does not use, fails to start where its compiled half was made
# for another build of torch; without this module it starts anyway.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")

from avalanche.benchmarks import benchmark_from_datasets  # noqa: E402
from avalanche.benchmarks.utils import as_classification_dataset  # noqa: E402
from avalanche.training.plugins import EvaluationPlugin  # noqa: E402
from avalanche.training.supervised import EWC  # noqa: E402


class Labelled(torch.utils.data.TensorDataset):
    """A data set with the attribute that Avalanche reads classes from."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        super().__init__(x, y)
        self.targets = y.tolist()


def main() -> None:
    """Learn the tasks in their order, and write accuracies after each."""
    folder, strength, epochs, batch, lr, hidden, seed = sys.argv[1:]
    torch.manual_seed(int(seed))
    given = torch.load(Path(folder) / "images.pt")
    width = int(hidden)
    net = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    net.load_state_dict(given["weights"])
    orders = given["orders"]
    datasets = [as_classification_dataset(Labelled(given["x"][:, order], given["y"])) for order in orders]
    strategy = EWC(
        model=net,
        optimizer=torch.optim.Adam(net.parameters(), lr=float(lr)),
        criterion=nn.CrossEntropyLoss(),
        ewc_lambda=float(strength),
        train_mb_size=int(batch),
        train_epochs=int(epochs),
        evaluator=EvaluationPlugin(),
    )
    matrix = []
    for experience in benchmark_from_datasets(train=datasets).train_stream:
        strategy.train(experience)
        net.eval()
        with torch.no_grad():
            right = [net(given["judge_x"][:, order]).argmax(dim=1) == given["judge_y"] for order in orders]
        net.train()
        matrix.append(torch.stack(right).double().mean(dim=1))
    torch.save(torch.stack(matrix), Path(folder) / "matrix.pt")


if __name__ == "__main__":
    main()
