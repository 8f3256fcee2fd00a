"""What a stage has reached so far, on disk, so that an interrupted fit goes on instead of starting again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from graphlift.atomic import replacing_file
from graphlift.training.history import History

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """One stage's file of weights, best weights, optimiser moments and history.

    Attributes:
        path: the file; its folder is made when it is first written.
        fingerprint: names all that the stage depends on; a file with another one is not gone on from.
    """

    path: Path
    fingerprint: str

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, history: History, best: State) -> None:
        """Write the state after an epoch; a process killed meanwhile leaves the former one."""
        moments = {
            f"{parameter}.{name}": value
            for parameter, values in optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        tensors = _prefixed("module", module.state_dict()) | _prefixed("best", best) | _prefixed("optimizer", moments)
        metadata = {"fingerprint": self.fingerprint, "history": json.dumps(asdict(history))}
        with replacing_file(self.path) as path:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)

    def load(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[History, State] | None:
        """Restore module and optimiser, and return history and best weights; None where nothing fits."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("fingerprint") != self.fingerprint:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError):
            return None  # an unreadable checkpoint costs a fresh start, no more
        weights = _stripped("module", tensors)
        if _shapes(weights) != _shapes(module.state_dict()):
            return None  # written when the model had another form
        module.load_state_dict(weights)
        state: dict[int, State] = {}
        for name, value in _stripped("optimizer", tensors).items():
            parameter, _, key = name.partition(".")
            state.setdefault(int(parameter), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return History(**json.loads(metadata["history"])), _stripped("best", tensors)


def _shapes(state: State) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}:{name}": tensor for name, tensor in state.items()}


def _stripped(prefix: str, state: State) -> State:
    return {name.partition(":")[2]: tensor for name, tensor in state.items() if name.startswith(f"{prefix}:")}
