"""The evaluator seam: proposals in, measurements or outcomes out."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archwright.errors import ArchwrightError, ConstraintError, EvaluationError, NetworkError
from archwright.space import Architecture
from archwright.trial import Measurement, MetricInfo, Outcome, Proposal, Status, Trial

__all__ = ["Context", "Evaluator", "outcome_of"]


def _never() -> bool:
    return False


def _ignore(index: int, step: int, metrics: Mapping[str, float]) -> None:
    del index, step, metrics


@dataclass(frozen=True, slots=True)
class Context:
    """What the loop around an evaluation offers to it.

    Args:
        should_stop: Asked now and then by long evaluations; true means give up soon and raise
            `KeyboardInterrupt`.
        report: Called with (index in the batch, epoch, metrics so far) as training goes on.
    """

    should_stop: Callable[[], bool] = _never
    report: Callable[[int, int, Mapping[str, float]], None] = _ignore


NO_CONTEXT = Context()

_FAILURES = {str(status): status for status in Status if status.failed}


class Evaluator(ABC):
    """Evaluates proposals.

    A kind of evaluator defines `metrics` and `evaluate`; it may define `evaluate_batch` when many
    proposals together are cheaper, and then says in `batch_size` how many it likes at once. The
    results must not depend on which proposals share a batch.

    Attributes:
        metrics: What it reports. Fitness never comes from the test split: a metric of split
            "test" may be reported by a recorded table, but `Study` refuses it as an objective.
        batch_size: How many proposals it likes at once.
        seed_by: "architecture" if a trial's seed depends on the study and the architecture only,
            so that evaluating the same one again gives the same result; "trial" if every trial
            draws anew (repeats of a table).
    """

    metrics: tuple[MetricInfo, ...] = ()
    batch_size: int = 1
    seed_by: str = "architecture"

    @abstractmethod
    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Evaluate one proposal.

        Args:
            proposal: The architecture and its fidelity.
            seed: Root of all randomness of the evaluation.
            context: Progress and cancellation.

        Raises:
            EvaluationError: If it failed; carries the status to record.
            ConstraintError: If it breaks a hard constraint; nothing was spent on it.
        """

    def evaluate_batch(
        self, proposals: Sequence[Proposal], *, seeds: Sequence[int], context: Context = NO_CONTEXT
    ) -> list[Outcome]:
        """Evaluate several proposals; a failure of one is its outcome and leaves the others be."""
        outcomes = []
        for proposal, seed in zip(proposals, seeds, strict=True):
            started = time.perf_counter()
            try:
                measured = self.evaluate(proposal, seed=seed, context=context)
            except Exception as error:  # noqa: BLE001 - a failed trial is data, whatever it raised
                outcomes.append(outcome_of(error, time.perf_counter() - started))
            else:
                outcomes.append(Outcome.completed(measured))
        return outcomes

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return the constraints that can be told from an architecture alone, for the space.

        Each is a description and a predicate that is a pure function of the architecture. The
        study restricts the space with them, so that no proposal is wasted.
        """
        return ()

    def check(self) -> None:  # noqa: B027 - most evaluators have nothing to refuse
        """Find out before the first trial whether the study can succeed at all.

        Raises:
            ConstraintError: If no architecture can keep the constraints; says the smallest value
                that the space can reach.
        """

    def observe(self, trial: Trial) -> None:  # noqa: B027 - most evaluators do not remember
        """Learn of a trial that was finished elsewhere, or in an earlier run."""

    def describe(self) -> dict[str, Any]:
        """Return JSON facts for the study's record: data, hashes, recipe, engine."""
        return {}

    def to_spec(self) -> dict[str, Any] | None:
        """Return JSON with a "kind" of `EVALUATORS`, which makes this evaluator and its space.

        A study keeps it, so that other processes can join and a later one can resume it. `None` if
        it is made of Python objects.
        """
        return None

    def metric(self, name: str) -> MetricInfo | None:
        """Return what is declared about a metric; None if it is not declared."""
        return next((info for info in self.metrics if info.name == name), None)


def outcome_of(error: BaseException, cost_seconds: float = 0.0) -> Outcome:
    """Return the outcome that an exception stands for.

    A broken constraint and a network that cannot be built are INVALID, a failed allocation is
    OUT_OF_MEMORY, an `EvaluationError` says its own status (CRASHED if there is no such failure);
    anything else is CRASHED and keeps its traceback.
    """
    status = Status.CRASHED
    if isinstance(error, EvaluationError):
        status = _FAILURES.get(error.status, Status.CRASHED)
    elif isinstance(error, ConstraintError | NetworkError):
        status = Status.INVALID
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        status = Status.OUT_OF_MEMORY
    text = str(error).strip() or type(error).__name__
    own = isinstance(error, ArchwrightError)
    trace = (
        "".join(traceback.format_exception(error))
        if status is Status.CRASHED and error.__traceback__ is not None
        else ""
    )
    return Outcome(
        status,
        getattr(error, "measurement", None),
        text if own else f"{type(error).__name__}: {text}",
        trace,
        cost_seconds,
    )
