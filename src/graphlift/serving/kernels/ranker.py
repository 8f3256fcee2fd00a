"""`graphlift.nn.ranker` for one subgraph.

Candidates' states have channels first and candidates last, so that every step runs along candidates, and weights stand
as torch keeps them. Past queries are too few for that: their states have channels last, their weights are transposed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from graphlift.nn.kernels.elementary import F4, Array, exp, inner
from graphlift.serving.kernels.best import keep_best
from graphlift.serving.kernels.links import link
from graphlift.serving.kernels.products import add_product, dot, sum_of
from graphlift.serving.kernels.subgraph import Drawn, Ground


class Weights(NamedTuple):
    """A ranker's weights, multiplied ahead where nothing lies between two of them; layers stacked on the first axis.

    Rows of ``listen`` are update gate, reset gate, query, message, key and value of a candidate, columns of ``tell``
    message, key and value of a past query, rows of ``heard`` and ``mean`` update gate, reset gate and candidate state.
    The embeddings' second matrices are part of ``tell`` and of the first ``listen``.

    Attributes:
        node_mean, node_deviation, past_mean, past_deviation: of attributes.
        node_in, node_bias, past_in, past_bias: first matrices of the embeddings.
        listen, listen_bias: (L, 6 C, C), (L, 6 C).
        tell, tell_bias: (L, C, 3 C), (L, 3 C).
        heard, heard_bias: (L, 3 C, C), (L, 3 C).
        mean: (L, 3 C, C).
        state: (L, C, C).
        edge: (L, H, number of `EDGE_ATTRS`).
        gain, offset: of the normalisation, (L, C).
        eps, keep: (L,).
        alone_state, alone_attr, alone_bias, scale: of scores of candidates alone, (C,), (number of `NODE_ATTRS`,).
        out_state, out_bias: of what messages add, (C,).
        num_shortlisted: how many candidates exchange messages.
    """

    node_mean: Array
    node_deviation: Array
    past_mean: Array
    past_deviation: Array
    node_in: Array
    node_bias: Array
    past_in: Array
    past_bias: Array
    listen: Array
    listen_bias: Array
    tell: Array
    tell_bias: Array
    heard: Array
    heard_bias: Array
    mean: Array
    state: Array
    edge: Array
    gain: Array
    offset: Array
    eps: Array
    keep: Array
    alone_state: Array
    alone_attr: Array
    alone_bias: np.float32
    scale: np.float32
    out_state: Array
    out_bias: np.float32
    num_shortlisted: int


@inner
def rank(drawn: Drawn, ground: Ground, weights: Weights) -> Array:
    """Scores of the candidates (n,)."""
    n = len(drawn.rows)
    attr = _standardised(drawn.node_attr, weights.node_mean, weights.node_deviation)
    attr[:, n:] = 0
    states = _embedded(attr, weights.node_in, weights.node_bias)
    scores = np.empty(states.shape[1], F4)
    for i in range(len(scores)):
        scores[i] = weights.scale * drawn.similarity[i] + weights.alone_bias
    _add_weighted(states, weights.alone_state, scores)
    _add_weighted(attr, weights.alone_attr, scores)
    alone = scores[:n]
    shortlist = np.arange(min(n, weights.num_shortlisted))
    if len(shortlist) < n:
        keep_best(alone, np.empty(len(shortlist), F4), shortlist)
    heard = _listen(states, shortlist, drawn, link(drawn, shortlist, ground), weights)
    for i in range(len(shortlist)):
        alone[shortlist[i]] += heard[i]
    return alone


@inner
def _listen(states: Array, shortlist: Array, drawn: Drawn, links: Array, weights: Weights) -> Array:
    """What messages add to the scores of a shortlist, (w,)."""
    some = np.zeros((len(states), links.shape[2]), F4)
    for c in range(len(states)):
        for i in range(len(shortlist)):
            some[c, i] = states[c, shortlist[i]]
    past = _embedded_past(drawn.past_attr, weights)
    for layer in range(len(weights.listen)):
        some = _layer(some, past, links, len(shortlist), weights, layer)
    heard = np.full(some.shape[1], weights.out_bias)
    _add_weighted(some, weights.out_state, heard)
    return heard


@inner
def _add_weighted(x: Array, weight: Array, out: Array) -> None:
    """Add the sum of rows of x (C, w), each times its weight, to ``out``."""
    for c in range(len(x)):
        row, factor = x[c], weight[c]
        for i in range(len(out)):
            out[i] += factor * row[i]


@inner
def _standardised(x: Array, mean: Array, deviation: Array) -> Array:
    out = np.empty_like(x)
    for c in range(len(x)):
        for i in range(x.shape[1]):
            out[c, i] = (x[c, i] - mean[c]) / deviation[c]
    return out


@inner
def _linear(x: Array, weight: Array, bias: Array) -> Array:
    """(K, n) -> (R, n)."""
    out = np.empty((len(weight), x.shape[1]), F4)
    for r in range(len(weight)):
        out[r] = bias[r]
    add_product(weight, x, out)
    return out


@inner
def _told(x: Array, weight: Array, bias: Array) -> Array:
    """(S, K) -> (S, R), with the weight (K, R)."""
    out = np.empty((len(x), weight.shape[1]), F4)
    for p in range(len(x)):
        for r in range(len(bias)):
            out[p, r] = bias[r]
    add_product(x, weight, out)
    return out


@inner
def _embedded(x: Array, weight: Array, bias: Array) -> Array:
    """The first half of an embedding: matrix and GELU."""
    return _gelu(_linear(x, weight, bias))


@inner
def _embedded_past(attr: Array, weights: Weights) -> Array:
    """The same of past queries, attributes (number of `PAST_ATTRS`, S) -> (S, C)."""
    x = _standardised(attr, weights.past_mean, weights.past_deviation)
    return _gelu(_told(x.T, weights.past_in, weights.past_bias))


@inner
def _gelu(x: Array) -> Array:
    """In place."""
    flat = x.ravel()
    for i in range(len(flat)):
        flat[i] = F4(0.5) * flat[i] * (F4(1) + _erf(flat[i] * F4(0.70710678)))
    return x


@inner
def _erf(x: float) -> float:
    """The error function, off by 2e-7 at most (Abramowitz & Stegun, 7.1.26)."""
    size = abs(x)
    t = F4(1) / (F4(1) + F4(0.3275911) * size)
    p = F4(1.061405429)
    p = p * t - F4(1.453152027)
    p = p * t + F4(1.421413741)
    p = p * t - F4(0.284496736)
    p = p * t + F4(0.254829592)
    one = F4(1) - p * t * exp(-size * size)
    return one if x > 0 else -one


@inner
def _layer(x: Array, past: Array, links: Array, n: int, weights: Weights, layer: int) -> Array:
    """Next states (C, w) of n candidates from their states and those of the past queries (S, C)."""
    channels, width = x.shape
    heads = weights.edge.shape[1]
    size = channels // heads
    own = _linear(x, weights.listen[layer], weights.listen_bias[layer])
    told = _told(past, weights.tell[layer], weights.tell_bias[layer])
    query, message = own[2 * channels : 3 * channels], own[3 * channels : 4 * channels]
    heard = np.zeros((channels, width), F4)
    scores, total = np.empty((links.shape[1], width), F4), np.empty(width, F4)
    for h in range(heads):
        key, value, mine = (4 * channels + h * size, 5 * channels + h * size, slice(h * size, (h + 1) * size))
        past_key, past_value = key - 3 * channels, value - 3 * channels
        _bias(links, weights.edge[layer, h], scores)
        add_product(own[key : key + size, :n].T, query[mine], scores[:n])
        add_product(told[:, past_key : past_key + size], query[mine], scores[n:])
        _exponentials(scores, total)
        add_product(own[value : value + size, :n], scores[:n], heard[mine])
        add_product(told[:, past_value : past_value + size].T, scores[n:], heard[mine])
        for c in range(h * size, (h + 1) * size):
            for i in range(width):
                heard[c, i] /= total[i]
    gates = _linear(heard, weights.heard[layer], _constant(message, told, n, weights, layer))
    return _update(gates, own, message, weights, layer)


@inner
def _constant(message: Array, told: Array, n: int, weights: Weights, layer: int) -> Array:
    """What all candidates hear alike, (3 C,): the mean message, and all biases."""
    channels, num_past = len(message), len(told)
    out, weight, mean = weights.heard_bias[layer].copy(), weights.mean[layer], np.empty(channels, F4)
    for c in range(channels):
        mean[c] = sum_of(message[c, :n])
    for p in range(num_past):
        for c in range(channels):
            mean[c] += told[p, c]
    mean /= F4(n + num_past)
    for r in range(len(out)):
        out[r] += dot(weight[r], mean)
    return out


@inner
def _bias(links: Array, weight: Array, scores: Array) -> None:
    """Attention scores as far as the links' attributes, of which there are four, make them."""
    wa, wb, wc, wd = weight[0], weight[1], weight[2], weight[3]
    for j in range(len(scores)):
        a, b, c, d, row = links[0, j], links[1, j], links[2, j], links[3, j], scores[j]
        for i in range(len(row)):
            row[i] = wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i]


