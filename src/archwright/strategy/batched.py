"""Many repeats of one search, advanced together in numpy: the same proposals, much sooner.

When evaluations are looked up in a table, the loop in Python is all that a search costs, and a
comparison wants hundreds of repeats. Here all repeats take each step at the same time: a step is
some dozen operations on arrays with one row for each search.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archwright.errors import StrategyError
from archwright.seeding import generator
from archwright.space import Space
from archwright.strategy._streams import Ahead
from archwright.strategy.checks import integer
from archwright.strategy.unseen import EVERY_ONE, PATIENCE

if TYPE_CHECKING:
    from archwright.strategy.base import Strategy

__all__ = ["Batched", "Rows", "batched", "can_batch"]

_LARGEST_MAP = 2**28  # bytes that say what was proposed; above, sets do it

Rows: TypeAlias = np.ndarray
"""Which searches: int64 `(rows,)`, ascending."""


class Batched(ABC):
    """One strategy once for every seed; each proposal is told before the next one is asked.

    Search `i` proposes exactly what the plain strategy with `seeds[i]` proposes when it is asked
    for one and told it, in turn: its random numbers come from the same generator, drawn ahead,
    and a search that draws again, for what was proposed before, moves on in its own stream.

    Architectures are numbers here: the rank of their codes, the first decision slowest (that is
    `Space.number`).

    Args:
        strategy: The plain one, on a space of which `is_product` holds; its seed does not matter.
        seeds: One for each search, at least one.
        repeats: Whether a search may propose an architecture again.

    Attributes:
        searches: How many there are.
        asked: How many proposals each of them made.
        numbers: The last proposals, int64 `(searches,)`.
    """

    def __init__(self, strategy: Strategy, seeds: Sequence[int], *, repeats: bool) -> None:
        space = strategy.space
        seeds = [integer("seeds", seed, low=0) for seed in seeds]
        if not seeds:
            raise StrategyError("a batched strategy needs at least one seed; got none")
        self.space = space
        self.searches = len(seeds)
        self.asked = 0
        self._told = 0
        self._stopped: str | None = None
        self._sizes = np.array(space.program.sizes, dtype=np.int64)
        self._strides = np.append(np.cumprod(self._sizes[:0:-1])[::-1], 1).astype(np.int64)
        generators = [generator(seed, "strategy", strategy.name) for seed in seeds]
        self._streams = Ahead(generators)
        self._rows: Rows = np.arange(self.searches)
        self._first = [self._number(space.architecture(v).codes) for v in strategy.initial]
        self._seen = None if repeats else _seen(self.searches, int(space.size))
        self._rest: np.ndarray | None = None
        self.numbers = np.zeros(self.searches, dtype=np.int64)

    @property
    def stopped(self) -> str | None:
        """Why there will be no more proposals; `None` while there may be."""
        return self._stopped

    def ask(self) -> np.ndarray:
        """Return the next proposal of every search: codes, int64 `(searches, slots)`.

        Once `stopped` holds a reason, it has no rows.

        Raises:
            StrategyError: If the last proposals were not told yet.
        """
        if self._told < self.asked:
            raise StrategyError(
                f"proposal {self.asked - 1} was not told yet; searches that are advanced together "
                "are asked and told in turn"
            )
        if self._seen is not None and self.asked == self.space.size:
            self._stopped = EVERY_ONE
            return np.empty((0, len(self._sizes)), dtype=np.int64)
        if self.asked < len(self._first):
            self.numbers = np.full(self.searches, self._first[self.asked])
        else:
            self.numbers = self._propose()
        if self._seen is not None:
            self._seen.add(self.numbers)
        self.asked += 1
        return self.numbers[:, None] // self._strides % self._sizes

    def tell(self, fitness: np.ndarray) -> None:
        """Learn what the last proposals were worth.

        Args:
            fitness: float64 `(searches,)`, higher is better; not finite for one that failed.

        Raises:
            StrategyError: If nothing was asked, or there is not one number for each search.
        """
        fitness = np.asarray(fitness, dtype=np.float64)
        if fitness.shape != (self.searches,):
            raise StrategyError(
                f"tell takes one fitness for each of {self.searches} searches; got an array of "
                f"shape {fitness.shape}"
            )
        if self._told == self.asked:
            raise StrategyError(
                f"proposal {self.asked - 1} was told already; ask for the next one"
                if self.asked
                else "nothing was asked yet; ask before you tell"
            )
        self._told += 1
        self._observe(np.where(np.isfinite(fitness), -fitness, np.inf))

    @abstractmethod
    def _propose(self) -> np.ndarray:
        """Return the next number of every search."""

    def _observe(self, losses: np.ndarray) -> None:  # noqa: B027 - learning nothing is allowed
        """Learn the losses `(searches,)` of the last proposals; infinite where one failed."""

    def _unseen(self, *ideas: Callable[[Rows], np.ndarray]) -> np.ndarray:
        """Return for every search the first unseen number of the first idea that finds one.

        Each idea is drawn up to `PATIENCE` times for a row; where all fail, it is the first
        unseen one in the order of `Space.enumerate`.
        """
        rows, numbers = self._rows, np.empty(self.searches, dtype=np.int64)
        for idea in ideas:
            for _ in range(PATIENCE):
                drawn = idea(rows)
                numbers[rows] = drawn
                if self._seen is None:
                    return numbers
                rows = rows[self._seen.holds(rows, drawn)]
                if not len(rows):
                    return numbers
        for row in rows.tolist():
            numbers[row] = self._next_of_rest(row)
        return numbers

    def _sampled(self, rows: Rows) -> np.ndarray:
        """Return random numbers, as `Space.sample` draws them."""
        codes = (self._streams.take(rows, len(self._sizes)) * self._sizes).astype(np.int64)
        return codes @ self._strides

    def _next_of_rest(self, row: int) -> int:
        assert self._seen is not None
        if self._rest is None:
            codes = np.array([a.codes for a in self.space.enumerate()], dtype=np.int64)
            self._rest = codes @ self._strides
        left = ~self._seen.holds(np.full(len(self._rest), row), self._rest)
        return int(self._rest[np.argmax(left)])

    def _number(self, codes: Sequence[float]) -> int:
        return int(np.array(codes, dtype=np.int64) @ self._strides)


def can_batch(strategy: Strategy) -> bool:
    """Return whether the space is a product and nothing but the fitness counts."""
    return strategy.space.is_product and not strategy.constraints


def batched(
    name: str,
    space: Space,
    seeds: Sequence[int],
    options: Mapping[str, Any] | None = None,
) -> Batched | None:
    """Return many repeats of a strategy that are advanced together.

    Args:
        name: A name or alias of `STRATEGIES`.
        space: What to search.
        seeds: One for each search.
        options: The strategy's own options, the same for all.

    Returns:
        None if this strategy has no such form, or not on this space: run the plain ones then.
        "random" and "regularized-evolution" have one where `Space.is_product` holds.

    Raises:
        UnknownNameError: If there is no such strategy, or it has no such option.
        StrategyError: If an option or a seed is out of its range.

    Example:
        >>> from archwright.space import Choice, Space
        >>> space = Space(width=Choice(8, 16, 32), depth=Choice(1, 2, 3))
        >>> searches = batched("random", space, seeds=range(4))
        >>> searches.ask().shape
        (4, 2)
    """
    from archwright.strategy.catalog import make_strategy  # it imports this module

    return make_strategy(name, space, ["max:fitness"], **(options or {})).batched(seeds)


class _Map:
    """What was proposed, a byte for each search and architecture of the space."""

    def __init__(self, searches: int, size: int) -> None:
        self._seen = np.zeros(searches * size, dtype=bool)
        self._base = np.arange(searches) * size

    def add(self, numbers: np.ndarray) -> None:
        self._seen[self._base + numbers] = True

    def holds(self, rows: Rows, numbers: np.ndarray) -> np.ndarray:
        held: np.ndarray = self._seen.take(self._base.take(rows) + numbers)
        return held


class _Sets:
    """What was proposed, a set for each search: for spaces too large for a map."""

    def __init__(self, searches: int) -> None:
        self._seen: list[set[int]] = [set() for _ in range(searches)]

    def add(self, numbers: np.ndarray) -> None:
        for seen, number in zip(self._seen, numbers.tolist(), strict=True):
            seen.add(number)

    def holds(self, rows: Rows, numbers: np.ndarray) -> np.ndarray:
        pairs = zip(rows.tolist(), numbers.tolist(), strict=True)
        return np.array([number in self._seen[row] for row, number in pairs], dtype=bool)


def _seen(searches: int, size: int) -> _Map | _Sets:
    small = searches * size <= _LARGEST_MAP
    return _Map(searches, size) if small else _Sets(searches)
