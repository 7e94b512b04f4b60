"""After the search: train the winner once more on all it may see, and read the test split once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from archwright import network, train
from archwright.data import Dataset
from archwright.seeding import derive_seed
from archwright.space import Architecture

__all__ = ["Final", "finalize"]


@dataclass(frozen=True)
class Final:
    """The winner, trained on the training and validation splits together.

    Args:
        network: Trained, in evaluation mode.
        metrics: On the test split, names starting with "test_"; empty if the data have none.
        epochs: Passes over the data.
        duration_seconds: Wall time of the training in seconds.
        at: When the test split was read, in seconds since the epoch (UTC).
    """

    network: nn.Module
    metrics: Mapping[str, float]
    epochs: int
    duration_seconds: float
    at: float

    def to_json(self) -> dict[str, Any]:
        """Return all but the network."""
        return {
            "metrics": dict(self.metrics),
            "epochs": self.epochs,
            "duration_seconds": self.duration_seconds,
            "at": self.at,
        }


def finalize(
    architecture: Architecture,
    data: Dataset,
    recipe: train.Recipe,
    *,
    epochs: int,
    seed: int,
    before: Mapping[str, Any] | None = None,
) -> Final:
    """Train an architecture from fresh weights on training and validation data; then test it.

    There is nothing left to stop early on, so the number of epochs is the one at which the search
    saw it best.

    Args:
        architecture: The winner.
        data: With its test split, if there is one.
        recipe: As in the search.
        epochs: Passes over the data, at least 1.
        seed: Root of the weights and of the order of the data.
        before: What `Final.to_json` said when this winner was finalized the first time. The
            network is trained again, but the test split is not read again.

    Raises:
        EvaluationError: If training diverged.
    """
    built = network.build(
        architecture, data.input_shape, data.task.outputs, seed=derive_seed(seed, "weights")
    )
    fitted = train.fit(
        built,
        data.train_and_validation(),
        None,
        recipe.replace(stop_epoch=max(1, epochs), patience=None),
        task=data.task,
        seed=derive_seed(seed, "training"),
    )
    metrics: dict[str, float] = {}
    at = time.time()
    if before is not None:
        metrics, at = dict(before["metrics"]), float(before["at"])
    elif data.has_test:
        scale = data.preprocessing.target_scale or None
        measured = train.measure(fitted.network, data.test, task=data.task, scale=scale)
        metrics = {f"test_{name}": value for name, value in measured.items()}
    return Final(fitted.network, metrics, max(1, epochs), fitted.duration_seconds, at)
