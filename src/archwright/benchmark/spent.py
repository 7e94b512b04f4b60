"""What queries have cost: an account of its own, so that many searches can share one table."""

from __future__ import annotations

from dataclasses import dataclass

from archwright.trial import Measurement

__all__ = ["Spent"]


@dataclass
class Spent:
    """A mutable account of what a search has spent on a table.

    Args:
        seconds: Recorded seconds, summed.
        epochs: Trained epochs, summed.
        queries: How many.

    Example:
        >>> spent = Spent()
        >>> spent.add(Measurement({"val_accuracy": 0.9}, cost_seconds=12.5, step=4))
        >>> spent
        Spent(seconds=12.5, epochs=4, queries=1)
    """

    seconds: float = 0.0
    epochs: int = 0
    queries: int = 0

    def add(self, measurement: Measurement, epochs: int | None = None) -> None:
        """Count one query.

        Args:
            measurement: What it returned; its cost and its step are added.
            epochs: Epochs to count instead of the step.
        """
        self.seconds += measurement.cost_seconds
        self.epochs += measurement.step if epochs is None else epochs
        self.queries += 1

    def reset(self) -> None:
        """Start again from nothing."""
        self.seconds, self.epochs, self.queries = 0.0, 0, 0
