import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Unscored, score
from archwright.proxy._batches import sample_losses
from archwright.proxy.gradsign import agreement_of_signs
from archwright.testing.proxies import toy_batch, toy_networks


def rows(*gradients):
    return ({"layer": torch.tensor(gradient)} for gradient in gradients)


def test_samples_that_agree_count_batch_times_weights():
    assert agreement_of_signs(rows([1.0, -2.0, 3.0], [2.0, -1.0, 0.5], [9.0, -9.0, 9.0])) == 9


def test_samples_that_oppose_count_nothing():
    assert agreement_of_signs(rows([1.0, -2.0], [-3.0, 4.0])) == 0


def test_zero_gradients_take_no_side():
    assert agreement_of_signs(rows([0.0, 1.0], [1.0, 1.0])) == 3


def test_mean_divides_by_the_number_of_weights():
    assert agreement_of_signs(rows([1.0, 1.0], [1.0, 1.0]), mean=True) == 2


def test_nan_gradients_have_no_score():
    with pytest.raises(Unscored, match="not finite"):
        agreement_of_signs(rows([float("nan")]))


def test_agrees_with_a_loop_over_weights():
    network, batch = toy_networks()["in place"].double(), toy_batch(torch.float64)
    signs: dict[tuple[int, int], float] = {}
    for i in range(len(batch)):
        network.zero_grad()
        F.cross_entropy(network(batch.inputs[i : i + 1]), batch.targets[i : i + 1]).backward()
        for layer in (0, 2, 5):
            for k, value in enumerate(network[layer].weight.grad.flatten().tolist()):
                signs[layer, k] = signs.get((layer, k), 0) + (value > 0) - (value < 0)
    expected = sum(abs(total) for total in signs.values())
    network.zero_grad(set_to_none=True)
    assert score(network, batch, "gradsign").value == expected


def test_without_normalization_the_batch_does_not_matter():
    network, batch = toy_networks()["in place"].double(), toy_batch(torch.float64)
    alone = score(network, batch, "gradsign").value
    assert score(network, batch, "gradsign", normalization="batch").value == alone


def test_statistics_of_the_batch_differ_from_those_of_one_sample():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    alone = score(network, batch, "gradsign").value
    assert score(network, batch, "gradsign", normalization="batch").value != alone


def test_only_the_first_samples_count():
    network, batch = toy_networks()["cell"], toy_batch()
    assert score(network, batch, "gradsign", samples=5).value == (
        score(network, batch.first(5), "gradsign").value
    )


def test_single_pixels_cannot_be_normalized_alone():
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    batch = Batch(torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 0]))
    found = score(network, batch, "gradsign")
    assert found.status == "unsupported"
    assert 'say normalization="batch"' in found.reason
    assert score(network, batch, "gradsign", normalization="batch").ok


def test_losses_of_samples_have_the_mean_of_the_loss():
    outputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    classes, values = torch.tensor([0, 1, 2, 0, 1, 2]), torch.zeros(6, 3)
    torch.testing.assert_close(
        sample_losses(outputs, classes).mean(), F.cross_entropy(outputs, classes)
    )
    torch.testing.assert_close(sample_losses(outputs, values).mean(), F.mse_loss(outputs, values))


def test_no_samples_are_refused():
    with pytest.raises(ProxyError, match="samples must be at least 1; got 0"):
        score(toy_networks()["cell"], toy_batch(), "gradsign", samples=0)
