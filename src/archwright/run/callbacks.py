"""What a program may hear while a study runs."""

from __future__ import annotations

from collections.abc import Mapping

from archwright.trial import Trial

__all__ = ["Callback"]


class Callback:
    """Does nothing on every occasion; override what is of interest.

    Called in the process that called `Study.run`, between evaluations. An exception raised here
    stops the study; everything finished is kept.
    """

    def on_start(self, done: int, total: int | None) -> None:
        """Begin, with the number of trials already finished and the number allowed."""

    def on_claim(self, trials: list[Trial]) -> None:
        """Start evaluating trials in this process."""

    def on_progress(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """One more epoch of a trial that is being trained in this process."""

    def on_scored(self, architectures: int) -> None:
        """One more architecture was scored in this process, to guide the strategy."""

    def on_trial(self, trial: Trial) -> None:
        """One more trial has finished, here or in another process."""

    def on_stop(self, reason: str) -> None:
        """Nothing more will be evaluated by this call."""
