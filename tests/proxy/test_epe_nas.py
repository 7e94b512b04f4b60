import math

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Unscored, score
from archwright.proxy.epe_nas import class_correlation
from archwright.testing.proxies import toy_batch, toy_networks


def slow(jacobian, labels, classes):
    """Loop over classes, samples and entries, as the equations read."""
    sums = []
    for label in sorted(set(labels)):
        rows = [row for row, its in zip(jacobian, labels, strict=True) if its == label]
        entries = [np.corrcoef(a, b)[0, 1] for a in rows for b in rows]
        total = sum(math.log(abs(entry) + 1e-5) for entry in entries)
        sums.append(total / len(rows) if classes > 100 else total)
    if classes <= 100:
        return sum(abs(total) for total in sums)
    return sum(abs(a - b) for a in sums for b in sums) / len(sums)


def test_class_of_one_sample_counts_the_logarithm_of_one():
    jacobian = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    found = class_correlation(jacobian, torch.tensor([2, 0, 1]), 3)
    assert found == pytest.approx(3 * math.log(1 + 1e-5), rel=1e-9)


@pytest.mark.parametrize("classes", [4, 100, 101])
def test_agrees_with_a_loop_over_classes(classes):
    jacobian = torch.randn(12, 9, generator=torch.Generator().manual_seed(1)).double()
    labels = [0, 1, 2, 3, 0, 1, 2, 2, 2, 1, 0, 0]
    found = class_correlation(jacobian, torch.tensor(labels), classes)
    assert found == pytest.approx(slow(jacobian.numpy(), labels, classes), abs=1e-8)


def test_network_agrees_with_a_loop_over_samples():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    inputs = batch.inputs.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network.train()(inputs).sum(), inputs)
    expected = slow(jacobian.flatten(1).numpy(), batch.targets.tolist(), 3)
    assert score(network, batch, "epe_nas").value == pytest.approx(expected, abs=1e-8)


def test_scaling_rows_changes_nothing():
    jacobian = torch.randn(6, 9, generator=torch.Generator().manual_seed(2)).double()
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    scaled = jacobian * torch.tensor([1.0, 2, 3, 4, 5, 6]).double()[:, None]
    expected = class_correlation(jacobian, labels, 2)
    assert class_correlation(scaled, labels, 2) == pytest.approx(expected, rel=1e-12)


def test_shares_of_classes_count_as_their_largest():
    batch = toy_batch()
    shares = nn.functional.one_hot(batch.targets, 3).float()
    network = toy_networks()["gelu"]
    plain = score(network, batch, "epe_nas")
    assert score(network, Batch(batch.inputs, shares), "epe_nas").value == plain.value


def test_values_are_refused():
    batch = Batch(toy_batch().inputs, torch.randn(12, 3))
    with pytest.raises(
        ProxyError, match=r"defined for classes only; got targets of shape \(12, 3\)"
    ):
        score(toy_networks()["gelu"], batch, "epe_nas")


def test_constant_row_has_no_correlations():
    jacobian = torch.ones(2, 4)
    with pytest.raises(Unscored, match="do not depend on some of the inputs"):
        class_correlation(jacobian, torch.tensor([0, 0]), 2)


def test_infinite_gradients_have_no_correlations():
    jacobian = torch.full((2, 4), torch.inf)
    with pytest.raises(Unscored, match="not finite"):
        class_correlation(jacobian, torch.tensor([0, 0]), 2)


def test_number_of_classes_must_be_positive():
    with pytest.raises(ProxyError, match="classes must be at least 1; got 0"):
        score(toy_networks()["gelu"], toy_batch(), "epe_nas", classes=0)
