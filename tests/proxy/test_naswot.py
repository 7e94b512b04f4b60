"""NASWOT: kernels worked out by hand, what leaves a score alone, and the reference procedure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.network import build
from archwright.proxy import Batch, Passes, make_proxy, score
from archwright.proxy.naswot import has_inverse
from archwright.space import space_named

LN2 = math.log(2)


def of_codes(*codes: str, repeats: int = 1, **options: Any) -> Any:
    """Score a network that is nothing but a ReLU, on inputs with these signs."""
    signs = torch.tensor([[1.0 if bit == "1" else -1.0 for bit in code] for code in codes])
    return score(nn.ReLU(), Batch(signs.repeat(1, repeats)), **options)


def one_hot(n: int) -> list[str]:
    return ["0" * i + "1" + "0" * (n - 1 - i) for i in range(n)]


def test_kernel_of_three_codes() -> None:
    with Passes(nn.ReLU(), Batch(torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1]]))) as p:
        assert p.agreement.counts.tolist() == [[4, 2, 1], [2, 4, 1], [1, 1, 4]]
        assert (p.agreement.bits, p.agreement.sites) == (4, 1)
    assert of_codes("1100", "1010", "0111").value == pytest.approx(math.log(44), abs=1e-12)


def test_two_opposite_codes_of_one_bit() -> None:
    assert of_codes("1", "0").value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "expected"), [(2, 1.386294), (3, 2.995732), (4, 4.382027), (8, 8.764053), (16, 15.817743)]
)
def test_one_hot_codes(n: int, expected: float) -> None:
    found = of_codes(*one_hot(n)).value
    if n == 2:  # codes 10 and 01 never agree: K = 2 I
        assert found == pytest.approx(2 * LN2)
    assert found == pytest.approx((n - 1) * LN2 + math.log(n + (n - 1) * (n - 2)), abs=1e-9)
    assert found == pytest.approx(expected, abs=1e-6)


def test_equal_codes_are_singular() -> None:
    found = of_codes("1100", "1010", "1100")
    assert found.status == "singular"
    assert found.raw == -math.inf
    assert math.isnan(found.value)
    assert "two samples have the same code" in found.reason


def test_dependent_codes_are_singular() -> None:
    """Codes 0011, 0101 and their complements: K has equal pairs of row sums, and rank 3."""
    found = of_codes("0011", "0101", "1100", "1010")
    assert found.status == "singular"
    assert "linearly dependent" in found.reason


@pytest.mark.parametrize("least", [1.0, 1e-6, 1e-10, 1e-13, 2.5e-14, 1e-17, 0.0, -1e-12])
@pytest.mark.parametrize("greatest", [1.0, 5e4])
def test_a_kernel_has_an_inverse_if_its_spectrum_says_so(least: float, greatest: float) -> None:
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    values = greatest * np.linspace(1, 0.5, 40)
    values[-1] = greatest * least
    kernel = (basis * values) @ basis.T
    assert has_inverse(torch.from_numpy(kernel)) is (least > 40 * math.ulp(1.0))


def test_every_bit_m_times_adds_batch_ln_m() -> None:
    once, thrice = of_codes(*one_hot(5)), of_codes(*one_hot(5), repeats=3)
    assert thrice.value - once.value == pytest.approx(5 * math.log(3))
    per_bit = of_codes(*one_hot(5), repeats=3, per_bit=True)
    assert per_bit.value == pytest.approx(of_codes(*one_hot(5), per_bit=True).value)
    assert per_bit.value == pytest.approx(thrice.value - 5 * math.log(15))


def test_flipped_and_permuted_bits_and_samples_change_nothing() -> None:
    values = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    plain = score(nn.ReLU(), Batch(values)).value
    assert score(nn.ReLU(), Batch(-values)).value == pytest.approx(plain)
    assert score(nn.ReLU(), Batch(values.flip(1))).value == pytest.approx(plain)
    assert score(nn.ReLU(), Batch(values.flip(0))).value == pytest.approx(plain)


def test_scales_of_weights_and_inputs_change_nothing() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(9, 64, bias=False), nn.ReLU(), nn.Linear(64, 64, bias=False), nn.ReLU()
    )
    batch = Batch.noise((9,), 12)
    plain = score(network, batch).value
    assert score(network, Batch(batch.inputs * 8)).value == plain
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
    assert score(network, batch).value == plain


def test_a_constant_bit_adds_one_to_every_entry() -> None:
    values = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    with Passes(nn.ReLU(), Batch(values)) as passes:
        plain = passes.agreement.counts
    with Passes(nn.ReLU(), Batch(torch.cat([values, torch.ones(4, 1)], 1))) as passes:
        assert (passes.agreement.counts == plain + 1).all()


class Sum(nn.Module):
    """Adds what each of its functions makes of the input."""

    def __init__(self, *functions: Any) -> None:
        super().__init__()
        self.functions = functions
        for number, function in enumerate(functions):
            if isinstance(function, nn.Module):
                self.add_module(str(number), function)

    def forward(self, x: Tensor) -> Tensor:
        return sum(function(x).flatten(1).sum(1, keepdim=True) for function in self.functions)


def kernel(network: nn.Module, batch: Batch, **options: Any) -> np.ndarray:
    with Passes(network, batch) as passes:
        return passes.count_agreement(**options).counts


def test_kernels_of_disjoint_sites_add() -> None:
    batch = Batch.noise((33,), 7)
    first, second = nn.Linear(33, 50), nn.Linear(33, 21)
    together = Sum(nn.Sequential(first, nn.ReLU()), nn.Sequential(second, nn.ReLU()))
    alone = [kernel(nn.Sequential(linear, nn.ReLU()), batch) for linear in (first, second)]
    assert (kernel(together, batch) == alone[0] + alone[1]).all()


def test_a_tensor_that_feeds_several_sites_counts_at_each() -> None:
    batch = Batch.noise((33,), 7)
    once = kernel(nn.ReLU(), batch)
    assert (kernel(Sum(F.relu, torch.relu, nn.ReLU()), batch) == 3 * once).all()


def test_a_tensor_changed_in_place_between_two_sites_is_read_again() -> None:
    def turned(x: Tensor) -> Tensor:
        y = x.clone()
        first = F.relu(y)
        y.neg_().sub_(0.5)
        return first + F.relu(y)

    batch = Batch.noise((33,), 7)
    expected = kernel(nn.ReLU(), batch) + kernel(nn.ReLU(), Batch(-batch.inputs - 0.5))
    assert (kernel(Sum(turned), batch) == expected).all()


def test_in_place_relus_count_what_went_in() -> None:
    torch.manual_seed(0)
    apart = nn.Sequential(nn.Linear(8, 30), nn.LeakyReLU(), nn.Linear(30, 30), nn.ReLU6())
    inside = nn.Sequential(apart[0], nn.LeakyReLU(inplace=True), apart[2], nn.ReLU6(inplace=True))
    batch = Batch.noise((8,), 10)
    assert score(inside, batch).value == score(apart, batch).value
    first = nn.ReLU(inplace=True)  # on the batch itself, which must not change
    before = batch.inputs.clone()
    score(nn.Sequential(first, nn.Linear(8, 2)), batch)
    assert torch.equal(batch.inputs, before)


def test_linear_network_has_no_relu() -> None:
    found = score(
        nn.Sequential(nn.Linear(8, 30), nn.Tanh(), nn.Linear(30, 2)), Batch.noise((8,), 4)
    )
    assert found.status == "no_relu"
    assert "no activation that is on or off" in found.reason
    assert (kernel(nn.Linear(8, 3), Batch.noise((8,), 4)) == 0).all()


def test_too_few_bits() -> None:
    found = score(nn.Sequential(nn.Linear(8, 12), nn.ReLU()), Batch.noise((8,), 14))
    assert found.status == "too_few_bits"
    assert found.reason == (
        "12 activation units cannot tell 14 samples apart: use a batch of at most 3"
    )


def test_curved_activations_count_by_sign_and_say_so() -> None:
    network = nn.Sequential(nn.Linear(8, 60), nn.GELU(), nn.Linear(60, 60), nn.ReLU())
    found = score(network, Batch.noise((8,), 6))
    assert found.ok
    assert "1 of 2 activations are not piecewise linear" in found.note
    assert found.details == {"bits": 120}


def test_activations_without_a_batch_axis_are_left_out_and_told() -> None:
    scale = torch.ones(3)
    network = Sum(lambda x: F.relu(x) * F.relu(scale).sum())
    found = score(network, Batch.noise((40,), 6))
    assert found.value == score(nn.ReLU(), Batch.noise((40,), 6)).value
    assert "1 activations without a batch axis" in found.note


def test_outputs_that_are_not_finite_have_no_score() -> None:
    network = nn.Sequential(nn.Linear(8, 30), nn.ReLU())
    found = score(network, Batch(torch.full((4, 8), math.nan)))
    assert found.status == "nan"
    assert "not finite" in found.reason


def test_sites_that_the_output_does_not_depend_on_do_not_count() -> None:
    def unused(x: Tensor) -> Tensor:
        F.relu(-x)
        torch.relu(x * 2).detach()
        with torch.no_grad():
            F.relu(x - 1)
        return F.relu(x)

    batch = Batch.noise((33,), 7)
    plain = kernel(nn.ReLU(), batch)
    assert (kernel(Sum(unused), batch) == plain).all()
    assert (kernel(Sum(unused), batch, alive="executed") > plain).all()
    with Passes(Sum(unused), batch, reads={"agreement", "jacobian"}) as passes:
        assert passes.jacobian.shape == (7, 33)
        assert (passes.agreement.counts == plain).all()
        assert passes.agreement.cut_off == 3


def test_signals_times_zero_count_unless_asked() -> None:
    def killed(x: Tensor) -> Tensor:
        return F.relu(x) + F.relu(-x).mul(0.0) + 0 * F.relu(x - 1)

    batch = Batch.noise((33,), 7)
    with Passes(Sum(killed), batch) as passes:
        assert passes.count_agreement().sites == 3
        assert passes.count_agreement(alive="signal").sites == 1
        assert passes.count_agreement(alive="executed").sites == 3


def test_without_autograd_all_sites_count() -> None:
    class Closed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                return F.relu(x)

    batch = Batch.noise((33,), 7)
    assert (kernel(Closed(), batch) == kernel(nn.ReLU(), batch)).all()


def reference(network: nn.Module, inputs: Tensor) -> float:
    """Score as the authors' program does: tag by a backward pass, then count module by module."""
    hooked = [module for module in network.modules() if "ReLU" in str(type(module))]
    tagged, total = set(), np.zeros((len(inputs), len(inputs)))

    def tag(module: nn.Module, given: Any, output: Tensor) -> None:
        output.register_hook(lambda gradient: tagged.add(module) and None)

    def count(module: nn.Module, given: Any, output: Tensor) -> None:
        if module in tagged:
            codes = (given[0].reshape(len(inputs), -1) > 0).float()
            nonlocal total
            total = total + (codes @ codes.T + (1 - codes) @ (1 - codes.T)).numpy()

    for hook, again in ((tag, False), (count, True)):
        handles = [module.register_forward_hook(hook) for module in hooked]
        x = inputs.clone().requires_grad_()
        y = network(x)
        if not again:
            y.backward(torch.ones_like(y))
        for handle in handles:
            handle.remove()
    return float(np.linalg.slogdet(total)[1])


