"""The folded update, in plain torch and compiled, against the update that it stands for."""

import copy

import pytest
import torch
from torch.testing import assert_close

from graphlift.nn import RuvectorConv, fast

IN, OUT, HEADS, NODES, SLOTS = 5, 6, 3, 7, 4


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "torch"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_many_nodes_are_folded_and_give_the_same(monkeypatch, make_table, compiled, threads, dropout):
    """Without a gradient, more nodes than a chunk holds go through folded weights, and chunks through threads."""
    monkeypatch.setattr(fast, "SMALL", 0)
    if compiled:
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(fast, "loops", lambda package: None)
    conv = RuvectorConv(IN, OUT, HEADS, dropout, chunk_size=3).double().eval()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_(std=0.5)
    for layer, atol in ((conv, 1e-12), (copy.deepcopy(conv).float(), 1e-5)):
        x, table = torch.randn(NODES, IN, dtype=layer.norm.weight.dtype), make_table(NODES, SLOTS)
        expected = layer(x, table).detach()
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                assert_close(layer(x, table), expected, atol=atol, rtol=atol)
            with torch.inference_mode():
                assert_close(layer(x, table), expected, atol=atol, rtol=atol)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(1)
