"""Random search: the baseline that every other strategy is shown beside.

J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012;
L. Li, A. Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.

Deviation: draws are without replacement, so that no evaluation is spent twice. `repeats=True` is
the published loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.space import Architecture, Space
from archwright.strategy.base import UNLIMITED, Strategy
from archwright.strategy.batched import Batched, Rows, can_batch
from archwright.strategy.checks import boolean
from archwright.trial import Constraint, Objective, Proposal

__all__ = ["RandomSearch"]


class RandomSearch(Strategy):
    """Draw architectures from the space, each at most once; learn nothing.

    Args:
        space: What to search.
        objectives: Not used; random search learns nothing.
        constraints: Not used.
        seed: Root of all its randomness.
        repeats: Whether an architecture may be proposed again, as when drawing with replacement.
        initial: Architectures to propose first.
    """

    name = "random"
    redraws = True

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective | str],
        *,
        constraints: Sequence[Constraint | str] = (),
        seed: int,
        repeats: bool = False,
        initial: Sequence[Mapping[str, Any] | Architecture] = (),
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed, initial=initial)
        self.repeats = boolean("repeats", repeats)

    @property
    def concurrency(self) -> int:
        """All at once: nothing depends on what is told."""
        return UNLIMITED

    def batched(self, seeds: Sequence[int]) -> Batched | None:
        """Return this search once for every seed; None unless the space is a product."""
        return _BatchedRandom(self, seeds, repeats=self.repeats) if can_batch(self) else None

    def _propose(self) -> Proposal | None:
        if self.repeats:
            return Proposal(self.space.sample(rng=self._rng), origin="random")
        return self._unseen.random()


class _BatchedRandom(Batched):
    def _propose(self) -> Rows:
        return self._unseen(self._sampled)