CELLS = [
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|",
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
]


@pytest.mark.parametrize("text", CELLS)
def test_nasbench201_bits_and_reference_scores(text: str) -> None:
    network = build(space_named("nasbench201").parse(text), (3, 32, 32), 10, seed=1)
    batch = Batch.noise((3, 32, 32), 4)
    convolutions = text.count("conv_")
    plain, doubled = score(network, batch), score(network, batch, profile="naswot-icml")
    assert plain.details["bits"] == 40_960 + 143_360 * convolutions
    assert doubled.details["bits"] == 77_824 + 286_720 * convolutions
    assert doubled.value == reference(network, batch.inputs)


def test_profile_counts_modules_that_the_default_does_not_see_and_the_reverse() -> None:
    class MyReLUBlock(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x) + F.relu(-x)

    batch = Batch.noise((40,), 6)
    assert score(MyReLUBlock(), batch, profile="naswot-icml").details == {"bits": 40}
    assert score(MyReLUBlock(), batch).details == {"bits": 80}


def test_options_are_checked() -> None:
    with pytest.raises(ProxyError, match=r"alive must be one of graph, signal, executed; got 'no'"):
        make_proxy("naswot", alive="no")
    with pytest.raises(ProxyError, match=r"profile must be one of naswot-icml; got 'icml'"):
        make_proxy("naswot", profile="icml")


@pytest.mark.cuda
def test_codes_on_a_cuda_device() -> None:
    network = build(space_named("nasbench201").parse(CELLS[0]), (3, 32, 32), 10, seed=1)
    batch = Batch.noise((3, 32, 32), 16)
    expected = score(network, batch)
    found = score(network.cuda(), batch)
    assert found.details == expected.details
    assert found.value == pytest.approx(expected.value, rel=1e-3)
