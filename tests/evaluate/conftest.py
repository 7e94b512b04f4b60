from __future__ import annotations

from collections.abc import Callable

import pytest

from archwright.data import Dataset, load
from archwright.evaluate import TrainEvaluator
from archwright.space import Architecture, Space, space_named
from archwright.train import Recipe

RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=1e-2)


@pytest.fixture(scope="session")
def wine() -> Dataset:
    return load("wine", seed=0)


@pytest.fixture(scope="session")
def diabetes() -> Dataset:
    return load("diabetes", seed=0)


@pytest.fixture(scope="session")
def space() -> Space:
    return space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))


@pytest.fixture(scope="session")
def mlp(space: Space) -> Callable[..., Architecture]:
    """Return architectures by their hidden widths."""
    return lambda *hidden: space.architecture({"hidden": hidden})


@pytest.fixture
def trainer(wine: Dataset, space: Space) -> Callable[..., TrainEvaluator]:
    """Return small train evaluators on wine: two epochs, one fold, no timing."""

    def make(data: Dataset = wine, recipe: Recipe = RECIPE, **settings: object) -> TrainEvaluator:
        chosen = {"folds": 1, "latency": False, **settings}
        return TrainEvaluator(space, data, recipe, **chosen)  # type: ignore[arg-type]

    return make
