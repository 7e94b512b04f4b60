"""Grid search: every architecture of a finite grid, in the order of the space.

The oldest baseline; what it is worth beside random search is the subject of J. Bergstra, Y.
Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012. Reals have no values to
enumerate, so each is cut into `levels` (evenly spaced, ends included; in the logarithm where the
decision says so); wide ranges of integers can be thinned the same way with `integer_levels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from archwright.errors import SpaceError
from archwright.space import Architecture, Choice, Decision, Group, Integer, List, Real, Space
from archwright.strategy.base import UNLIMITED, Strategy
from archwright.strategy.checks import integer
from archwright.trial import Constraint, Objective, Proposal

__all__ = ["GridSearch"]


class GridSearch(Strategy):
    """Propose every architecture of the grid once, the last decision changing fastest.

    Args:
        space: What to search.
        objectives: Not used; grid search learns nothing.
        constraints: Not used.
        seed: Not used; there is nothing random in it.
        levels: Number of values taken of each `Real`; at least 1 (which is the middle).
        integer_levels: Most values taken of each `Integer`, unless other decisions depend on it;
            at least 1; `None` is all.
        initial: Architectures to propose first; they need not be on the grid.
    """

    name = "grid"

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        levels: int = 5,
        integer_levels: int | None = None,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.levels = integer("levels", levels, low=1)
        self.integer_levels = (
            None if integer_levels is None else integer("integer_levels", integer_levels, low=1)
        )
        self._grid = self._points()

    @property
    def concurrency(self) -> int:
        """All at once: nothing depends on what is told."""
        return UNLIMITED

    def _propose(self) -> Proposal | None:
        for architecture in self._grid:
            if architecture in self._unseen:
                return Proposal(architecture, origin="grid")
        self._stop("every architecture of the grid was proposed")
        return None

    def _points(self) -> Iterator[Architecture]:
        """Return the architectures of the grid, as ones of the space."""
        coarse = self._coarse_parts(self.space.decisions)
        if coarse == dict(self.space.decisions):
            return self.space.enumerate()
        grid = Space(coarse, name=self.space.name)
        return self._valid(point.values for point in grid.enumerate())

    def _valid(self, points: Iterable[Mapping[str, Any]]) -> Iterator[Architecture]:
        for values in points:
            with suppress(SpaceError):  # a rule of the space, which the grid's has not
                yield self.space.architecture(values)

    def _coarse_parts(
        self, parts: Mapping[str, Decision], *, thin: bool = True
    ) -> dict[str, Decision]:
        conditions = [f"{path}." for part in parts.values() for path in part.when]
        return {
            name: self._coarse(
                part, thin=thin and not any(path.startswith(f"{name}.") for path in conditions)
            )
            for name, part in parts.items()
        }

    def _coarse(self, decision: Decision, *, thin: bool) -> Decision:
        """Return the decision with no more values than the grid has levels.

        Args:
            decision: One of the space.
            thin: Whether integers may lose values: not if a condition names them.
        """
        if isinstance(decision, Real):
            return Choice(_levels(decision, self.levels), when=decision.when)
        if isinstance(decision, Integer) and thin and self.integer_levels is not None:
            return Choice(_whole_levels(decision, self.integer_levels), when=decision.when)
        if isinstance(decision, List):
            item = self._coarse(decision.item, thin=thin)
            return List(item, decision.min_length, decision.max_length, when=decision.when)
        if isinstance(decision, Group):
            return Group(self._coarse_parts(decision.decisions, thin=thin))
        return decision


def _levels(decision: Real, levels: int) -> list[float]:
    places = [0.5] if levels == 1 else [level / (levels - 1) for level in range(levels)]
    return list(dict.fromkeys(decision.at(place) for place in places))


def _whole_levels(decision: Integer, levels: int) -> list[int]:
    last = decision.size - 1
    if levels == 1:
        return [decision.low + last // 2 * decision.step]
    steps = dict.fromkeys(round(level * last / (levels - 1)) for level in range(levels))
    return [decision.low + step * decision.step for step in steps]
