"""Elastic weight consolidation: a pull back to the weights that earlier tasks needed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphlift.continual.fisher import Weights, trainable
from graphlift.errors import InputError


@dataclass(frozen=True, eq=False)
class EWC:
    r"""The EWC penalty: a callable from a module to a scalar, to be added to any loss.

    .. math::
        \Omega(\theta) = \frac{\lambda}{2} \sum_i F_i (\theta_i - \theta^*_i)^2

    It knows one anchor. For a stream of tasks either add one penalty a task, or let one follow the other with `then`.

    Attributes:
        fisher: importance of every weight, non-negative (see `fisher_of_losses`).
        anchor: weights to stay near, with the same names and shapes.
        strength: :math:`\lambda`, non-negative; its unit depends on the loss. The paper uses 10 to 10,000.

    Source: Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, 2017; section 8.2 of the
    RuVector paper.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> ewc = EWC.at(layer, {"weight": torch.tensor([[1.0, 0.0]])}, strength=6.0)
        >>> with torch.no_grad():
        ...     _ = layer.weight.add_(1.0)
        >>> ewc(layer).item()  # only the first weight counts
        3.0
    """

    fisher: Weights
    anchor: Weights
    strength: float

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise InputError(f"`strength` must be non-negative, got {self.strength}.")
        shapes = ({name: tuple(tensor.shape) for name, tensor in part.items()} for part in (self.fisher, self.anchor))
        if next(shapes) != next(shapes):
            raise InputError("`fisher` and `anchor` must have the same names and shapes, got different ones.")
        bad = next((name for name, tensor in self.fisher.items() if not bool((tensor >= 0).all())), None)
        if bad is not None:
            raise InputError(f"`fisher` must be non-negative, got {float(self.fisher[bad].min())} in {bad!r}.")

    @classmethod
    def at(cls, module: nn.Module, fisher: Weights, strength: float) -> EWC:
        """The penalty that is anchored at a module's present weights."""
        return cls(fisher, {name: weight.clone() for name, weight in trainable(module).items()}, strength)

    def __call__(self, module: nn.Module) -> Tensor:
        """The penalty of a module's weights, a scalar with a gradient.

        Raises:
            InputError: the module has not exactly the weights of the anchor.
        """
        weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
        shapes = ({name: tuple(tensor.shape) for name, tensor in part.items()} for part in (weights, self.anchor))
        found, expected = shapes
        if found != expected:
            wrong = sorted(set(found.items()) ^ set(expected.items()))
            raise InputError(f"`module` must have the weights of the anchor, got a difference in {wrong}.")
        parts = [
            (self.fisher[name] * (weight - anchor).square()).sum()
            for (name, anchor), weight in zip(self.anchor.items(), (weights[n] for n in self.anchor), strict=True)
        ]
        return self.strength / 2 * torch.stack(parts).sum()

    def then(self, module: nn.Module, fisher: Weights, decay: float) -> EWC:
        r"""The penalty after one more task, online EWC: one anchor, and a running Fisher information.

        .. math::
            F \leftarrow \gamma F + F_{new}, \qquad \theta^* \leftarrow \theta

        Args:
            module: after the new task; its weights become the anchor.
            fisher: of the new task.
            decay: :math:`\gamma` in [0, 1]; below 1 old tasks are forgotten gracefully.

        Raises:
            InputError: decay is not in [0, 1], or the weights are others.

        Source: Schwarz et al., Progress & Compress: A scalable framework for continual learning, 2018.

        Example:
            >>> layer = nn.Linear(1, 1, bias=False)
            >>> one = {"weight": torch.ones(1, 1)}
            >>> EWC.at(layer, one, strength=1.0).then(layer, one, decay=0.5).fisher["weight"].item()
            1.5
        """
        if not 0 <= decay <= 1:
            raise InputError(f"`decay` must be in [0, 1], got {decay}.")
        if fisher.keys() != self.fisher.keys():
            raise InputError(
                f"`fisher` must have the weights of the anchor, got a difference in "
                f"{sorted(fisher.keys() ^ self.fisher.keys())}."
            )
        running = {name: decay * old + fisher[name] for name, old in self.fisher.items()}
        return EWC.at(module, running, self.strength)

    def merged(self, other: EWC) -> EWC:
        r"""One penalty that pulls as two together do: the sum of two parabolas is a parabola, up to a constant.

        .. math::
            F = F_a + F_b, \qquad \theta^* = \frac{F_a \theta^*_a + F_b \theta^*_b}{F_a + F_b}

        So any number of tasks with an anchor each needs the memory of one. The strength is this penalty's.

        Raises:
            InputError: the strengths or the weights differ.

        Example:
            >>> a = EWC({"w": torch.ones(1)}, {"w": torch.zeros(1)}, strength=1.0)
            >>> b = EWC({"w": 3 * torch.ones(1)}, {"w": torch.ones(1)}, strength=1.0)
            >>> a.merged(b).anchor["w"].item(), a.merged(b).fisher["w"].item()
            (0.75, 4.0)
        """
        if other.strength != self.strength or other.fisher.keys() != self.fisher.keys():
            raise InputError("`other` must have the same strength and weights, got different ones.")
        fisher = {name: old + other.fisher[name] for name, old in self.fisher.items()}
        anchor = {}
        for name, total in fisher.items():
            share = torch.where(total > 0, other.fisher[name] / total.clamp(min=torch.finfo(total.dtype).tiny), 1.0)
            anchor[name] = self.anchor[name].lerp(other.anchor[name], share)
        return EWC(fisher, anchor, self.strength)

    def to(self, device: torch.device | str) -> EWC:
        """The same penalty for a module on another device."""
        fisher, anchor = ({name: t.to(device) for name, t in part.items()} for part in (self.fisher, self.anchor))
        return EWC(fisher, anchor, self.strength)

    def part(self, name: str) -> EWC:
        """The penalty of one submodule, by its dotted name.

        Example:
            >>> ewc = EWC({"a.w": torch.ones(1)}, {"a.w": torch.zeros(1)}, strength=1.0)
            >>> list(ewc.part("a").fisher)
            ['w']
        """
        fisher, anchor = (
            {key.removeprefix(f"{name}."): tensor for key, tensor in whole.items() if key.startswith(f"{name}.")}
            for whole in (self.fisher, self.anchor)
        )
        return EWC(fisher, anchor, self.strength)

    def tensors(self) -> Weights:
        """Everything but the strength, with names for a safetensors file."""
        return {f"{part}:{name}": t for part in ("fisher", "anchor") for name, t in getattr(self, part).items()}

    @classmethod
    def of_tensors(cls, tensors: Weights, strength: float) -> EWC:
        """What `tensors` was made of.

        Example:
            >>> ewc = EWC({"w": torch.ones(2)}, {"w": torch.zeros(2)}, strength=3.0)
            >>> EWC.of_tensors(ewc.tensors(), strength=3.0).anchor["w"].tolist()
            [0.0, 0.0]
        """
        parts: dict[str, Weights] = {"fisher": {}, "anchor": {}}
        for name, tensor in tensors.items():
            part, _, weight = name.partition(":")
            if part not in parts:
                raise InputError(f"`tensors` must be named `fisher:NAME` or `anchor:NAME`, got {name!r}.")
            parts[part][weight] = tensor
        return cls(**parts, strength=strength)
