"""A strategy and its place in the history: asked so far, told so far, rebuilt by replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from archwright.errors import StoreError
from archwright.strategy import Strategy
from archwright.trial import Proposal, Trial

__all__ = ["Planner"]


class Planner:
    """Keeps one strategy in step with the recorded history of a study.

    Every worker may own one: a strategy is a pure function of its seed and of what it was asked
    and told, and each trial records how many finished trials were told before it was asked, so
    any planner can catch up with what others did.

    Args:
        make: Makes the strategy afresh.
        lag: None tells finished trials in the order in which they finished. A number N makes the
            history independent of timing: proposal k is asked knowing exactly the trials
            0 ... k - N, told by number.
    """

    def __init__(self, make: Callable[[], Strategy], *, lag: int | None = None) -> None:
        self._make = make
        self.lag = lag
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next `catch_up` must start from trial 0."""
        self.strategy = self._make()
        self.asked = 0
        self.told = 0
        self.seen = 0
        self._ahead: set[int] = set()
        self._finished: dict[int, Trial] = {}

    def learn(self, trial: Trial) -> None:
        """Take note of a finished trial; it is told when its turn comes.

        `seen` counts the finished trials known without a gap, in the order of finishing.
        """
        order = trial.finished_order
        assert order is not None
        if order == self.seen and not self._ahead:
            self.seen += 1
        elif order >= self.seen:
            self._ahead.add(order)
            while self.seen in self._ahead:
                self._ahead.remove(self.seen)
                self.seen += 1
        place = order if self.lag is None else trial.number
        if place >= self.told:
            self._finished[place] = trial

    def catch_up(self, trials: Iterable[Trial]) -> None:
        """Repeat the asks that other workers, or an earlier run, made.

        Args:
            trials: Those with number >= `asked`, ascending, in any status. What they were told
                before must have been learned.

        Raises:
            StoreError: If the strategy asks something else than was recorded.
        """
        for trial in trials:
            if trial.number < self.asked:
                continue
            self._tell(trial.told_before)
            self.strategy.recall(trial.proposal)
            repeated = self.strategy.ask(1)
            if not repeated or repeated[0].architecture != trial.architecture:
                raise StoreError(
                    f"trial {trial.number} of the history cannot be repeated: the strategy asks "
                    f"{repeated[0].architecture if repeated else 'nothing'}, recorded is "
                    f"{trial.architecture}; the study was made by another version, seed or space"
                )
            self.asked += 1

    def ask(self, n: int) -> tuple[list[Proposal], int]:
        """Ask for up to n proposals with all that may be told.

        Returns:
            The proposals and how many finished trials were told before them. Empty if the
            strategy has stopped, or if a lagging trial has to finish first.
        """
        if self.lag is None:
            while (trial := self._finished.pop(self.told, None)) is not None:
                self.strategy.tell(trial)
                self.told += 1
        else:
            n = self._ready(n)
            if n == 0:
                return [], self.told
        if n > 1:
            n = max(1, min(n, self.strategy.concurrency))
        proposals = self.strategy.ask(n)
        self.asked += len(proposals)
        return proposals, self.told

    @property
    def stopped(self) -> str | None:
        """Why the strategy has no more to propose; None while it has."""
        return self.strategy.stopped

    def _ready(self, n: int) -> int:
        """Tell exactly the trials that proposal `asked` may know; return how many can be asked.

        All proposals of one call share what was told, so at most one is asked while trials are
        being told; before that the first N need nothing.
        """
        assert self.lag is not None
        needed = max(0, self.asked - self.lag + 1)
        if any(number not in self._finished for number in range(self.told, needed)):
            return 0
        self._tell(needed)
        free = self.lag - self.asked if self.asked < self.lag else 1
        return min(n, free)

    def _tell(self, until: int) -> None:
        while self.told < until:
            trial = self._finished.pop(self.told, None)
            if trial is None:
                raise StoreError(
                    f"the history is incomplete: the strategy was told {until} trials, but "
                    f"number {self.told} of them is not finished in the store"
                )
            self.strategy.tell(trial)
            self.told += 1
