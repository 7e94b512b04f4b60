"""Proposal, measurement, outcome and trial: plain frozen values, JSON in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from archwright.errors import EvaluationError, GoalError
from archwright.space import Architecture, Space
from archwright.trial._record import record

__all__ = ["Fidelity", "Measurement", "MetricInfo", "Outcome", "Proposal", "Status", "Trial"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Status(StrEnum):
    """Where a trial is in its life. All but the first two are final."""

    PENDING = "pending"
    """Asked, waiting for a worker."""
    RUNNING = "running"
    """Claimed by a worker that holds a lease."""
    COMPLETED = "completed"
    """Measured; all metrics are finite."""
    INVALID = "invalid"
    """Refused before work was spent: breaks a hard constraint or cannot be built."""
    DIVERGED = "diverged"
    """Training produced NaN or an infinity."""
    OUT_OF_MEMORY = "out_of_memory"
    """Exceeded the memory of the machine or the limit for one trial."""
    TIMEOUT = "timeout"
    """Exceeded the time limit for one trial."""
    CRASHED = "crashed"
    """Raised, or its process died, as often as it may be tried."""

    @property
    def finished(self) -> bool:
        """Whether the trial will not change any more."""
        return self is not _PENDING and self is not _RUNNING

    @property
    def failed(self) -> bool:
        """Whether the trial finished without a measurement."""
        return self.finished and self is not _COMPLETED


_PENDING, _RUNNING, _COMPLETED = Status.PENDING, Status.RUNNING, Status.COMPLETED  # quick to read


@record
class Fidelity:
    """How thoroughly one trial is evaluated. `None` leaves it to the evaluator.

    Args:
        epochs: Passes over the training data.
        fraction: Part of the training data used, in (0, 1].
        resolution: Side of the input images in pixels.
    """

    epochs: int | None = None
    fraction: float | None = None
    resolution: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise GoalError(f"epochs must be at least 1; got {self.epochs!r}")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise GoalError(f"fraction must be in (0, 1]; got {self.fraction!r}")
        if self.resolution is not None and self.resolution < 1:
            raise GoalError(f"resolution must be at least 1; got {self.resolution!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        fields = {"epochs": self.epochs, "fraction": self.fraction, "resolution": self.resolution}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fidelity:
        """Rebuild what `to_json` wrote."""
        return FULL if not data else cls(**data)


FULL = Fidelity()
"""The evaluator's own full fidelity."""


