"""Evaluate in a child process that may be killed: limits on time and memory for one trial."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeAlias

from archwright.errors import EnvironmentProblem, EvaluationError, GoalError
from archwright.evaluate import Context, Evaluator, build_evaluator
from archwright.space import Architecture, Space
from archwright.trial import Measurement, Outcome, Proposal, Status, Trial

__all__ = ["IsolatedEvaluator", "Limits", "deaf_to_interrupts"]

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05

_Source: TypeAlias = tuple[Evaluator, Space | None] | Mapping[str, Any]
"""What the child needs: the evaluator with the space of its proposals, or a study's spec."""


@dataclass(frozen=True)
class Limits:
    """What one trial may take. None is no limit.

    Args:
        seconds: Wall time in seconds, start of the child process not counted.
        memory_bytes: Resident memory of the child process in bytes, libraries included (an idle
            process with PyTorch takes about 300 MB).
    """

    seconds: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise GoalError(f"limit {name} must be above 0; got {value!r}")

    def __bool__(self) -> bool:
        return self.seconds is not None or self.memory_bytes is not None


class IsolatedEvaluator(Evaluator):
    """Runs another evaluator in a child process and enforces limits on each evaluation.

    The child is kept from one trial to the next; it is replaced after it had to be killed or
    died. What the evaluator inside raises comes back as the same outcome as without isolation;
    a child that vanishes (a segmentation fault, the kernel's memory killer) is CRASHED.

    Args:
        inner: The evaluator; must be picklable, unless there is a spec.
        limits: At least one limit.
        spec: The study's spec, from which the child rebuilds the evaluator if it can: what a
            user's file defines cannot be sent to a process that has not loaded the file.
        space: The space of the proposals, if what restricts it cannot be sent.

    Raises:
        EnvironmentProblem: If a memory limit is asked for where the memory of a process cannot
            be read.
    """

    def __init__(
        self,
        inner: Evaluator,
        limits: Limits,
        *,
        spec: Mapping[str, Any] | None = None,
        space: Space | None = None,
    ) -> None:
        if limits.memory_bytes is not None and not Path("/proc/self/statm").exists():
            raise EnvironmentProblem(
                "a memory limit needs /proc, which this system does not have; "
                "run without --trial-memory"
            )
        self.inner = inner
        self.limits = limits
        self._source: _Source = (inner, space)
        if spec and spec.get("evaluator"):
            self._source = spec
        self._as_json = self._source != (inner, None)
        self.metrics = inner.metrics
        self.seed_by = inner.seed_by
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def evaluate(
        self,
        proposal: Proposal,
        *,
        seed: int,
        context: Context = Context(),  # noqa: B008 - frozen
    ) -> Measurement:
        """Evaluate in the child; see `evaluate_batch`.

        Raises:
            EvaluationError: For every outcome other than completed.
        """
        outcome = self._run(proposal, seed, context)
        if outcome.status is not Status.COMPLETED or outcome.measurement is None:
            raise EvaluationError(outcome.error, status=str(outcome.status))
        return outcome.measurement

    def evaluate_batch(
        self,
        proposals: Sequence[Proposal],
        *,
        seeds: Sequence[int],
        context: Context = Context(),  # noqa: B008 - frozen
    ) -> list[Outcome]:
        """Evaluate one proposal after the other in the child."""
        return [
            self._run(proposal, seed, context, index)
            for index, (proposal, seed) in enumerate(zip(proposals, seeds, strict=True))
        ]

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return the rules of the evaluator inside."""
        return self.inner.rules()

    def check(self) -> None:
        """Check the evaluator inside."""
        self.inner.check()

    def describe(self) -> dict[str, Any]:
        """Describe the evaluator inside."""
        return self.inner.describe()

    def observe(self, trial: Trial) -> None:
        """Let the evaluator inside learn of a trial (in this process, before it is sent)."""
        self.inner.observe(trial)

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child.close()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None

    def __del__(self) -> None:
        self.close()

    def _start(self) -> Connection:
        if self._child is not None and self._pipe is not None and self._child.is_alive():
            return self._pipe
        self.close()
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._child = spawn.Process(target=_serve, args=(theirs, self._source), daemon=True)
        with deaf_to_interrupts():
            self._child.start()
        theirs.close()
        # The child says when it is ready, so that its start is not on the trial's clock.
        try:
            self._pipe.recv()
        except EOFError:
            self._child.join()
            code = self._child.exitcode
            raise EnvironmentProblem(
                f"the child process for evaluations ended at its start (exit code {code}); "
                "the evaluator must be importable and picklable"
            ) from None
        return self._pipe

    def _run(self, proposal: Proposal, seed: int, context: Context, index: int = 0) -> Outcome:
        pipe = self._start()
        started = time.monotonic()
        pipe.send((proposal.to_json() if self._as_json else proposal, seed))
        try:
            while True:
                if pipe.poll(_LOOK_SECONDS):
                    kind, *content = pipe.recv()
                    if kind == "outcome":
                        return content[0]  # type: ignore[no-any-return]  # what _serve sends
                    context.report(index, *content)
                if context.should_stop():
                    raise KeyboardInterrupt
                if (broken := self._broken(started)) is not None:
                    self.close()
                    return broken
        except EOFError:
            return self._vanished(time.monotonic() - started)
        except KeyboardInterrupt:
            self.close()
            raise

    def _broken(self, started: float) -> Outcome | None:
        spent = time.monotonic() - started
        limits = self.limits
        if limits.seconds is not None and spent > limits.seconds:
            reason = f"stopped after {spent:.1f} s; the limit for one trial is {limits.seconds:g} s"
            return Outcome(Status.TIMEOUT, error=reason, cost_seconds=spent)
        if limits.memory_bytes is not None and self._child is not None:
            used = _resident_bytes(self._child.pid)
            if used > limits.memory_bytes:
                reason = (
                    f"stopped at {used / 1e6:.0f} MB of memory; the limit for one trial is "
                    f"{limits.memory_bytes / 1e6:.0f} MB"
                )
                return Outcome(Status.OUT_OF_MEMORY, error=reason, cost_seconds=spent)
        return None

    def _vanished(self, spent: float) -> Outcome:
        assert self._child is not None
        self._child.join()
        code = self._child.exitcode
        self.close()
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return Outcome(Status.CRASHED, error=f"the evaluating process {how}", cost_seconds=spent)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let processes started inside ignore Ctrl-C from their very first moment.

    It reaches the whole process group; the process that started them decides what becomes of
    them, and they must not die with a traceback before they can say that they do not listen.
    """
    mask = getattr(signal, "pthread_sigmask", None)  # not on Windows
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def _resident_bytes(pid: int | None) -> int:
    """Return the resident memory of a process in bytes; 0 if it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE")


def _serve(pipe: Connection, source: _Source) -> None:
    """Answer proposals until the parent goes away: the main function of the child."""
    # Ctrl-C reaches the whole process group; the parent decides what becomes of the child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(source, tuple):
        evaluator, space = source
    else:
        space, evaluator = build_evaluator(source)

    def report(index: int, epoch: int, metrics: Mapping[str, float]) -> None:
        del index
        pipe.send(("progress", epoch, dict(metrics)))

    pipe.send(("ready",))
    while True:
        try:
            proposal, seed = pipe.recv()
        except EOFError:
            return
        if space is not None:
            proposal = Proposal.from_json(proposal, space)
        [outcome] = evaluator.evaluate_batch(
            [proposal], seeds=[seed], context=Context(report=report)
        )
        pipe.send(("outcome", outcome))
