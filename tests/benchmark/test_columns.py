from __future__ import annotations

import numpy as np
import pytest

from archwright.benchmark import Column
from archwright.benchmark.columns import narrowest
from archwright.errors import BenchmarkError


def test_name_may_carry_the_dataset() -> None:
    column = Column("cifar100/val_accuracy", "percent", "max", "val")
    assert (column.dataset, column.name) == ("cifar100", "val_accuracy")
    assert column.full_name == "cifar100/val_accuracy"
    assert column == Column("val_accuracy", "percent", "max", "val", dataset="cifar100")
    assert Column("parameters").full_name == "parameters"


@pytest.mark.parametrize(
    ("options", "axes", "shape"),
    [
        ({}, (), ()),
        ({"epochs": (4, 12)}, ("epochs",), (2,)),
        ({"repeats": 3}, ("repeats",), (3,)),
        ({"repeats": 1}, ("repeats",), (1,)),
        ({"repeats": 1, "axes": ()}, (), ()),
        ({"epochs": [4, 12], "repeats": 3}, ("epochs", "repeats"), (2, 3)),
        (
            {"epochs": (4,), "repeats": 2, "axes": ("epochs", "repeats")},
            ("epochs", "repeats"),
            (1, 2),
        ),
    ],
)
def test_axes_follow_from_epochs_and_repeats(options: dict, axes: tuple, shape: tuple) -> None:
    column = Column("loss", "nats", "min", "val", **options)
    assert column.axes == axes
    assert column.shape == shape
    assert Column.from_json(column.to_json()) == column


def test_json_leaves_out_what_is_empty() -> None:
    column = Column("val_accuracy", "percent", "max", "val", repeats=2, seeds=(777, 888))
    assert column.to_json() == {
        "name": "val_accuracy",
        "unit": "percent",
        "direction": "max",
        "split": "val",
        "repeats": 2,
        "seeds": (777, 888),
        "moment": "final",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "val accuracy"}, "'val accuracy': a name is letters, digits"),
        ({"name": "a/b", "dataset": "c"}, "names the dataset 'a'; got 'c' too"),
        ({"direction": "up"}, "direction must be one of 'max', 'min'; got 'up'"),
        ({"split": "valid"}, "split must be one of 'train', 'val', 'test', ''; got 'valid'"),
        ({"moment": "start"}, "moment must be one of 'final', 'halfway'; got 'start'"),
        ({"epochs": (12, 4)}, r"epochs must ascend from 1 up; got \(12, 4\)"),
        ({"epochs": (0, 4)}, "epochs must ascend from 1 up"),
        ({"repeats": -1}, "repeats must be 0 or more"),
        ({"repeats": 2, "seeds": (1,)}, r"one for each seed; got 2 with the seeds \(1,\)"),
        ({"axes": ("repeats",)}, r"axes must be \(\) for epochs \(\) and 0 repeats"),
        ({"moment": "halfway"}, "halfway needs epochs"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        Column(**{"name": "loss", **options})


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], "u1"),
        ([-1, 127], "i1"),
        ([0.0, 65535.0], "<u2"),
        ([2.0**31, 1.0], "<u4"),
        ([-(2.0**40), 1.0], "<i8"),
        ([2.0**60, 0.5], "<f4"),
        ([0.5, float("nan")], "<f4"),
        ([1.0, float("nan")], "<f4"),
        ([63.36399998], "<f8"),
        ([2.0**53 + 2, 1.0], "<f8"),
    ],
)
def test_narrowest_type_loses_nothing(values: list[float], dtype: str) -> None:
    narrow = narrowest(np.array(values))
    assert narrow.dtype == np.dtype(dtype)
    assert np.array_equal(narrow.astype(np.float64), np.array(values), equal_nan=True)


def test_whole_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="64 bits with a sign; got 18446744073709551615"):
        narrowest(np.array([2**64 - 1], dtype=np.uint64))
