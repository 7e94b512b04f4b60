"""The pruning family: identities worked out by hand, and slow versions sample by sample."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.proxy import Batch, Passes, score, score_many
from archwright.testing.proxies import toy_batch

NAMES = ("fisher", "grad_norm", "grasp", "l2_norm", "plain", "snip")


def network(seed: int = 0) -> nn.Sequential:
    """Return a small network without batch statistics, so that samples can be taken one by one."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(4, 5, 2, bias=False),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(20, 3),
    ).double()


def weights(module: nn.Module) -> list[Tensor]:
    return [m.weight for m in module.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def loss(module: nn.Module, batch: Batch) -> Tensor:
    """Return the mean cross entropy, summed in a loop."""
    total = torch.zeros((), dtype=torch.float64)
    assert batch.targets is not None
    for x, target in zip(batch.inputs, batch.targets, strict=True):
        logits = module(x[None])[0]
        total = total - logits[target] + logits.exp().sum().log()
    return total / len(batch)


def value(name: str, module: nn.Module, batch: Batch) -> float:
    found = score(module, batch, name)
    assert found.ok, found
    return found.value


def test_grad_norm_snip_and_plain_against_a_loop() -> None:
    module, batch = network(), toy_batch(torch.float64)
    gradients = torch.autograd.grad(loss(module, batch), weights(module))
    norms = [math.sqrt(sum(g**2 for g in gradient.flatten().tolist())) for gradient in gradients]
    pairs = [(w.detach(), g) for w, g in zip(weights(module), gradients, strict=True)]
    assert value("grad_norm", module, batch) == pytest.approx(sum(norms), rel=1e-9)
    snip = sum(float((w * g).abs().sum()) for w, g in pairs)
    assert value("snip", module, batch) == pytest.approx(snip, rel=1e-9)
    assert value("plain", module, batch) == pytest.approx(
        sum(float((w * g).sum()) for w, g in pairs), rel=1e-9
    )
    assert value("l2_norm", module, batch) == pytest.approx(
        sum(math.sqrt((w**2).sum().item()) for w in weights(module)), rel=1e-12
    )


def test_snip_is_the_derivative_by_a_mask() -> None:
    module, batch = network(), toy_batch(torch.float64)
    masks = [torch.ones_like(weight, requires_grad=True) for weight in weights(module)]
    names = [n for n, _ in module.named_parameters() if n in ("0.weight", "2.weight", "5.weight")]
    masked = {
        name: weight.detach() * mask
        for name, weight, mask in zip(names, weights(module), masks, strict=True)
    }
    outputs = torch.func.functional_call(module, masked, batch.inputs)
    gradients = torch.autograd.grad(F.cross_entropy(outputs, batch.targets), masks)
    expected = sum(float(gradient.abs().sum()) for gradient in gradients)
    assert value("snip", module, batch) == pytest.approx(expected, rel=1e-9)


def test_plain_is_the_derivative_by_a_common_factor() -> None:
    module, batch = network(), toy_batch(torch.float64)

    def scaled(factor: float) -> float:
        values = {name: p * factor if p.dim() > 1 else p for name, p in module.named_parameters()}
        outputs = torch.func.functional_call(module, values, batch.inputs)
        return F.cross_entropy(outputs, batch.targets).item()

    step = 1e-5
    slope = (scaled(1 + step) - scaled(1 - step)) / (2 * step)
    assert value("plain", module, batch) == pytest.approx(slope, rel=1e-6)


def test_plain_of_a_homogeneous_network_is_the_same_for_each_layer() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Flatten(),
        nn.Linear(192, 9, bias=False),
        nn.ReLU(),
        nn.Linear(9, 7, bias=False),
        nn.LeakyReLU(0.3),
        nn.Linear(7, 3, bias=False),
    ).double()
    batch = toy_batch(torch.float64)
    outputs = module(batch.inputs)
    (slope,) = torch.autograd.grad(F.cross_entropy(outputs, batch.targets), outputs)
    layer = (outputs * slope).sum().item()
    assert value("plain", module, batch) == pytest.approx(3 * layer, rel=1e-9)


def test_grad_norm_of_one_layer() -> None:
    """L = ||W x - t||^2 / m for one sample and m outputs: the gradient is 2 (W x - t) x^T / m."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 4, bias=False).double()
    x, t = torch.randn(1, 5, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    expected = 0.5 * torch.outer((layer(x) - t)[0], x[0]).norm().item()
    assert value("grad_norm", layer, Batch(x, t)) == pytest.approx(expected, rel=1e-12)


def test_grasp_on_a_quadratic_loss() -> None:
    """The mean of (x_i . (w - w0))^2 is (w - w0)^T A (w - w0) / 2 with A = 2 X^T X / n."""
    torch.manual_seed(0)
    layer = nn.Linear(6, 1, bias=False).double()
    x = torch.randn(9, 6, dtype=torch.float64)
    w0 = torch.randn(6, dtype=torch.float64)
    a = 2 * x.T @ x / 9
    w = layer.weight.detach()[0]
    expected = -float(w @ a @ a @ (w - w0))
    assert value("grasp", layer, Batch(x, (x @ w0)[:, None])) == pytest.approx(expected, rel=1e-9)


def test_grasp_against_the_hessian() -> None:
    module, batch = network(), toy_batch(torch.float64)
    names = ["0.weight", "2.weight", "5.weight"]
    shapes = [weight.shape for weight in weights(module)]
    flat = torch.cat([weight.detach().flatten() for weight in weights(module)])

    def of_flat(vector: Tensor) -> Tensor:
        parts = vector.split([shape.numel() for shape in shapes])
        values = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        outputs = torch.func.functional_call(module, values, batch.inputs)
        return F.cross_entropy(outputs, batch.targets)

    hessian = torch.autograd.functional.hessian(of_flat, flat)
    gradient = torch.autograd.functional.jacobian(of_flat, flat)
    expected = -float(flat @ (hessian @ gradient))
    assert value("grasp", module, batch) == pytest.approx(expected, rel=1e-8)


def test_fisher_of_one_linear_layer() -> None:
    """One sample: half of (z g)^2 for each output, times as many weights as it has."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 4).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    z = layer(x).detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(z, torch.tensor([2])), z)
    expected = 5 * 0.5 * ((z * g) ** 2).sum().item()
    assert value("fisher", layer, Batch(x, torch.tensor([2]))) == pytest.approx(expected, rel=1e-12)


