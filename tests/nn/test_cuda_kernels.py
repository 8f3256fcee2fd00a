"""Triton's loops against Numba's: on a CUDA device where there is one, else step by step in Triton's interpreter."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphlift.graph import EMPTY
from graphlift.nn import RuvectorConv

numba_kernels = pytest.importorskip("graphlift.nn.kernels", exc_type=ImportError)
triton_kernels = pytest.importorskip("graphlift.nn.cuda_kernels", exc_type=ImportError)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def both(name, size, arguments, written):
    """What both versions write into the arguments at ``written``."""
    arrays = [argument.numpy().copy() if isinstance(argument, torch.Tensor) else argument for argument in arguments]
    tensors = [a.clone().to(DEVICE) if isinstance(a, torch.Tensor) else a for a in arguments]
    span = () if name == "scatter" else (0, size)
    getattr(numba_kernels, name)(*span, *arrays)
    getattr(triton_kernels, name)(*span, *tensors)
    for place in written:
        assert_close(tensors[place].cpu(), torch.from_numpy(arrays[place]), rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[(3, 5, 7), (4, 70, 16), (1, 64, 1)], ids=str)
def case(request, make_table):
    """Heads, channels and slots that are powers of two, and that are not; some rows of neighbors are empty."""
    heads, channels, slots = request.param
    ids = make_table(9, slots, 20).ids.to(torch.int32)
    ids[4] = EMPTY
    share = torch.rand(9, slots) * (ids != EMPTY)
    return torch.randn(9, heads, channels), torch.randn(20, channels), ids, share, torch.randn(9, heads, slots)


@pytest.mark.parametrize("biased", [True, False])
def test_attend(case, biased):
    query, messages, ids, share, bias = case
    out = torch.full((9, query.shape[1] + 1, query.shape[2]), np.nan)
    given = (query, messages, ids, share, bias if biased else None, out)
    both("attend", 9, given, [5])


@pytest.mark.parametrize("biased", [True, False])
def test_gradients(case, biased):
    query, messages, ids, share, bias = case
    grad_out = torch.randn(9, query.shape[1] + 1, query.shape[2])
    weights = torch.full((9, query.shape[1] + 1, ids.shape[1]), np.nan)
    given = (grad_out, query, messages, ids, share, bias if biased else None)
    written = (torch.empty_like(grad_out), torch.empty_like(query), weights, weights.clone())
    both("attend_backward", 9, (*given, *written), [6, 7, 8, 9])
    weights, grad_weights = (torch.randn(weights.shape) * (ids != EMPTY)[:, None] for _ in range(2))
    both("scatter", 9, (grad_out, query, ids, weights, grad_weights, torch.zeros(20, query.shape[2])), [5])


@pytest.mark.parametrize("channels", [5, 64])
def test_gated_update(channels):
    gates, state, linked = torch.randn(6, 3 * channels) * 9, torch.randn(6, channels), torch.rand(6) > 0.4
    both("reset", 6, (gates, state, torch.empty(6, channels)), [2])
    norm = (torch.randn(channels), torch.randn(channels), 1e-5)
    both("update", 6, (gates, state, linked, 0.9, *norm, torch.empty(6, channels)), [7])


def test_numbers_that_are_not_finite_stay_visible():
    messages = torch.tensor([[1.0], [torch.nan]], device=DEVICE)
    ids, share = torch.tensor([[0, 1]], device=DEVICE), torch.ones(1, 2, device=DEVICE)
    out = torch.zeros(1, 2, 1, device=DEVICE)
    triton_kernels.attend(0, 1, torch.ones(1, 1, 1, device=DEVICE), messages, ids, share, None, out)
    assert out.isnan().all()


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("channels", [24, 128])
def test_layer_on_the_card(make_table, channels):
    """Forward pass in one go and in folded chunks, and gradients, as on the processor; half precision is near."""
    conv, x = RuvectorConv(channels, channels, heads=4, edge_dim=3, chunk_size=8), torch.randn(500, channels)
    table, edge_attr = make_table(500, 11), torch.randn(500, 11, 3)
    expected = conv(x, table, edge_attr=edge_attr)
    gradients = torch.autograd.grad(expected.square().sum(), list(conv.parameters()))
    conv, x, table, edge_attr = conv.to(DEVICE), x.to(DEVICE), table.to(DEVICE), edge_attr.to(DEVICE)
    found = conv(x, table, edge_attr=edge_attr)
    assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(torch.autograd.grad(found.square().sum(), list(conv.parameters())), gradients, strict=True):
        assert_close(ours.cpu(), theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
    with torch.autocast(DEVICE, torch.bfloat16):
        mixed = conv(x, table, edge_attr=edge_attr)
        mixed.square().sum().backward()
    with torch.no_grad():
        assert_close(conv(x, table, edge_attr=edge_attr).cpu(), expected, rtol=1e-4, atol=1e-4)
        with torch.autocast(DEVICE, torch.bfloat16):
            again = conv(x, table, edge_attr=edge_attr)
        half = conv.bfloat16()(x.bfloat16(), table, edge_attr=edge_attr.bfloat16())
    for near in (mixed, again, half):
        assert_close(near.detach().float().cpu(), expected, rtol=0.1, atol=0.1)
