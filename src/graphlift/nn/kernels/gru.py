"""The gated update between its matrix products, and the normalisation after it."""

from __future__ import annotations

import math

from graphlift.nn.kernels.elementary import Array, compiled, exp


@compiled
def reset(first: int, last: int, gates: Array, state: Array, out: Array) -> None:
    """The state after the GRU's reset gate, which is the second third of ``gates`` (n, 3 C) before its sigmoid."""
    channels, one = state.shape[1], state.dtype.type(1)
    for v in range(first, last):
        gate, old, new = gates[v, channels : 2 * channels], state[v], out[v]
        for c in range(channels):
            new[c] = old[c] / (one + exp(-gate[c]))


@compiled
def update(
    first: int,
    last: int,
    gates: Array,
    state: Array,
    linked: Array,
    keep: float,
    gain: Array,
    offset: Array,
    eps: float,
    out: Array,
) -> None:
    """The GRU's last line and the LayerNorm after it: update gate, candidate, mixture, normalisation."""
    channels, one, two = state.shape[1], state.dtype.type(1), state.dtype.type(2)
    for v in range(first, last):
        gate, candidate, old, new = gates[v, :channels], gates[v, 2 * channels :], state[v], out[v]
        for c in range(channels):
            tanh = two / (one + exp(-two * candidate[c])) - one
            new[c] = (old[c] + (tanh - old[c]) / (one + exp(-gate[c]))) * state.dtype.type(keep)
        if not linked[v]:
            for c in range(channels):
                new[c] = old[c]
        _normalise(new, gain, offset, eps)


@compiled
def _normalise(row: Array, gain: Array, offset: Array, eps: float) -> None:
    mean = row.dtype.type(0)
    for c in range(len(row)):
        mean += row[c]
    mean /= row.dtype.type(len(row))
    variance = row.dtype.type(0)
    for c in range(len(row)):
        variance += (row[c] - mean) * (row[c] - mean)
    scale = row.dtype.type(1 / math.sqrt(variance / len(row) + eps))
    for c in range(len(row)):
        row[c] = (row[c] - mean) * scale * gain[c] + offset[c]
