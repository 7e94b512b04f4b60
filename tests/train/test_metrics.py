from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train import measure


class Fixed(nn.Module):
    """Returns its inputs: the outputs are whatever the split says."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 5), rows=st.integers(2, 60))
def test_classification_agrees_with_scikit_learn(seed: int, classes: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.integers(-2, 3, (rows, classes)).astype(np.float32)  # many ties
    targets = rng.integers(0, classes, rows)
    split = Split(torch.from_numpy(logits), torch.from_numpy(targets))
    found = measure(Fixed(), split, task=Task("classification", classes))
    guessed = logits.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(targets, guessed))
    expected = sk.recall_score(
        targets, guessed, average="macro", labels=np.unique(targets), zero_division=0
    )
    assert found["balanced_accuracy"] == pytest.approx(expected)
    assert found["f1_macro"] == pytest.approx(sk.f1_score(targets, guessed, average="macro"))
    shifted = np.exp(logits.astype(float))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    loss = sk.log_loss(targets, probabilities, labels=range(classes))
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    if classes == 2 and len(np.unique(targets)) == 2:
        auc = sk.roc_auc_score(targets, logits[:, 1] - logits[:, 0])
        assert found["auc"] == pytest.approx(auc)
    else:
        assert "auc" not in found


def test_regression_agrees_with_scikit_learn_in_the_targets_unit() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, 40, 3))
    deviations = [2.0, 0.5, 7.0]
    split = Split(torch.from_numpy(outputs), torch.from_numpy(targets))
    found = measure(Fixed().double(), split, task=Task("regression", 3), scale=deviations)
    own_outputs, own_targets = outputs * deviations, targets * deviations
    assert found["r2"] == pytest.approx(sk.r2_score(own_targets, own_outputs))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(own_targets, own_outputs))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(own_targets, own_outputs))
    assert found["loss"] == pytest.approx(sk.mean_squared_error(targets, outputs))


def test_r2_of_a_constant_target_is_one_if_met_and_zero_if_not() -> None:
    task = Task("regression", 1)
    ones = torch.ones(4, 1)
    assert measure(Fixed(), Split(ones, ones), task=task)["r2"] == 1.0
    assert measure(Fixed(), Split(ones * 2, ones), task=task)["r2"] == 0.0


def test_measuring_leaves_the_mode_and_the_statistics_alone() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    split = Split(torch.randn(2500, 3), torch.zeros(2500, dtype=torch.int64))
    first = measure(network, split, task=Task("classification", 3))
    assert network.training
    assert not network[0].running_mean.any()
    assert measure(network, split, task=Task("classification", 3)) == first


def test_an_empty_split_is_refused() -> None:
    split = Split(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(EvaluationError, match="cannot measure a network on a split of 0 rows"):
        measure(Fixed(), split, task=Task("classification", 3))
