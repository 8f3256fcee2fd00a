"""What a fit leaves to the next one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from graphlift.continual.ewc import EWC
from graphlift.continual.fisher import Weights
from graphlift.memory import Memory
from graphlift.model import LiftModel


@dataclass(frozen=True, eq=False)
class Legacy:
    """What a fit leaves to the next one, next to the model that serves.

    Attributes:
        folds: weights of the lifts that each missed a fold of the queries (see `graphlift.training.folds`).
        ewc: the penalty that holds the weights, where one is used.
        arrived: how many past queries the memory had at each fit so far, oldest first.
        paraphrased: whether documents asked in the place of queries, as they go on doing.
    """

    folds: tuple[Weights, ...]
    ewc: EWC | None = None
    arrived: tuple[int, ...] = ()
    paraphrased: bool = False

    def models(self, serving: LiftModel) -> list[LiftModel]:
        """The lifts of the folds as models, with the serving ranker."""
        models = []
        for weights in self.folds:
            model = deepcopy(serving)
            model.load_state_dict(serving.state_dict() | weights)
            models.append(model)
        return models

    def tensors(self) -> Weights:
        """Everything but the penalty's strength, with names for a safetensors file."""
        folds = {f"fold{n}/{name}": t for n, weights in enumerate(self.folds) for name, t in weights.items()}
        ewc = {} if self.ewc is None else self.ewc.tensors()
        rest = {"arrived": torch.tensor(self.arrived, dtype=torch.int64), "paraphrased": torch.tensor(self.paraphrased)}
        return folds | {f"ewc/{name}": tensor for name, tensor in ewc.items()} | rest

    @classmethod
    def of_tensors(cls, tensors: Weights, strength: float | None) -> Legacy:
        """What `tensors` was made of.

        Example:
            >>> legacy = Legacy(({"w": torch.ones(2)}, {"w": torch.zeros(2)}))
            >>> Legacy.of_tensors(legacy.tensors(), None).folds[1]["w"].tolist()
            [0.0, 0.0]
        """
        parts: dict[str, Weights] = {}
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = tensor
        ewc, arrived = parts.pop("ewc", None), tuple(parts.pop("arrived")[""].tolist())
        paraphrased = bool(parts.pop("paraphrased", {"": torch.tensor(False)})[""])
        folds = tuple(parts[f"fold{number}"] for number in range(len(parts)))
        penalty = None if ewc is None or strength is None else EWC.of_tensors(ewc, strength)
        return cls(folds, penalty, arrived, paraphrased)


def batch_of(memory: Memory, arrived: tuple[int, ...], queries: Tensor) -> Tensor:
    """Before which fit queries (B, C) of a memory came, 0 for the first, (B,)."""
    return torch.bucketize(memory.numbers(queries), torch.tensor(arrived, dtype=torch.int64), right=True)
