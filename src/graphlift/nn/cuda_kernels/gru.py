"""The gated update between its matrix products, and the normalisation after it, a program a node."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor


def reset(first: int, last: int, gates: Tensor, state: Tensor, out: Tensor) -> None:
    """See `graphlift.nn.kernels.reset`."""
    channels = state.shape[1]
    _reset[(last - first,)](gates, state, out, channels, triton.next_power_of_2(channels))


def update(
    first: int,
    last: int,
    gates: Tensor,
    state: Tensor,
    linked: Tensor,
    keep: float,
    gain: Tensor,
    offset: Tensor,
    eps: float,
    out: Tensor,
) -> None:
    """See `graphlift.nn.kernels.update`."""
    channels = state.shape[1]
    given = (gates, state, linked, keep, gain, offset, eps, out)
    _update[(last - first,)](*given, channels, triton.next_power_of_2(channels))


@triton.jit
def _reset(gates, state, out, C: tl.constexpr, WIDTH: tl.constexpr):
    v = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, WIDTH)
    inside = channel < C
    gate = tl.load(gates + v * 3 * C + C + channel, mask=inside, other=0).to(tl.float32)
    old = tl.load(state + v * C + channel, mask=inside, other=0).to(tl.float32)
    tl.store(out + v * C + channel, (old * tl.sigmoid(gate)).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _update(gates, state, linked, keep, gain, offset, eps, out, C: tl.constexpr, WIDTH: tl.constexpr):
    v = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, WIDTH)
    inside = channel < C
    gate = tl.load(gates + v * 3 * C + channel, mask=inside, other=0).to(tl.float32)
    candidate = tl.load(gates + v * 3 * C + 2 * C + channel, mask=inside, other=0).to(tl.float32)
    old = tl.load(state + v * C + channel, mask=inside, other=0).to(tl.float32)
    new = (old + (2 * tl.sigmoid(2 * candidate) - 1 - old) * tl.sigmoid(gate)) * keep
    new = tl.where(tl.load(linked + v) != 0, new, old)
    mean = tl.sum(new, axis=0) / C
    shifted = tl.where(inside, new - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(shifted * shifted, axis=0) / C + eps)
    factor = tl.load(gain + channel, mask=inside, other=0).to(tl.float32)
    added = tl.load(offset + channel, mask=inside, other=0).to(tl.float32)
    tl.store(out + v * C + channel, (shifted * scale * factor + added).to(out.dtype.element_ty), mask=inside)
