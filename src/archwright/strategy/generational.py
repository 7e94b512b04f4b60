"""What strategies share that work generation by generation, without ever waiting for one."""

from __future__ import annotations

from abc import abstractmethod

from archwright.strategy.base import Strategy
from archwright.strategy.ranking import Member
from archwright.trial import Proposal, Trial

__all__ = ["Generational"]


class Generational(Strategy):
    """Breed children from the parents; when enough newcomers are told, choose new parents.

    A generation closes when its number of trials has been *told*, whichever they are. So a slow
    trial holds up nobody: children asked for beyond the generation are bred from the same
    parents, and a trial told late joins the generation that is open then. Asked and told in step,
    this is the textbook's loop.
    """

    redraws = True

    population: int
    """Members of a generation, those kept from the one before included."""

    _parents: list[Member]
    """Sorted from best to worst; empty during the first generation."""
    _newcomers: list[Member]
    """Told since the last generation closed."""

    def _begin(self) -> None:
        """Start with an empty first generation; constructors call it when `population` is set."""
        self.generation = 0
        self._parents = []
        self._newcomers = []
        self._wanted = self.population

    @property
    def concurrency(self) -> int:
        """What is missing in the open generation and not yet asked for."""
        return max(1, self._wanted - len(self._newcomers) - len(self._open))

    def _propose(self) -> Proposal | None:
        return self._unseen.draw(self._child) if self._parents else self._unseen.random()

    def _observe(self, trial: Trial) -> None:
        self._newcomers.append(self._member(trial))
        if len(self._newcomers) >= self._wanted:
            newcomers, self._newcomers = self._newcomers, []
            kept = self._close(newcomers)
            self._wanted = self.population - kept
            self.generation += 1

    @abstractmethod
    def _child(self) -> Proposal:
        """Return one child of `_parents`, which are not empty."""

    @abstractmethod
    def _close(self, newcomers: list[Member]) -> int:
        """Set `_parents` of the next generation; return how many of its members that makes."""
