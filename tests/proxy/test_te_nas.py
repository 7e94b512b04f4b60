import math

import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, score
from archwright.proxy.patterns import different_regions
from archwright.proxy.te_nas import _cropped, tangent_kernel
from archwright.testing.proxies import toy_batch, toy_networks


def test_linear_network_with_orthonormal_inputs_has_condition_one():
    inputs, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))
    network = nn.Linear(6, 3, bias=False)
    found = score(network, Batch(inputs), "ntk", init="keep")
    assert found.value == pytest.approx(0, abs=1e-5)
    assert found.details["condition_number"] == pytest.approx(1, abs=1e-5)


def test_equal_samples_are_singular():
    inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    found = score(nn.Linear(6, 3), Batch(torch.cat([inputs, inputs[:1]])), "ntk")
    assert (found.status, found.raw) == ("singular", -math.inf)
    assert "two samples may be equal" in found.reason


def test_kernel_agrees_with_a_loop_over_samples_and_weights():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    with Passes(network, batch) as passes:
        found = tangent_kernel(passes, batch.inputs)
    rows = []
    for i in range(len(batch)):
        network.zero_grad()
        network.train()(batch.inputs)[i].sum().backward()
        named = [p.grad for name, p in network.named_parameters() if "weight" in name]
        assert len(named) == 5  # those of the two normalizations too
        rows.append([value for gradient in named for value in gradient.flatten().tolist()])
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            expected = math.fsum(a * b for a, b in zip(one, other, strict=True))
            assert float(found[i, j]) == pytest.approx(expected, abs=1e-8)


def test_condition_number_is_that_of_the_kernel():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    with Passes(network, batch) as passes:
        kernel = tangent_kernel(passes, batch.inputs)
    spectrum = torch.linalg.eigvalsh(kernel)
    expected = -math.log(float(spectrum[-1] / spectrum[0]))
    assert score(network, batch, "ntk", init="keep").value == pytest.approx(expected, abs=1e-8)


def test_scaling_the_outputs_changes_nothing():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    plain = score(network, batch, "ntk", init="keep").value
    scaled = nn.Sequential(network, nn.Identity())
    scaled[1].register_forward_hook(lambda module, inputs, output: 3 * output)
    assert score(scaled, batch, "ntk", init="keep").value == pytest.approx(plain, rel=1e-9)


def test_condition_number_is_a_mean_over_draws():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    found = score(network, batch, "ntk", repeats=2)
    assert found.value == pytest.approx(-math.log(found.details["condition_number"]))
    assert found.value != score(network, batch, "ntk", repeats=1).value


def test_network_without_weights_has_no_kernel():
    found = score(nn.Flatten(), toy_batch(), "ntk", init="keep")
    assert found.status == "unsupported"
    assert 'no parameter with "weight" in its name' in found.reason


def test_infinite_gradients_have_no_kernel():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.fill_(1e20)
        network[0].weight.fill_(1e-20)
    found = score(network, Batch(1e30 * torch.rand(3, 2)), "ntk", init="keep")
    assert found.status == "nan"


def test_two_of_three_samples_share_a_region():
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
    batch = Batch(torch.tensor([[-1.0, -1.0], [-2.0, -1.0], [-1.0, 1.0]]))
    with Passes(network, batch) as passes:
        assert len(different_regions(passes, batch.inputs)) == 2


def test_regions_agree_with_the_sum_of_inverse_multiplicities():
    network, batch = toy_networks()["in place"].double(), toy_batch(torch.float64)
    inputs = batch.inputs[torch.tensor([0, 1, 2, 1, 0, 0, 5])]
    with Passes(network, batch) as passes:
        found = len(different_regions(passes, inputs))
    with torch.no_grad():
        first = network[0](inputs)
        second = network[2](network[1](first.clone()))
    codes = [
        tuple((row > 0).tolist()) for row in torch.cat([first.flatten(1), second.flatten(1)], 1)
    ]
    assert found == round(sum(1 / codes.count(code) for code in codes)) == 4


def test_regions_of_a_linear_map_are_those_of_the_line():
    # One ReLU at zero cuts the line into two regions, however many samples there are.
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1))
    found = score(network, Batch.noise((1,), 50), "regions")
    assert found.value == 2


def test_crops_are_pieces_of_the_images():
    images = torch.arange(2 * 3 * 5 * 6).reshape(2, 3, 5, 6).float()
    crops = _cropped(images, 40, 3, torch.Generator().manual_seed(0))
    assert crops.shape == (40, 3, 3, 3)
    pieces = {
        tuple(images[i, :, r : r + 3, c : c + 3].flatten().tolist())
        for i in range(2)
        for r in range(3)
        for c in range(4)
    }
    found = {tuple(crop.flatten().tolist()) for crop in crops}
    assert found <= pieces
    assert len(found) > 12


def test_wide_network_has_a_note_that_it_is_too_wide():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 500), nn.ReLU())
    wide = score(network, toy_batch(), "regions", crop=None, samples=1, draws=1)
    assert (wide.value, wide.note.split(":")[0]) == (1, "every sample has a region of its own")
    many = score(network, toy_batch(), "regions", crop=None, samples=40, draws=1)
    assert many.value <= 12
    assert "a region of its own" not in many.note


def test_network_for_another_size_is_told_how_to_count():
    found = score(toy_networks()["in place"], toy_batch(), "regions")
    assert found.status == "unsupported"
    assert "takes no inputs of (3, 3, 3): say crop=None" in found.reason
    assert score(toy_networks()["in place"], toy_batch(), "regions", crop=None).ok


def test_linear_network_has_no_regions():
    assert score(nn.Linear(4, 2), Batch.noise((4,), 8), "regions").status == "no_relu"


def test_one_sample_is_refused():
    with pytest.raises(ProxyError, match="2 samples and a draw; got 1 and 3"):
        score(nn.Linear(4, 2), Batch.noise((4,), 8), "ntk", samples=1)


def test_empty_crops_are_refused():
    with pytest.raises(ProxyError, match="crop must be at least 1; got 1000, 3, 3 and 0"):
        score(nn.Linear(4, 2), Batch.noise((4,), 8), "regions", crop=0)
