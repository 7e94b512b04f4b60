from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from archwright.data import Dataset, load
from archwright.errors import EvaluationError
from archwright.evaluate.final import Final, finalize
from archwright.space import Architecture
from archwright.train import Recipe, measure

RECIPE = Recipe(epochs=9, batch_size=32, learning_rate=1e-2, patience=3)
MLP = Callable[..., Architecture]


def test_the_winner_is_trained_and_tested(wine: Dataset, mlp: MLP) -> None:
    before = time.time()
    final = finalize(mlp(60), wine, RECIPE, epochs=4, seed=0)
    assert final.epochs == 4
    assert before <= final.at <= time.time()
    assert not final.network.training
    again = measure(final.network, wine.test, task=wine.task)
    assert final.metrics == {f"test_{name}": value for name, value in again.items()}
    assert final.metrics["test_accuracy"] > 0.8
    assert final.duration_seconds > 0


def test_it_learns_from_training_and_validation_rows(
    wine: Dataset, mlp: MLP, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archwright import train

    seen: list[int] = []
    fit = train.fit

    def spy(network: object, split: object, validation: object, *rest: object, **more: object):
        seen.append(len(split))  # type: ignore[arg-type]
        assert validation is None
        return fit(network, split, validation, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "fit", spy)
    finalize(mlp(60), wine, RECIPE, epochs=1, seed=0)
    assert seen == [len(wine.train) + len(wine.validation)]


def test_it_is_deterministic(wine: Dataset, mlp: MLP) -> None:
    one, two, other = (finalize(mlp(60), wine, RECIPE, epochs=2, seed=s) for s in (1, 1, 2))
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert one.metrics == two.metrics
    assert one.metrics["test_loss"] != other.metrics["test_loss"]


def test_a_second_time_the_test_split_is_not_read(
    wine: Dataset, mlp: MLP, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finalize(mlp(60), wine, RECIPE, epochs=2, seed=0)
    reads: list[str] = []
    test = Dataset.test.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Dataset, "test", property(lambda self: reads.append("test") or test(self)))
    second = finalize(mlp(60), wine, RECIPE, epochs=2, seed=0, before=first.to_json())
    assert reads == []
    assert (second.metrics, second.at) == (first.metrics, first.at)
    finalize(mlp(60), wine, RECIPE, epochs=1, seed=0)
    assert reads == ["test"]


def test_errors_of_a_regression_come_in_its_own_unit(diabetes: Dataset, mlp: MLP) -> None:
    metrics = finalize(mlp(60), diabetes, RECIPE, epochs=3, seed=0).metrics
    assert set(metrics) == {"test_r2", "test_rmse", "test_mae", "test_loss"}
    assert 40 < metrics["test_rmse"] < 120


def test_data_without_a_test_split_are_trained_on_only(mlp: MLP) -> None:
    final = finalize(mlp(60), load("wine", test=0), RECIPE, epochs=1, seed=0)
    assert final.metrics == {}


def test_what_is_kept_is_json(wine: Dataset, mlp: MLP) -> None:
    final = Final(torch.nn.Identity(), {"test_loss": 0.5}, 3, 1.5, 99.0)
    assert final.to_json() == {
        "metrics": {"test_loss": 0.5},
        "epochs": 3,
        "duration_seconds": 1.5,
        "at": 99.0,
    }


def test_divergence_is_an_error(wine: Dataset, mlp: MLP) -> None:
    wild = Recipe(epochs=2, optimizer="sgd", learning_rate=1e12)
    with pytest.raises(EvaluationError, match="training diverged"):
        finalize(mlp(60), wine, wild, epochs=2, seed=0)
