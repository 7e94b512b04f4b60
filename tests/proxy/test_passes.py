"""Shared passes: what they refuse, what they keep, and how the network comes out of them."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, Unscored, logits_of, preserved, score, score_many
from archwright.proxy.passes import tensors_of
from archwright.proxy.restoring import replaced
from archwright.testing.proxies import network_state, toy_batch, toy_networks


class Wrapped(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.inner, self.wrap = nn.Linear(4, 3), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.inner(x))


def test_what_is_asked_for_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = toy_networks()["cell"]
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    names = ["agreement", "gradients", "jacobian", "saliency", "curvature"]
    with Passes(network, toy_batch(), reads=names) as passes:
        first = [getattr(passes, name) for name in names]
        assert all(getattr(passes, n) is f for n, f in zip(names, first, strict=True))
        assert len(calls) == 1
        passes.drop(["gradients"])
        assert passes.gradients is not first[1]
        assert len(calls) == 2


def test_logits_are_found_in_what_networks_return() -> None:
    logits = torch.ones(2, 3)
    assert logits_of(logits) is logits
    assert logits_of({"logits": logits, "loss": 1}) is logits
    assert logits_of(SimpleNamespace(logits=logits)) is logits
    with pytest.raises(Unscored, match=r"returns tuple, not one tensor: wrap it in a module"):
        logits_of((logits, logits))
    with pytest.raises(Unscored, match=r"the outputs of the network are not finite"):
        logits_of(logits / 0)
    assert logits_of(logits / 0, finite=False).isinf().all()


def test_all_tensors_are_found_in_what_networks_return() -> None:
    a, b, c = torch.ones(1), torch.ones(2), torch.ones(3)
    assert [len(t) for t in tensors_of({"x": (a, [b, None]), "y": c, "z": 3})] == [1, 2, 3]


def test_networks_that_return_more_have_codes_but_no_loss() -> None:
    batch = Batch(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Wrapped(lambda y: (y, y)))
    assert score(network, batch).status in ("ok", "singular")
    found = score(network, batch, "grad_norm")
    assert found.status == "unsupported"
    assert score(Wrapped(lambda y: {"logits": y}), batch, "grad_norm").ok


def test_one_result_that_is_missing_leaves_the_others() -> None:
    """Alone or together, a proxy has the same status."""
    batch = Batch(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))
    torch.manual_seed(0)
    several = nn.Sequential(
        nn.Linear(4, 40), nn.ReLU(), nn.Linear(40, 4), Wrapped(lambda y: (y, y))
    )
    computed = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 40)), nn.ReLU(), nn.Linear(40, 3)
    )
    expected = {"naswot": ("ok", "ok"), "jacob_cov": ("unsupported", "ok")}
    expected |= dict.fromkeys(("snip", "fisher", "grasp"), ("unsupported", "unsupported"))
    for number, network in enumerate((several, computed)):
        found = next(score_many([network], batch, list(expected)))
        for name, statuses in expected.items():
            assert found[name].status == statuses[number], (name, found[name])
            assert score(network, batch, name).status == statuses[number]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_scores_where_the_caller_needs_no_gradients(mode: Any) -> None:
    network, batch = toy_networks()["cell"], toy_batch()
    names = ("naswot", "snip", "jacob_cov")
    expected = [score(network, batch, name).value for name in names]
    with mode():
        inputs = batch.inputs.clone()  # an inference tensor
        assert [score(network, Batch(inputs, batch.targets), n).value for n in names] == expected


def test_a_network_that_fails_says_how() -> None:
    found = score(nn.Linear(5, 3), Batch(torch.randn(4, 4)))
    assert found.status == "failed"
    assert found.reason.startswith("the network raised RuntimeError: mat1 and mat2")


def test_memory_that_is_short_is_not_the_networks_fault() -> None:
    def short(y: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        score(Wrapped(short), Batch(torch.randn(4, 4)))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.tensor([0, 1, 2, 3]), r"classes 0 to 3 do not fit outputs of shape \(4, 3\)"),
        (torch.tensor([0, -1, 2, 0]), r"classes -1 to 2 do not fit"),
        (torch.zeros(4, 2), r"targets of shape \(4, 2\) do not fit outputs of shape \(4, 3\)"),
    ],
)
def test_targets_must_fit(targets: Tensor, message: str) -> None:
    with pytest.raises(ProxyError, match=message):
        score(nn.Linear(4, 3), Batch(torch.randn(4, 4), targets), "grad_norm")


def test_a_loss_needs_targets() -> None:
    with (
        Passes(nn.Linear(4, 3), Batch(torch.randn(4, 4))) as passes,
        pytest.raises(ProxyError, match=r"a proxy that reads a loss needs targets"),
    ):
        _ = passes.gradients


def test_outputs_that_are_not_finite_have_no_gradients() -> None:
    batch = Batch(torch.full((4, 4), torch.inf), torch.zeros(4, dtype=torch.long))
    found = score(nn.Linear(4, 3), batch, "grad_norm")
    assert (found.status, found.reason) == ("nan", "the outputs of the network are not finite")


def test_batch_comes_to_the_precision_of_the_network() -> None:
    network, batch = nn.Linear(4, 3).double(), Batch(torch.randn(4, 4))
    with Passes(network, batch) as passes:
        assert passes.batch.inputs.dtype == torch.float64
        assert passes.forward().dtype == torch.float64
    with Passes(nn.Flatten(), batch) as passes:
        assert passes.batch.inputs is batch.inputs


def test_lazy_layers_are_refused() -> None:
    with pytest.raises(ProxyError, match=r"got a lazy layer .* run the network once before"):
        score(nn.LazyLinear(3), Batch(torch.randn(4, 4)))


def test_generators_are_named_streams() -> None:
    with Passes(nn.Linear(4, 3), Batch(torch.randn(4, 4)), seed=3) as passes:
        first = torch.rand(5, generator=passes.generator("noise", 0))
        assert torch.equal(first, torch.rand(5, generator=passes.generator("noise", 0)))
        assert not torch.equal(first, torch.rand(5, generator=passes.generator("noise", 1)))


def test_scratch_puts_back_what_a_proxy_does_to_a_network() -> None:
    network = toy_networks()["cell"]
    before = network_state(network)
    with Passes(network, toy_batch()) as passes:
        with passes.scratch() as lent:
            for parameter in lent.parameters():
                nn.init.normal_(parameter)
            lent.eval()
            lent(toy_batch().inputs)
        assert network.training
        after = network_state(network)
        assert {k: v[2] for k, v in after["tensors"].items()} == {
            k: v[2] for k, v in before["tensors"].items()
        }


def test_everything_is_put_back_after_an_exception() -> None:
    network = toy_networks()["cell"].eval()
    before = network_state(network)
    torch.manual_seed(5)
    before["torch generator"] = torch.get_rng_state().numpy().tobytes()

    def disturb() -> None:
        with preserved(network):
            network.train()
            network(toy_batch().inputs)
            torch.rand(3)
            network.register_buffer("extra", torch.ones(1))
            network[0].weight = nn.Parameter(torch.zeros(1))
            network[1].running_mean = None
            raise KeyError

    with pytest.raises(KeyError):
        disturb()
    assert network_state(network) == before


def test_a_graph_that_the_caller_holds_stays_valid() -> None:
    network = toy_networks()["cell"].eval()
    twin = copy.deepcopy(network)
    batch = toy_batch()
    losses = [module(batch.inputs).square().sum() for module in (network, twin)]
    for name in ("naswot", "grasp", "synflow"):
        score(network, batch, name)
    for loss in losses:
        loss.backward()
    for parameter, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter.grad, other.grad)


def test_shared_buffers_stay_shared() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("a", torch.zeros(1))
            self.register_buffer("b", self.a)

    network = Two()
    with preserved(network):
        assert network.a is network.b
        network.a.add_(1)
    assert network.a is network.b
    assert float(network.a) == 0.0


def test_replaced_tensors_keep_their_memory() -> None:
    network = nn.BatchNorm1d(3)
    places = [tensor.data_ptr() for tensor in network.state_dict().values()]
    with replaced(network, lambda tensor: tensor.double() + 1):
        assert network.weight.dtype == torch.float64
        assert network.weight.tolist() == [2.0] * 3
    assert [tensor.data_ptr() for tensor in network.state_dict().values()] == places
    assert network.weight.tolist() == [1.0] * 3
