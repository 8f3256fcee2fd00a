"""The penalty: its gradient is strength * fisher * shift, and it is there after the second task as well."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from graphlift import InputError
from graphlift.continual import EWC, fisher_of_batch


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def random_fisher(net):
    return {name: torch.rand_like(weight) for name, weight in net.named_parameters()}


def shift(net, size=0.1):
    with torch.no_grad():
        for weight in net.parameters():
            weight += size * torch.randn_like(weight)


def gradients(net, penalty):
    return dict(
        zip(dict(net.named_parameters()), torch.autograd.grad(penalty(net), list(net.parameters())), strict=True)
    )


@given(strength=st.floats(0, 1e4), seed=st.integers(0, 99))
def test_gradient_is_strength_times_fisher_times_shift(strength, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    fisher = random_fisher(net)
    ewc = EWC.at(net, fisher, strength)
    anchor = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    shift(net)
    found = gradients(net, ewc)
    for name, weight in net.named_parameters():
        torch.testing.assert_close(found[name], strength * fisher[name] * (weight.detach() - anchor[name]))


def test_the_anchor_does_not_move_with_the_module(net):
    ewc = EWC.at(net, random_fisher(net), strength=5.0)
    assert ewc(net).item() == 0
    shift(net)
    assert ewc(net).item() > 0


def regression(model, x, y):
    return (model(x) - y).square().sum()


def learn(net, x, y, penalties, steps=30):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        loss = (net(x) - y).square().mean() + sum(penalty(net) for penalty in penalties)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("form", ["one penalty a task", "online"])
def test_the_penalty_is_there_after_every_task(net, form):
    """Some libraries shipped a penalty that was zero from the second task on."""
    penalties = []
    for _ in range(3):
        x, y = torch.randn(20, 3), torch.randn(20, 2)
        before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
        learn(net, x, y, penalties)
        if penalties:
            assert all(penalty(net).item() > 0 for penalty in penalties)
        fisher = fisher_of_batch(net, regression, x, y)
        if form == "online" and penalties:
            old = penalties[0]
            penalties = [old.then(net, fisher, decay=0.5)]
            for name in before:
                torch.testing.assert_close(penalties[0].fisher[name], 0.5 * old.fisher[name] + fisher[name])
        else:
            penalties.append(EWC.at(net, fisher, strength=1.0))
        newest = penalties[-1]
        assert newest(net).item() == 0  # anchored here
        assert any(float(values.sum()) > 0 for values in newest.fisher.values())
    assert len(penalties) == (1 if form == "online" else 3)


def test_two_tasks_merged_pull_as_both_do(net):
    first = EWC.at(net, random_fisher(net), strength=5.0)
    shift(net)
    fisher = random_fisher(net) | {"0.bias": torch.zeros(4)}
    second = EWC.at(net, fisher, strength=5.0)
    shift(net)
    merged = first.merged(second)
    found, one, two = (gradients(net, penalty) for penalty in (merged, first, second))
    for name in found:
        torch.testing.assert_close(found[name], one[name] + two[name])
    with pytest.raises(InputError, match="`other` must have the same strength"):
        first.merged(EWC.at(net, fisher, strength=4.0))


def test_a_part_is_the_penalty_of_a_submodule(net):
    ewc = EWC.at(net, random_fisher(net), strength=5.0)
    shift(net)
    parts = [ewc.part(name)(net.get_submodule(name)) for name in ("0", "2")]
    torch.testing.assert_close(ewc(net), parts[0] + parts[1])
    torch.testing.assert_close(ewc.to("cpu")(net), ewc(net))


def test_it_remembers_what_plain_training_forgets():
    """Two tasks that need different weights: without the pull the second one wipes out the first."""

    def error_after_both(strength):
        torch.manual_seed(0)
        line = nn.Linear(6, 1, bias=False)
        first, second = torch.randn(50, 6), torch.randn(50, 6)
        first[:, 3:] = 0  # the first task looks at half of the weights,
        second[:, :3] *= 0.3  # the second at all of them, and at those less
        truth = torch.randn(6, 1)
        learn(line, first, first @ truth, [], steps=500)
        fisher = fisher_of_batch(line, regression, first, first @ truth + 0.1 * torch.randn(50, 1))
        ewc = EWC.at(line, fisher, strength)
        learn(line, second, second @ -truth, [ewc], steps=500)
        return (line(first) - first @ truth).square().mean().item()

    assert error_after_both(1e3) < 0.05 * error_after_both(0.0)


def test_tensors_travel_through_safetensors(net, tmp_path):
    ewc = EWC.at(net, random_fisher(net), strength=7.0)
    save_file(ewc.tensors(), tmp_path / "ewc.safetensors")
    back = EWC.of_tensors(load_file(tmp_path / "ewc.safetensors"), strength=7.0)
    shift(net)
    assert back(net).item() == ewc(net).item() > 0


def test_bad_input_is_named(net):
    fisher = random_fisher(net)
    ewc = EWC.at(net, fisher, strength=1.0)
    with pytest.raises(InputError, match="`strength` must be non-negative"):
        EWC.at(net, fisher, strength=-1.0)
    with pytest.raises(InputError, match="`strength` must be non-negative"):
        EWC.at(net, fisher, strength=float("nan"))
    with pytest.raises(InputError, match="`fisher` and `anchor` must have the same names and shapes"):
        EWC.at(net, {"0.weight": torch.ones(4, 3)}, strength=1.0)
    with pytest.raises(InputError, match=r"`fisher` must be non-negative, got -1.0 in '0.bias'"):
        EWC.at(net, fisher | {"0.bias": -torch.ones(4)}, strength=1.0)
    with pytest.raises(InputError, match="`module` must have the weights of the anchor"):
        ewc(nn.Linear(3, 4))
    with pytest.raises(InputError, match=r"`decay` must be in \[0, 1\], got 1.5"):
        ewc.then(net, fisher, decay=1.5)
    with pytest.raises(InputError, match="`fisher` must have the weights of the anchor"):
        ewc.then(net, {}, decay=0.5)
    with pytest.raises(InputError, match="`tensors` must be named"):
        EWC.of_tensors({"other:weight": torch.ones(1)}, strength=1.0)
