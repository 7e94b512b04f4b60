"""The interface of all predictors: `fit`, `predict`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from archwright.errors import StrategyError
from archwright.space import Space

__all__ = ["Floats", "Predictor"]

Floats = NDArray[np.float64]


class Predictor(ABC):
    """Learns values of architectures and predicts those of others, with how sure it is.

    What it predicts is a function of its options, its seed and what it was fitted to last; `fit`
    forgets what it was fitted to before. A kind of predictor gives a `name`, takes its options as
    keyword arguments, and fills in `_fit` and `_predict`.

    Args:
        space: Of the architectures.
        seed: Root of all its randomness.
    """

    name: ClassVar[str]

    def __init__(self, space: Space, *, seed: int) -> None:
        self.space = space
        self.seed = seed
        self._features: int | None = None  # how many; None until it is fitted

    def fit(self, codes: Any, features: Any, values: Any) -> None:
        """Learn.

        Args:
            codes: `(architectures, slots)`, the ordinal encoding of the space.
            features: `(architectures, features)`, finite; there may be none of them.
            values: `(architectures,)`, finite, higher is better.

        Raises:
            StrategyError: If the shapes do not fit, there is nothing to learn from, or something
                is not finite.
        """
        codes, features = self._checked(codes, features)
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (len(codes),) or not len(values) or not np.isfinite(values).all():
            raise StrategyError(
                f"a predictor learns one finite value for each of {len(codes)} architectures, at "
                f"least one; got values of the shape {values.shape}"
            )
        self._features = features.shape[1]
        self._fit(codes, features, values)

    def predict(self, codes: Any, features: Any) -> tuple[Floats, Floats]:
        """Return the mean and the standard deviation of what is predicted, `(architectures,)` each.

        Raises:
            StrategyError: If it was not fitted, or to another number of features.
        """
        codes, features = self._checked(codes, features)
        if self._features != features.shape[1]:
            fitted = "nothing" if self._features is None else f"{self._features} features"
            raise StrategyError(
                f"a predictor must be fitted to what it predicts from; got {features.shape[1]} "
                f"features, it was fitted to {fitted}"
            )
        return self._predict(codes, features)

    @abstractmethod
    def _fit(self, codes: Floats, features: Floats, values: Floats) -> None:
        """Learn, from checked arrays."""

    @abstractmethod
    def _predict(self, codes: Floats, features: Floats) -> tuple[Floats, Floats]:
        """Return mean and deviation, from checked arrays."""

    def _checked(self, codes: Any, features: Any) -> tuple[Floats, Floats]:
        codes, features = np.asarray(codes, np.float64), np.asarray(features, np.float64)
        width = len(self.space.slots)
        if codes.ndim != 2 or codes.shape[1] != width or features.shape[:-1] != (len(codes),):
            raise StrategyError(
                f"a predictor takes codes (architectures, {width}) and features (architectures, "
                f"features); got the shapes {codes.shape} and {features.shape}"
            )
        if not np.isfinite(features).all():
            raise StrategyError(
                "features of a predictor must be finite; standardise them first, as RankGauss does"
            )
        return codes, features
