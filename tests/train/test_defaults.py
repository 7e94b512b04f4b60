from __future__ import annotations

import pytest

from archwright.data import Task
from archwright.train import recipe_for

CLASSES, NUMBERS = Task("classification", 3), Task("regression", 1)


@pytest.mark.parametrize("rows", [10, 500, 999, 1_000, 5_000, 30_000, 1_000_000])
def test_a_candidate_takes_hundreds_to_thousands_of_steps_within_the_epochs(rows: int) -> None:
    recipe = recipe_for(rows, CLASSES)
    assert 8 <= recipe.epochs <= 60
    steps = recipe.epochs * max(1, rows // recipe.batch_size)
    assert steps <= 3500 or recipe.epochs == 8


def test_few_rows_are_trained_with_care() -> None:
    few, many = recipe_for(999, CLASSES), recipe_for(1000, CLASSES)
    assert few.epochs < many.epochs
    assert few.weight_decay > many.weight_decay


def test_regression_trains_longer_and_averages_the_weights_where_rows_allow() -> None:
    labels, numbers = recipe_for(5_000, CLASSES), recipe_for(5_000, NUMBERS)
    assert numbers.epochs > labels.epochs
    assert (labels.ema_decay, numbers.ema_decay) == (None, 0.998)
    assert recipe_for(999, NUMBERS).ema_decay is None


def test_only_labels_are_smoothed() -> None:
    assert recipe_for(100, CLASSES).label_smoothing > 0
    assert recipe_for(100, NUMBERS).label_smoothing == 0