def slow_fisher(module: nn.Sequential, batch: Batch) -> float:
    assert batch.targets is not None
    total = 0.0
    for place, layer in enumerate(module):
        if not isinstance(layer, (nn.Conv2d, nn.Linear)):
            continue
        squares = 0.0
        for x, target in zip(batch.inputs, batch.targets, strict=True):
            z = module[: place + 1](x[None]).detach().requires_grad_()
            logits = module[place + 1 :](z)
            (g,) = torch.autograd.grad(F.cross_entropy(logits, target[None]) / len(batch), z)
            sums = (z * g)[0].flatten(1).sum(1) if z.dim() == 4 else (z * g)[0]
            squares = squares + sums.detach() ** 2
        total += float((0.5 * squares / len(batch)).sum()) * layer.weight[0].numel()
    return total


def test_fisher_against_a_loop() -> None:
    module, batch = network(), toy_batch(torch.float64)
    assert value("fisher", module, batch) == pytest.approx(slow_fisher(module, batch), rel=1e-8)


def test_fisher_of_outputs_that_are_changed_in_place() -> None:
    module, batch = network(), toy_batch(torch.float64)
    expected = value("fisher", module, batch)
    module[1], module[3] = nn.ReLU(inplace=True), nn.ELU(inplace=True)
    assert value("fisher", module, batch) == expected


def test_fisher_of_sequences_has_the_channels_last() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 4).double()
    module = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 2).double())
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    targets = torch.tensor([0, 1])
    z = layer(x).detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(module[1:](z), targets), z)
    with Passes(module, Batch(x, targets)) as passes:
        expected = 0.5 * (z * g).sum(1).square().mean(0)
        assert torch.allclose(passes.saliency["0"], expected.detach(), rtol=1e-12)


def test_jacob_cov_and_the_rest_share_one_pass_without_changing() -> None:
    module, batch = network(), toy_batch(torch.float64)
    module.insert(2, nn.BatchNorm2d(4).double())
    names = [*NAMES, "jacob_cov", "naswot", "synflow"]
    together = next(score_many([module], batch, names))
    for name in names:
        assert together[name].value == pytest.approx(value(name, module, batch), rel=1e-12), name


def test_regression_reads_the_mean_squared_error() -> None:
    """Twice the error, with the same slopes: gradients double, and fisher is four times as much."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 2).double()
    x = torch.randn(6, 5, dtype=torch.float64)
    error = torch.randn(6, 2, dtype=torch.float64)
    near, far = (Batch(x, layer(x).detach() + factor * error) for factor in (1, 2))
    for name, ratio in (("grad_norm", 2), ("snip", 2), ("plain", 2), ("fisher", 4)):
        assert value(name, layer, far) == pytest.approx(ratio * value(name, layer, near), rel=1e-9)


def test_layers_that_are_not_used_count_nothing() -> None:
    module, batch = network(), toy_batch(torch.float64)
    expected = {name: value(name, module, batch) for name in ("grad_norm", "snip", "grasp")}

    class Skipping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = network(), nn.Linear(3, 3).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    for name, number in expected.items():
        assert value(name, Skipping(), batch) == number


def test_tied_weights_count_once() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(192, 192, bias=False), nn.Linear(192, 192, bias=False)
    second.weight = first.weight
    module = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second).double()
    with Passes(module, toy_batch(torch.float64)) as passes:
        assert list(passes.weights) == ["1"]
    assert value("l2_norm", module, toy_batch()) == pytest.approx(first.weight.norm().item())


def test_frozen_weights_count_like_others() -> None:
    module, batch = network(), toy_batch(torch.float64)
    expected = {name: value(name, module, batch) for name in NAMES}
    module.requires_grad_(False)
    assert {name: value(name, module, batch) for name in NAMES} == expected
    assert not any(p.requires_grad for p in module.parameters())


def test_weights_that_are_computed_are_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(192, 3)))
    found = score(module, toy_batch(), "grad_norm")
    assert found.status == "unsupported"
    assert "the weight of '1' is computed from other parameters" in found.reason
    assert score(module, toy_batch(), "jacob_cov").ok


def test_a_network_without_layers_is_refused() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3)) * self.scale

    found = score(Bare(), toy_batch(), "snip")
    assert found.status == "unsupported"
    assert "neither convolutions nor linear maps" in found.reason
