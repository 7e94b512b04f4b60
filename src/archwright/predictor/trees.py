"""Predictors made of regression trees, by scikit-learn.

P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006: `Forest`.
J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
29, 2001: `Boosting`, several machines on bootstrap samples.

Trees on the one-hot encoding and on proxy scores are among the best predictors on the recorded
benchmarks: C. White, A. Zela, R. Ru, Y. Liu, F. Hutter, "How powerful are performance predictors in
neural architecture search?", NeurIPS 2021; with proxies as features: A. Krishnakumar, C. White, A.
Zela, R. Tu, M. Safari, F. Hutter, "NAS-Bench-Suite-Zero", NeurIPS 2022. Settings are scikit-learn's
but for fewer trees, and steps twice as long where they are boosted. The spread is the deviation
over the trees or machines.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from archwright.errors import StrategyError
from archwright.predictor.predictor import Floats, Predictor
from archwright.space import Space

__all__ = ["Boosting", "Forest"]

_STEP = 0.2


class _Trees(Predictor):
    """Several regressors on the one-hot encoding beside the features."""

    _members: list[Callable[[Any], Floats]]

    def _predict(self, codes: Floats, features: Floats) -> tuple[Floats, Floats]:
        table = self._table(codes, features).astype(np.float32)  # what trees are made of
        each = np.stack([predicted(table) for predicted in self._members])
        return each.mean(axis=0), each.std(axis=0)

    def _fit(self, codes: Floats, features: Floats, values: Floats) -> None:
        self._members = self._fitted(self._table(codes, features), values)

    @abstractmethod
    def _fitted(self, table: Floats, values: Floats) -> list[Callable[[Any], Floats]]:
        """Return what each regressor predicts."""

    def _table(self, codes: Floats, features: Floats) -> Floats:
        return np.hstack([self.space.encode(codes, "one-hot"), features])


class Forest(_Trees):
    """Extremely randomized regression trees.

    Args:
        space: Of the architectures.
        seed: Root of all its randomness.
        trees: How many; at least 2.
    """

    name = "forest"

    def __init__(self, space: Space, *, seed: int, trees: int = 30) -> None:
        super().__init__(space, seed=seed)
        self.trees = _several("trees", trees)

    def _fitted(self, table: Floats, values: Floats) -> list[Callable[[Any], Floats]]:
        from sklearn.ensemble import ExtraTreesRegressor

        forest = ExtraTreesRegressor(self.trees, random_state=self.seed % 2**32)
        trees = forest.fit(table, values).estimators_
        return [partial(tree.predict, check_input=False) for tree in trees]


class Boosting(_Trees):
    """Gradient boosting machines, each on a bootstrap sample.

    Args:
        space: Of the architectures.
        seed: Root of all its randomness.
        machines: How many; at least 2.
        trees: Of each machine; at least 2.
    """

    name = "boosting"

    def __init__(self, space: Space, *, seed: int, machines: int = 3, trees: int = 30) -> None:
        super().__init__(space, seed=seed)
        self.machines, self.trees = _several("machines", machines), _several("trees", trees)

    def _fitted(self, table: Floats, values: Floats) -> list[Callable[[Any], Floats]]:
        from sklearn.ensemble import GradientBoostingRegressor

        rng = np.random.default_rng(self.seed)
        members = []
        for _ in range(self.machines):
            rows = rng.integers(len(table), size=len(table))
            machine = GradientBoostingRegressor(
                learning_rate=_STEP, n_estimators=self.trees, random_state=int(rng.integers(2**32))
            )
            members.append(machine.fit(table[rows], values[rows]).predict)
        return members


def _several(option: str, value: Any) -> int:
    if type(value) is not int or value < 2:
        raise StrategyError(
            f"option {option!r} of a predictor must be a whole number of at least 2; got {value!r}"
        )
    return value
