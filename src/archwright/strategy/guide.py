"""Scores that a strategy may look at before it proposes, such as those of training-free proxies.

    class Guide:                       what gives scores: proxies, a stored table, your own
    class Guidance:                    one strategy's memory of what its guide said

A strategy that takes a guide has the keyword `guide` in its constructor and keeps
`self._guide = Guidance(guide)`. What the guide said for a proposal goes into the record with that
proposal, so that whoever rebuilds the strategy from the record has nothing scored again.

Several proxies are put together by vote, see `vote`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archwright.errors import StrategyError, UnknownNameError
from archwright.space import Architecture

__all__ = ["Columns", "Guidance", "Guide", "best_voted", "vote"]

Floats = NDArray[np.float64]


class Guide(Protocol):
    """Scores architectures; the same architecture always gets the same scores."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores."""

    def score(self, architectures: Sequence[Architecture]) -> Floats:
        """Return `(architectures, columns)`, higher is better.

        NaN, and what else is not finite, means that there is no score.
        """

    def describe(self) -> dict[str, Any]:
        """Return JSON that says which guide it is: equal for equal scores, kept by a study."""


class Columns:
    """Some of the scores of a guide.

    Args:
        guide: Has them.
        columns: Which, in this order.

    Raises:
        UnknownNameError: If it has no such score.
    """

    def __init__(self, guide: Guide, columns: Sequence[str]) -> None:
        for name in columns:
            if name not in guide.columns:
                raise UnknownNameError("score of the guide", name, guide.columns)
        self.columns = tuple(columns)
        self._guide = guide
        self._places = [guide.columns.index(name) for name in columns]

    def score(self, architectures: Sequence[Architecture]) -> Floats:
        """Return `(architectures, columns)`."""
        return self._guide.score(architectures)[:, self._places]

    def describe(self) -> dict[str, Any]:
        """Return what the guide says of itself, and which columns these are."""
        return {**self._guide.describe(), "columns": list(self.columns)}


class Guidance:
    """What a guide said to one strategy; asks it about no architecture twice.

    Args:
        guide: Whom to ask.
    """

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self._known: dict[tuple[float, ...], Sequence[float]] = {}
        self._fresh: list[Architecture] = []
        self._seconds = 0.0

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        """Return the scores, `(architectures, columns)`.

        Raises:
            StrategyError: If the guide gives an array of another shape.
        """
        missing = {a.codes: a for a in architectures if a.codes not in self._known}
        if missing:
            self._ask(list(missing.values()))
        known = [self._known[a.codes] for a in architectures]
        return np.array(known, dtype=np.float64).reshape(len(known), len(self.guide.columns))

    def taken(self) -> dict[str, Any] | None:
        """Return as JSON what was learned since the last call; None if nothing was."""
        if not self._fresh:
            return None
        scores = [
            [a.to_json(), [None if math.isnan(s) else s for s in self._known[a.codes]]]
            for a in self._fresh
        ]
        columns = list(self.guide.columns)
        taken = {"columns": columns, "seconds": self._seconds, "scores": scores}
        self._fresh, self._seconds = [], 0.0
        return taken

    def recall(self, taken: Mapping[str, Any] | None) -> None:
        """Learn what was taken earlier, from the record."""
        for codes, scores in taken["scores"] if taken else ():
            self._known[tuple(codes)] = [math.nan if s is None else s for s in scores]

    def _ask(self, architectures: list[Architecture]) -> None:
        started = time.perf_counter()
        scores = self.guide.score(architectures)
        expected = (len(architectures), len(self.guide.columns))
        if scores.shape != expected:
            raise StrategyError(
                f"a guide must return scores of the shape (architectures, columns), here "
                f"{expected}; got {scores.shape}"
            )
        # Only what JSON keeps, so that a search goes on alike with recorded scores.
        scores = np.where(np.isfinite(scores), scores, np.nan)
        self._known.update(zip((a.codes for a in architectures), scores.tolist(), strict=True))
        self._fresh += architectures
        self._seconds += time.perf_counter() - started


def vote(scores: Floats) -> Floats:
    """Return the share of the other candidates that each beats, half a point for a draw.

    One beats another if more than half of the scores are higher. With one score that is its
    order. The same as "vote" of `archwright.proxy.combining`.

    Args:
        scores: `(candidates, columns)`, higher is better; NaN ranks last.

    Returns:
        `(candidates,)` in [0, 1]; 1 for a sole candidate.

    Example:
        >>> vote(np.array([[1.0, 10.0, 0.1], [2.0, 30.0, 0.3], [3.0, 20.0, 0.2]])).tolist()
        [0.0, 1.0, 0.5]
    """
    candidates, columns = scores.shape
    if candidates == 1:
        return np.ones(1)
    lowest = np.where(np.isnan(scores), -np.inf, scores)
    higher = (lowest[:, None] > lowest[None]).sum(axis=2)  # (candidates, candidates)
    won = 2 * higher > columns
    points = won.sum(axis=1) + 0.5 * (~won & ~won.T).sum(axis=1)
    shares: Floats = (points - 0.5) / (candidates - 1)  # less the draw with itself
    return shares


def best_voted(scores: Floats) -> int:
    """Return the place of the candidate that wins the vote; the first of several."""
    return int(np.argmax(vote(scores)))