@record
class Proposal:
    """What a strategy asks to have evaluated.

    Args:
        architecture: The architecture.
        fidelity: How thoroughly.
        parents: Numbers of the trials it was derived from; empty for a random one.
        origin: How it came about, in a word or two ("random", "mutation", "crossover+mutation").
        guidance: JSON: "scores", pairs of codes and scores of candidates that the strategy looked
            at first, named by "columns", and the "seconds" that took. No part of equality.
    """

    architecture: Architecture
    fidelity: Fidelity = FULL
    parents: tuple[int, ...] = ()
    origin: str = ""
    guidance: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value from which `from_json` rebuilds the proposal in its space."""
        data: dict[str, Any] = {"architecture": self.architecture.to_json()}
        if fidelity := self.fidelity.to_json():
            data["fidelity"] = fidelity
        if self.parents:
            data["parents"] = list(self.parents)
        if self.origin:
            data["origin"] = self.origin
        if self.guidance:
            data["guidance"] = self.guidance
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], space: Space) -> Proposal:
        """Rebuild what `to_json` wrote.

        Raises:
            SpaceError: If the architecture is not one of the space.
        """
        return cls(
            space.from_json_architecture(data["architecture"]),
            Fidelity.from_json(data.get("fidelity", _NOTHING)),
            tuple(data.get("parents", ())),
            data.get("origin", ""),
            data.get("guidance"),
        )


@record
class MetricInfo:
    """What an evaluator says about one metric it reports.

    Args:
        name: As in `Measurement.metrics`; starts with its split ("val_accuracy") if it has one.
        direction: "max" if higher is better, "min" if lower is.
        unit: "fraction", "seconds", "ms", "count", "bytes", "target" (the target's own unit) ...
        split: "train", "val", "test" or "" for what does not depend on data.
    """

    name: str
    direction: str
    unit: str = ""
    split: str = ""


@record
class Measurement:
    """What an evaluation found.

    Args:
        metrics: Finite numbers by name; accuracies are fractions in [0, 1].
        cost_seconds: What the evaluation cost, in seconds of the machine that did it (or of the
            recording machine for a table).
        step: Epochs (or steps of the evaluator's own kind) after which it was measured.
        curve: Metrics after each epoch, name to values; may be empty.
        info: Further JSON facts, not used for decisions ("cached", "engine", "stopped_early").
    """

    metrics: Mapping[str, float]
    cost_seconds: float = 0.0
    step: int = 0
    curve: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    def non_finite(self) -> str | None:
        """Return the name of the first metric that is NaN or infinite, if any."""
        if all(map(math.isfinite, self.metrics.values())):
            return None
        return next(name for name, value in self.metrics.items() if not math.isfinite(value))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value from which `from_json` rebuilds the measurement."""
        data: dict[str, Any] = {
            "metrics": dict(self.metrics),
            "cost_seconds": self.cost_seconds,
            "step": self.step,
        }
        if self.curve:
            data["curve"] = {name: list(values) for name, values in self.curve.items()}
        if self.info:
            data["info"] = dict(self.info)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Rebuild what `to_json` wrote."""
        curve = {name: tuple(values) for name, values in data.get("curve", _NOTHING).items()}
        return cls(
            data["metrics"], data["cost_seconds"], data["step"], curve, data.get("info", _NOTHING)
        )


@record
class Outcome:
    """How one evaluation ended: a measurement, or a status with its reason.

    Args:
        status: A finished status.
        measurement: Present exactly when the status is completed. May be present for an invalid
            trial too: what was counted before it was refused (parameters, MACs).
        error: The reason, one line, for every other status.
        traceback: The traceback, where there is one.
        cost_seconds: What was spent, also on a failure.
    """

    status: Status
    measurement: Measurement | None = None
    error: str = ""
    traceback: str = ""
    cost_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.status is _COMPLETED:
            if self.measurement is None:
                raise EvaluationError("an outcome that is completed has a measurement; got None")
        elif not self.status.finished:
            raise EvaluationError(f"an outcome has a final status; got {self.status.value!r}")

    @classmethod
    def completed(cls, measurement: Measurement) -> Outcome:
        """Wrap a measurement; one with a metric that is not finite becomes diverged."""
        name = measurement.non_finite()
        if name is None:
            return cls(_COMPLETED, measurement, "", "", measurement.cost_seconds)
        value = measurement.metrics[name]
        return cls(
            Status.DIVERGED,
            error=f"metric {name!r} is {value}",
            cost_seconds=measurement.cost_seconds,
        )


@record
class Trial:
    """One proposal's life, as the store has it.

    Args:
        number: 0, 1, 2 ... in the order of asking, without gaps.
        proposal: What was asked.
        seed: Root of all randomness of its evaluation, in [0, 2**63).
        status: Where it stands.
        told_before: How many finished trials the strategy had been told when it asked this one.
        attempt: How often it was claimed (0 while it never was).
        finished_order: Its place among the finished trials (0, 1, ...); None before. Strategies
            are told in this order.
        outcome: Present exactly when the status is final.
        worker: Who holds or held it.
        asked_at: Seconds since the epoch (UTC).
        started_at: When the last attempt began; None before.
        finished_at: None before.
    """

    number: int
    proposal: Proposal
    seed: int
    status: Status = Status.PENDING
    told_before: int = 0
    attempt: int = 0
    finished_order: int | None = None
    outcome: Outcome | None = None
    worker: str = ""
    asked_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def architecture(self) -> Architecture:
        """The architecture that was proposed."""
        return self.proposal.architecture

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics by name; empty unless something was measured."""
        if self.outcome is None or self.outcome.measurement is None:
            return _NOTHING
        return self.outcome.measurement.metrics

    @property
    def cost_seconds(self) -> float:
        """What the evaluation cost; 0 before it finished."""
        return self.outcome.cost_seconds if self.outcome else 0.0

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        return self.outcome.error if self.outcome else ""

    def finish(self, outcome: Outcome, *, order: int | None = None, at: float = 0.0) -> Trial:
        """Return the trial as it is after its evaluation ended."""
        return replace(
            self, status=outcome.status, outcome=outcome, finished_order=order, finished_at=at
        )
