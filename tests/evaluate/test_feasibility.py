from __future__ import annotations

from collections.abc import Callable

import pytest

from archwright.data import Dataset
from archwright.errors import ConstraintError, NetworkError
from archwright.evaluate import TrainEvaluator
from archwright.space import Architecture, Integer, Space, space_named

Trainer = Callable[..., TrainEvaluator]
MLP = Callable[..., Architecture]


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("parameters<=100", r"keeps parameters<=100: .*\(13,\) the smallest, .* 853; raise.* 853 "),
        ("macs<=10", r"the smallest found, .*\(50,\).*, has macs 800; raise .* to at least 800 "),
        ("size_bytes<=10", "has size_bytes 3,412; raise the bound to at least 3412 or widen"),
        ("parameters>=1e6", r"the largest found, .*200, 200, 200.* 83,803; lower .* most 83803 "),
        ("macs>=1e6", "has macs 83,200; lower the bound to at most 83200 or widen the space"),
        ("latency_ms<=1e-7", "is near latency_ms<=1e-07: the fastest found takes 0.*on this mach"),
        ("val_accuracy>=2", "val_accuracy>=2 cannot be kept: val_accuracy is at most 1"),
        ("val_loss<=-1", "val_loss<=-1 cannot be kept: val_loss is never below 0"),
    ],
)
def test_an_impossible_bound_is_refused_with_what_is_possible(
    trainer: Trainer, constraint: str, message: str
) -> None:
    with pytest.raises(ConstraintError, match=message):
        trainer(constraints=[constraint]).check()


@pytest.mark.parametrize(
    "constraint",
    ["parameters<=853", "macs<=800", "size_bytes>=3412", "latency_ms<=1000", "val_accuracy>=0.99"],
)
def test_a_bound_that_can_be_kept_passes(trainer: Trainer, constraint: str) -> None:
    trainer(constraints=[constraint]).check()


def test_a_negative_r2_is_possible(trainer: Trainer, diabetes: Dataset) -> None:
    trainer(diabetes, constraints=["val_r2<=-1"]).check()


@pytest.mark.parametrize("metric", ["parameters", "macs", "size_bytes"])
def test_counts_become_rules_of_the_space(trainer: Trainer, mlp: MLP, metric: str) -> None:
    [(description, keeps)] = trainer(constraints=[f"{metric}<=5000"]).rules()
    assert description == f"{metric}<=5000"
    assert keeps(mlp(50))
    assert not keeps(mlp(200, 200, 200))


def test_a_space_that_cannot_be_built_for_the_data_is_refused(wine: Dataset) -> None:
    with pytest.raises(NetworkError, match=r"needs inputs of shape \(channels, height, width\)"):
        TrainEvaluator(space_named("cnn"), wine, folds=1).check()


def test_a_space_without_a_builder_is_refused(wine: Dataset) -> None:
    with pytest.raises(NetworkError, match="nothing builds networks for the space 'custom'"):
        TrainEvaluator(Space(x=Integer(1, 9)), wine, folds=1).check()
