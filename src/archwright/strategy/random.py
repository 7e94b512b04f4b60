"""Random search: the baseline that every other strategy is shown beside.

J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012;
L. Li, A. Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.

Deviation: draws are without replacement, so that no evaluation is spent twice.
"""

from __future__ import annotations

from archwright.strategy.base import UNLIMITED, Strategy
from archwright.trial import Proposal

__all__ = ["RandomSearch"]


class RandomSearch(Strategy):
    """Draw architectures from the space, each at most once; learn nothing."""

    name = "random"

    @property
    def concurrency(self) -> int:
        """All at once: nothing depends on what is told."""
        return UNLIMITED

    def _propose(self) -> Proposal | None:
        return self._unseen.random()
