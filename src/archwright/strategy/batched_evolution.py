"""Regularized evolution, many searches at once; the algorithm is that of `RegularizedEvolution`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from archwright.strategy.batched import Batched, Rows

if TYPE_CHECKING:
    from archwright.strategy.regularized_evolution import RegularizedEvolution

__all__ = ["BatchedEvolution"]


class BatchedEvolution(Batched):
    """`RegularizedEvolution` once for every seed.

    Args:
        strategy: The plain one; gives population, sample size, removal and the rest.
        seeds: One for each search.
    """

    def __init__(self, strategy: RegularizedEvolution, seeds: Sequence[int]) -> None:
        population, sample = strategy.population, strategy.sample_size
        super().__init__(strategy, seeds, repeats=strategy.repeats)
        self._population = population
        self._sample_size = sample
        self._replacement = strategy.replacement
        kind = _ByAge if strategy.removal == "oldest" else _ByRank
        self._members = kind(self.searches, population)
        self._edited = np.array(strategy.space.edited_slots, dtype=np.int64)

    def _propose(self) -> np.ndarray:
        if self.asked < self._population or not len(self._edited):
            return self._unseen(self._sampled)
        return self._unseen(self._children, self._sampled)

    def _children(self, rows: Rows) -> np.ndarray:
        """Return one mutation each of the best of a sample."""
        if self._replacement:
            uniforms = self._streams.take(rows, self._sample_size + 2)
            drawn = (uniforms[:, :-2] * self._population).astype(np.int64)
        else:
            drawn = self._streams.distinct(rows, self._population, self._sample_size)
            uniforms = self._streams.take(rows, 2)
        parents = self._members.best(rows, drawn)
        return self._mutated(parents, uniforms[:, -2], uniforms[:, -1])

    def _mutated(self, numbers: np.ndarray, where: np.ndarray, what: np.ndarray) -> np.ndarray:
        """Return numbers with one code exchanged for another, as `Space.mutate` draws both."""
        slots = self._edited.take((where * len(self._edited)).astype(np.int64))
        sizes, strides = self._sizes.take(slots), self._strides.take(slots)
        codes = numbers // strides % sizes
        others = (what * (sizes - 1)).astype(np.int64)
        others += others >= codes
        return numbers + (others - codes) * strides

    def _observe(self, losses: np.ndarray) -> None:
        self._members.add(self.numbers, losses)


class _ByAge:
    """Populations whose oldest member dies: a ring, in which trial `t` stands at `t % size`."""

    def __init__(self, searches: int, size: int) -> None:
        self._size = size
        self._numbers = np.zeros((searches, size), dtype=np.int64)
        self._losses = np.full((searches, size), np.inf)
        self._born = np.arange(size)  # trial numbers of the members, the same in all searches
        self._told = 0

    def add(self, numbers: np.ndarray, losses: np.ndarray) -> None:
        place = self._told % self._size
        self._numbers[:, place] = numbers
        self._losses[:, place] = losses
        self._born[place] = self._told
        self._told += 1

    def best(self, rows: Rows, drawn: np.ndarray) -> np.ndarray:
        """Return the numbers of the best among the places drawn, of equals the oldest."""
        start, drawn = rows * self._size, np.ascontiguousarray(drawn.T)
        losses = self._losses.take(start + drawn)  # (sample, rows): short axes reduce slowly
        beaten = losses > losses.min(axis=0)
        oldest = (self._born.take(drawn) + beaten * self._told).min(axis=0)
        parents: np.ndarray = self._numbers.take(start + oldest % self._size)
        return parents


class _ByRank:
    """Populations whose worst member dies: sorted from best to worst, equals by age."""

    def __init__(self, searches: int, size: int) -> None:
        self._numbers = np.zeros((searches, size), dtype=np.int64)
        self._losses = np.full((searches, size), np.nan)
        self._places = np.arange(size)

    def add(self, numbers: np.ndarray, losses: np.ndarray) -> None:
        place = (self._losses <= losses[:, None]).sum(axis=1, keepdims=True)
        for kept, new in ((self._numbers, numbers), (self._losses, losses)):
            moved = np.where(self._places > place, np.roll(kept, 1, axis=1), kept)
            kept[:] = np.where(self._places == place, new[:, None], moved)

    def best(self, rows: Rows, drawn: np.ndarray) -> np.ndarray:
        """Return the numbers of the best among the places drawn."""
        parents: np.ndarray = self._numbers[rows, drawn.min(axis=1)]
        return parents
