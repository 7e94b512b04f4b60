"""What every proxy keeps: the network as it was, one value for one seed, a reason for no value."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy import PROXIES, STATUSES, Batch, Proxy, Score, make_proxy, score, score_many

__all__ = ["check_proxy", "network_state", "toy_batch", "toy_networks"]

CLASSES = 3
_SHAPE = (3, 8, 8)
_SAMPLES = 12
_SHARING = ("fisher", "grasp", "jacob_cov", "naswot")  # together they run every shared pass


def check_proxy(
    proxy: str | Proxy,
    networks: Mapping[str, nn.Module] | None = None,
    *,
    device: str = "cpu",
) -> None:
    """Check a proxy on small networks, in double precision.

    Args:
        proxy: A name of `PROXIES`, or a proxy.
        networks: From `toy_batch().inputs` to `(batch, 3)`; `toy_networks()` if None.
        device: Where.

    Raises:
        AssertionError: Naming the rule that is broken, and the network.
    """
    made = make_proxy(proxy)
    _check_declared(made)
    for name, network in (networks or toy_networks()).items():
        where = f"{made.name} on the network {name!r}"
        _check_network(made, network.double().to(device), toy_batch(torch.float64), where)
    _check_state_after_failure(made, device)
    _check_labels(made)


def toy_batch(dtype: torch.dtype = torch.float32) -> Batch:
    """Return 12 small noise images, four of each of three classes."""
    batch = Batch.noise(_SHAPE, _SAMPLES, seed=3)
    return Batch(batch.inputs.to(dtype), torch.arange(_SAMPLES) % CLASSES)


def toy_networks() -> dict[str, nn.Module]:
    """Return small networks that differ in what proxies stumble over, always the same weights."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "cell": _cell,
        "functional": _Functional,
        "in place": _in_place,
        "gelu": _gelu,
        "dropout": _dropout,
        "linear": _linear,
        "drawing": lambda: nn.Sequential(_Drawing(), _linear()),
    }
    networks = {}
    with torch.random.fork_rng(devices=[]):
        for name, kind in kinds.items():
            torch.manual_seed(0)
            networks[name] = kind()
    return networks


def network_state(network: nn.Module) -> dict[str, Any]:
    """Return everything that scoring must leave alone, in a form to compare with `==`."""
    return {
        "modes": [module.training for module in network.modules()],
        "tensors": {
            name: (id(tensor), tensor._version, tensor.detach().cpu().clone().numpy().tobytes())
            for name, tensor in network.state_dict(keep_vars=True).items()
        },
        "gradients": [
            (parameter.requires_grad, id(parameter.grad), str(parameter.grad))
            for parameter in network.parameters()
        ],
        "hooks": [
            len(value)
            for module in network.modules()
            for key, value in vars(module).items()
            if "_hooks" in key and isinstance(value, dict)
        ],
        "attributes": [sorted(vars(module)) for module in network.modules()],
        "torch generator": torch.get_rng_state().numpy().tobytes(),
        "numpy generator": str(np.random.get_state()),  # noqa: NPY002 - it must not change
        "python generator": random.getstate(),
        "gradients on": torch.is_grad_enabled(),
        "type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
    }


def _check_declared(proxy: Proxy) -> None:
    assert PROXIES.entry(proxy.name).name == proxy.name, f"{proxy.name} is registered by its name"
    assert proxy.init in ("keep", "kaiming_in", "kaiming_out", "normal"), "init is a known one"
    assert proxy.normalization in ("train", "identity", "eval"), "normalization is a known one"
    assert proxy.batch_size >= 0, "the batch size is not negative"
    assert proxy.passes_text, "the cost is told in words"
    assert type(proxy).__doc__, "the class has a docstring"


def _check_network(proxy: Proxy, network: nn.Module, batch: Batch, where: str) -> None:
    _disturb(network)
    before = network_state(network)
    first = score(network, batch, proxy, seed=5)
    _same_state(before, network_state(network), where)
    _check_score(first, where)
    torch.manual_seed(1234)
    assert same(score(network, batch, proxy, seed=5), first), f"{where}: same seed, same score"
    if proxy.deterministic:
        assert same(score(network, batch, proxy, seed=6), first), f"{where}: any seed, same score"
    others = [name for name in _SHARING if name != proxy.name]
    together = next(score_many([network], batch, [*others, proxy], seeds=(5,)))[proxy.name]
    assert same(together, first, 1e-9), f"{where}: {together} with others, {first} alone"
    if proxy.any_order:
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
        assert batch.targets is not None
        shuffled = score(network, Batch(batch.inputs[order], batch.targets[order]), proxy, seed=5)
        assert same(shuffled, first, 1e-7), f"{where}: {first}, samples shuffled {shuffled}"


def same(one: Score, other: Score, tolerance: float = 0.0) -> bool:
    """Return whether two scores agree in status and value."""
    if one.status != other.status:
        return False
    return not one.ok or math.isclose(one.value, other.value, rel_tol=tolerance, abs_tol=tolerance)


def _check_score(found: Score, where: str) -> None:
    assert found.status in STATUSES, f"{where}: a known status; got {found.status!r}"
    assert found.ok == math.isfinite(found.value), f"{where}: ok means finite; got {found}"
    assert found.ok != bool(found.reason), f"{where}: a reason if and only if not ok; got {found}"
    assert found.seconds >= 0, f"{where}: seconds are not negative"


def _check_state_after_failure(proxy: Proxy, device: str) -> None:
    network = nn.Sequential(_cell(), _Failing()).double().to(device)
    before = network_state(network)
    found = score(network, toy_batch(torch.float64), proxy)
    where = f"{proxy.name} on a network that fails"
    _same_state(before, network_state(network), where)
    _check_score(found, where)


def _check_labels(proxy: Proxy) -> None:
    declared = "labels" in proxy.needs
    refusal = ""
    try:
        score(_cell(), Batch(toy_batch().inputs), proxy)
    except ProxyError as refused:
        refusal = str(refused)
    assert bool(refusal) == declared, f"{proxy.name}: labels needed or not, as declared"
    assert not declared or proxy.name in refusal, f"{proxy.name} is named by {refusal!r}"


def _same_state(before: dict[str, Any], after: dict[str, Any], where: str) -> None:
    for part, value in before.items():
        assert after[part] == value, f"{where}: {part} changed"


def _disturb(network: nn.Module) -> None:
    """Put a network into a state that is easy to lose."""
    parameters = list(network.parameters())
    parameters[0].grad = torch.ones_like(parameters[0])
    parameters[-1].requires_grad_(False)
    list(network.modules())[-1].eval()
    network.register_forward_hook(lambda module, inputs, output: None)


class _Functional(nn.Module):
    """Activations as functions and methods, a residual sum, a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = self.second(x).relu() + x
        x = self.second(x).clamp(min=0)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]  # a module's call is


class _Drawing(nn.Module):
    """Draws random numbers, and does nothing with them."""

    def forward(self, x: Tensor) -> Tensor:
        torch.rand(3)
        return x


class _Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no forward pass today")


def _cell() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


def _in_place() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(6, 6, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(96, CLASSES),
    )


def _gelu() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(192, 24),
        nn.LayerNorm(24),
        nn.GELU(),
        nn.Linear(24, 16),
        nn.SiLU(),
        nn.Linear(16, CLASSES),
    )


def _dropout() -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.5),
        nn.Conv2d(3, 8, 3),
        nn.Dropout2d(0.5),
        nn.ReLU6(),
        nn.Flatten(),
        nn.Dropout(0.9),
        nn.Linear(288, CLASSES),
    )


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 20), nn.Linear(20, CLASSES))