@inner
def _exponentials(scores: Array, total: Array) -> None:
    """A softmax over the first axis that lacks the division by its ``total``."""
    largest = _largest(scores)
    total[:] = 0
    for j in range(len(scores)):
        row = scores[j]
        for i in range(len(row)):
            row[i] = exp(row[i] - largest[i])
            total[i] += row[i]


@inner
def _largest(scores: Array) -> Array:
    """Over the first axis; four rows at a time, as starting a loop over one takes as long as the loop."""
    largest = scores[0].copy()
    whole = len(scores) - len(scores) % 4
    for j in range(0, whole, 4):
        a, b, c, d = scores[j], scores[j + 1], scores[j + 2], scores[j + 3]
        for i in range(len(largest)):
            largest[i] = max(largest[i], max(max(a[i], b[i]), max(c[i], d[i])))
    for j in range(whole, len(scores)):
        row = scores[j]
        for i in range(len(row)):
            largest[i] = max(largest[i], row[i])
    return largest


@inner
def _update(gates: Array, own: Array, message: Array, weights: Weights, layer: int) -> Array:
    """The gated update of the messages, and the normalisation."""
    channels, width = message.shape
    one, two = F4(1), F4(2)
    reset = np.empty((channels, width), F4)
    for c in range(channels):
        gate, mine, old, new = gates[channels + c], own[channels + c], message[c], reset[c]
        for i in range(width):
            new[i] = old[i] / (one + exp(-gate[i] - mine[i]))
    candidate = gates[2 * channels :]
    add_product(weights.state[layer], reset, candidate)
    mean, variance = np.zeros(width, F4), np.zeros(width, F4)
    out, keep = reset, weights.keep[layer]
    for c in range(channels):
        gate, mine, old, next_, new = gates[c], own[c], message[c], candidate[c], out[c]
        for i in range(width):
            tanh = two / (one + exp(-two * next_[i])) - one
            new[i] = (old[i] + (tanh - old[i]) / (one + exp(-gate[i] - mine[i]))) * keep
            mean[i] += new[i]
    mean /= F4(channels)
    for c in range(channels):
        for i in range(width):
            variance[i] += (out[c, i] - mean[i]) * (out[c, i] - mean[i])
    for i in range(width):
        variance[i] = one / F4(math.sqrt(variance[i] / F4(channels) + weights.eps[layer]))
    for c in range(channels):
        for i in range(width):
            out[c, i] = (out[c, i] - mean[i]) * variance[i] * weights.gain[layer, c] + weights.offset[layer, c]
    return out
