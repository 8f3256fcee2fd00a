"""The weights that served before, to go back to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphlift.model import LiftModel
from graphlift.training.legacy import Legacy

Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Former:
    """What a published fit replaced: the weights. Index, memory and feedback go on.

    Attributes:
        model: the weights.
        taught: queries that the fit learned from, and that counted outright before, (n, C).
        legacy: what belongs to the weights and would have gone to the next fit.
    """

    model: LiftModel
    taught: Tensor
    legacy: Legacy | None

    def tensors(self) -> Tensors:
        """Everything but the shape of the model and the strength of its penalty, for a safetensors file."""
        parts = {"model": dict(self.model.state_dict()), "legacy": {} if self.legacy is None else self.legacy.tensors()}
        named = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
        return named | {"taught": self.taught.contiguous()}

    @classmethod
    def of_tensors(cls, tensors: Tensors, model: LiftModel, strength: float | None) -> Former:
        """What `tensors` was made of; the weights go into a model of the right shape."""
        parts: dict[str, Tensors] = {"model": {}, "legacy": {}, "taught": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        model.load_state_dict(parts["model"])
        legacy = Legacy.of_tensors(parts["legacy"], strength) if parts["legacy"] else None
        return cls(model.eval(), tensors["taught"], legacy)
