"""Attention in chunks, in plain torch and compiled, against the formula that torch differentiates."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.graph import EMPTY
from graphlift.nn import fast
from graphlift.nn.neighbor_attention import neighbor_attention, plain

HEADS, SIZE, CHANNELS, NODES, SLOTS, SOURCES = 3, 2, 5, 7, 11, 13
NAMES = ["query", "messages", "share", "bias", "key", "value"]


@pytest.fixture(params=["torch", "torch, three threads", "compiled", "compiled, three threads"])
def path(request, monkeypatch, threads):
    """In plain torch and compiled, on one thread and on several."""
    monkeypatch.setattr(fast, "SMALL", 0)
    if "torch" in request.param:
        monkeypatch.setattr(fast, "loops", lambda package: None)
    else:
        pytest.importorskip("numba")
    threads(3 if "three" in request.param else 1)


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture
def inputs(make_table, dtype):
    """Tensors by name, and the table's ids; its first row is empty, and so is one row of shares."""
    ids = make_table(NODES, SLOTS, SOURCES).ids
    share = torch.rand(NODES, SLOTS) * (ids != EMPTY)
    share[2] = 0
    shapes = [(NODES, HEADS, SIZE), (SOURCES, CHANNELS), None, (NODES, HEADS, SLOTS)] + 2 * [(HEADS, SIZE, CHANNELS)]
    tensors = [share if shape is None else torch.randn(shape) for shape in shapes]
    return ids, {name: tensor.to(dtype).requires_grad_() for name, tensor in zip(NAMES, tensors, strict=True)}


def called(function, ids, tensors, *options):
    query, messages, share, bias, key, value = (tensors.get(name) for name in NAMES)
    return function(query, messages, ids, share, bias, key, value, *options)


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
@pytest.mark.parametrize("biased", [True, False])
def test_equals_the_plain_formula_and_its_gradients(path, inputs, biased, chunk_size):
    ids, tensors = inputs
    if not biased:
        del tensors["bias"]
    expected, found = called(plain, ids, tensors), called(neighbor_attention, ids, tensors, chunk_size)
    linked = (ids != EMPTY).any(dim=1)
    for theirs, ours in zip(expected, found, strict=True):
        assert_close(ours[linked], theirs[linked])
        assert not ours[~linked].any()
    grads = [torch.randn_like(part) * linked.unsqueeze(1) for part in expected]
    given = list(tensors.values())
    for name, theirs, ours in zip(
        tensors, torch.autograd.grad(expected, given, grads), torch.autograd.grad(found, given, grads), strict=True
    ):
        mask = ids != EMPTY if name == "share" else torch.ones((), dtype=torch.bool)
        assert_close(ours * mask, theirs * mask, msg=lambda text, name=name: f"gradient of {name}: {text}")


@pytest.mark.parametrize("dtype", [torch.float64], indirect=True)
def test_gradcheck(path, inputs):
    ids, tensors = inputs

    def out(*given):
        share = given[2] * (ids != EMPTY)
        given = dict(zip(NAMES, given, strict=True)) | {"share": share}
        return called(neighbor_attention, ids, given, 3)

    assert torch.autograd.gradcheck(out, tuple(tensors.values()), fast_mode=True)
    assert torch.autograd.gradcheck(
        lambda messages: out(tensors["query"], messages, *list(tensors.values())[2:]), tensors["messages"]
    )


@pytest.mark.parametrize("score", [-1e4, -90.0, 0.0, 90.0, 1e4])
def test_scores_of_any_size(path, dtype, score):
    """One neighbor scores ``score``, the other zero; single precision has an exponential of its own."""
    messages = torch.tensor([[score, 1.0], [0.0, 3.0]], dtype=dtype)
    one = torch.tensor([[[1.0, 0.0]]], dtype=dtype)
    value = torch.tensor([[[0.0, 1.0]]], dtype=dtype)
    ids, share = torch.tensor([[0, 1]]), torch.zeros(1, 2, dtype=dtype)
    attended, _ = neighbor_attention(one[..., :1], messages, ids, share, None, one, value)
    weight = torch.tensor([score, 0.0], dtype=dtype).softmax(dim=0)
    assert_close(attended, (weight @ messages[:, 1]).view(1, 1))


def test_every_degree_fills_its_blocks(path, dtype):
    """Compiled loops go eight neighbors at a time."""
    messages, query, key = torch.randn(40, CHANNELS), torch.randn(20, HEADS, SIZE), torch.randn(HEADS, SIZE, CHANNELS)
    ids = torch.where(torch.arange(20)[:, None] > torch.arange(19), torch.randint(40, (20, 19)), EMPTY)
    share = (ids != EMPTY) / 7
    tensors = dict(zip(NAMES, (query, messages, share, None, key, key), strict=True))
    tensors = {name: None if tensor is None else tensor.to(dtype) for name, tensor in tensors.items()}
    for ours, theirs in zip(called(neighbor_attention, ids, tensors), called(plain, ids, tensors), strict=True):
        assert_close(ours[1:], theirs[1:])


def test_numbers_that_are_not_finite_stay_visible(path, dtype):
    messages = torch.tensor([[1.0], [torch.nan]], dtype=dtype)
    one = torch.ones(1, 1, 1, dtype=dtype)
    attended, mean = neighbor_attention(one, messages, torch.tensor([[0, 1]]), one[0].expand(1, 2), None, one, one)
    assert attended.isnan().all()
    assert mean.isnan().all()


def test_no_neighbor_at_all(path, dtype):
    query, messages = torch.randn(2, 1, 3, dtype=dtype), torch.randn(4, 3, dtype=dtype)
    key, empty = torch.randn(1, 3, 3, dtype=dtype), torch.empty(2, 0)
    heard = neighbor_attention(query, messages, empty.long(), empty.to(dtype), None, key, key)
    assert not any(part.any() for part in heard)


def test_under_autocast(inputs):
    ids, tensors = inputs
    tensors = {name: tensor.detach().float() for name, tensor in tensors.items()}
    with torch.autocast("cpu", torch.bfloat16):
        attended, _ = called(neighbor_attention, ids, tensors)
    expected, _ = called(plain, ids, tensors)
    assert attended.dtype == torch.bfloat16
    assert_close(attended[1:].float(), expected[1:], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("dtype", [torch.float64], indirect=True)
def test_memory_in_any_order(path, inputs):
    ids, tensors = inputs
    turned = {name: tensor.detach().mT.contiguous().mT.requires_grad_() for name, tensor in tensors.items()}
    attended = [called(neighbor_attention, i, t)[0] for i, t in ((ids, tensors), (ids.T.contiguous().T, turned))]
    assert_close(*attended)
    ours, theirs = (
        torch.autograd.grad(part.sin().sum(), [t["query"], t["messages"], t["key"]])
        for part, t in zip(attended, (tensors, turned), strict=True)
    )
    assert_close(ours, theirs)
