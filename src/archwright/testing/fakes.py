"""Evaluators that do not train: exact, cheap, and able to misbehave on request."""

from __future__ import annotations

import hashlib
import os
import signal
import time

from archwright.errors import EvaluationError
from archwright.evaluate import Context, Evaluator
from archwright.trial import Measurement, MetricInfo, Proposal

__all__ = ["ToyEvaluator"]


class ToyEvaluator(Evaluator):
    """Scores an architecture by its key alone: a fixed number in [0, 1), the same everywhere.

    Args:
        sleep_seconds: How long each evaluation takes.
        misbehave: What an architecture whose score is below `share` does instead: "raise",
            "diverge", "hang" (until it is killed), "exit", "segfault", "allocate" (memory without
            end), "out-of-memory"; or None.
        share: Part of the architectures that misbehave, in [0, 1].
        batch_size: How many proposals it likes at once.
    """

    metrics = (
        MetricInfo("val_score", "max", "fraction", "val"),
        MetricInfo("test_score", "max", "fraction", "test"),
        MetricInfo("parameters", "min", "count"),
    )

    def __init__(
        self,
        *,
        sleep_seconds: float = 0.0,
        misbehave: str | None = None,
        share: float = 1.0,
        batch_size: int = 1,
    ) -> None:
        self.sleep_seconds = sleep_seconds
        self.misbehave = misbehave
        self.share = share
        self.batch_size = batch_size
        self.evaluated = 0

    def evaluate(
        self,
        proposal: Proposal,
        *,
        seed: int,
        context: Context = Context(),  # noqa: B008 - frozen
    ) -> Measurement:
        """Return the architecture's number, or misbehave."""
        del seed, context
        self.evaluated += 1
        score = score_of(proposal)
        if self.sleep_seconds:
            time.sleep(self.sleep_seconds)
        if self.misbehave is not None and score < self.share:
            _misbehave(self.misbehave)
        metrics = {"val_score": score, "test_score": 1 - score, "parameters": 1000.0 * score}
        return Measurement(metrics, cost_seconds=1.0, step=1)


def score_of(proposal: Proposal) -> float:
    """Return the score that every `ToyEvaluator` gives, without evaluating."""
    digest = hashlib.sha256(proposal.architecture.key.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _misbehave(how: str) -> None:
    if how == "raise":
        raise RuntimeError("a toy failure")
    if how == "diverge":
        raise EvaluationError("the loss is nan after step 3", status="diverged")
    if how == "out-of-memory":
        raise MemoryError("cannot allocate the toy")
    if how == "hang":
        time.sleep(600)
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "allocate":
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 20) * 16))
