"""The loop that every worker runs: finish, catch up, ask, claim, evaluate.

There is no chief. Each turn of the loop is one short transaction in which a worker hands in what
it finished and claims what is next; if nothing is waiting it catches its planner up with the
history, asks and enqueues. Serial runs, local processes and other machines differ only in who
starts the loop.

Where asking takes long, because networks are scored or a predictor is fitted, it is not done under
the lock of the store, for which others wait: the worker asks between two turns, and enqueues with
the second one if nobody else has asked meanwhile. If somebody has, it catches up and asks again.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from archwright.evaluate import Context, Evaluator
from archwright.run.callbacks import Callback
from archwright.run.planner import Planner
from archwright.run.seeds import trial_seeds
from archwright.store import Counts, Store, StudyRecord, Transaction
from archwright.trial import Budget, Outcome, Proposal, Trial

__all__ = ["Worker", "WorkerOptions", "owner_name"]

_LOG = logging.getLogger(__name__)
_GROUP_SECONDS = 0.005
_LARGEST_GROUP = 32
_LONG_ASK_SECONDS = 0.05
_FADING = 0.9  # of the memory of long asks, at each ask: a model may be fitted at every tenth
_ASKED = "asked to stop"


def owner_name() -> str:
    """Return a name for this process that no other one has: host, process, start."""
    return f"{socket.gethostname()}:{os.getpid()}:{time.time_ns():x}"


def _never() -> bool:
    return False


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker claims and waits.

    Args:
        lease_seconds: A worker that is silent for so long has lost its trials.
        max_attempts: How many workers may die on a trial before it is recorded as crashed.
        poll_seconds: The longest pause between looks for work.
        seconds_used: Wall time that earlier runs of the study have used.
        most: How many trials to hold at a time; None leaves it to the evaluator.
        should_stop: True asks the worker to stop soon; what it has not finished goes back.
    """

    lease_seconds: float = 90.0
    max_attempts: int = 3
    poll_seconds: float = 0.25
    seconds_used: float = 0.0
    most: int | None = None
    should_stop: Callable[[], bool] = _never


class Worker:
    """One worker of one study.

    Args:
        store: Where the trials are.
        study: The study's record.
        planner: This worker's own planner.
        evaluator: Turns proposals into outcomes.
        budget: What the study may spend.
        options: Leases and waiting.
        callback: Hears of what happens in this process.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRecord,
        planner: Planner,
        evaluator: Evaluator,
        *,
        budget: Budget,
        options: WorkerOptions | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.store = store
        self.study = study
        self.planner = planner
        self.evaluator = evaluator
        self.budget = budget
        self.options = options or WorkerOptions()
        self.callback = callback or Callback()
        self.owner = owner_name()
        self._seed_of = trial_seeds(study.seed, evaluator)
        self._started = time.monotonic()
        self._batch = min(self.evaluator.batch_size, self.options.most or sys.maxsize)
        self._wanted = self._batch
        self._groups = budget.cost_seconds is None and self.options.most is None
        self._claimed: Sequence[Trial] = ()
        self._context = Context(self.options.should_stop, self._report)
        self._in_flight: list[tuple[Trial, Outcome]] = []
        self._asked_in_doubt = False
        self._ask_seconds = 2 * _LONG_ASK_SECONDS if planner.strategy.takes_guide else 0.0
        self._to_ask = 0  # so many, before the next turn
        self._missed: Sequence[Trial] = ()  # asked by others, to be repeated before that
        self._prepared: tuple[list[Proposal], int] | None = None
        self._reason: str | None = None

    def run(self) -> str:
        """Work until the budget is spent or the strategy stops; return the reason.

        On an interrupt the claimed trials go back to the queue, as if never begun.
        """
        with _Heartbeat(self.store, self.study, self.owner, self.options.lease_seconds):
            try:
                return self._loop()
            except BaseException as error:
                self.store.release(self.study, [self.owner], clean=True)
                # An evaluation that is told to stop raises it too; that is no interrupt.
                if isinstance(error, KeyboardInterrupt) and self.options.should_stop():
                    return _ASKED
                raise

    def _loop(self) -> str:
        pause = 0.001
        while True:
            # A transaction may be run again after a lost connection; handing in the same
            # outcome twice is harmless, so nothing is cleared before it has returned.
            claimed, finished = self.store.run(self.study, self._exchange)
            self._in_flight.clear()
            self._asked_in_doubt = False
            for trial in finished:
                self.callback.on_trial(trial)
            if claimed:
                pause = 0.001
                self.callback.on_claim(claimed)
                started = time.perf_counter()
                self._in_flight.extend(zip(claimed, self._evaluate(claimed), strict=True))
                self._pace((time.perf_counter() - started) / len(claimed))
            elif self._reason is not None:
                return self._reason
            elif self._to_ask:
                self._prepared = self._ask(self._to_ask)
            else:
                time.sleep(pause)
                pause = min(2 * pause, self.options.poll_seconds)

    def _pace(self, seconds: float) -> None:
        """Choose how many trials to take at once, knowing what the last ones took each.

        Very short evaluations share a transaction, as far as the strategy can propose without
        being told; a group is worth some milliseconds, which is all that a kill can cost.
        """
        if self._groups:
            group = min(_LARGEST_GROUP, int(_GROUP_SECONDS / max(seconds, 1e-6)))
            self._wanted = max(self._batch, group)

    def _exchange(self, tx: Transaction) -> tuple[list[Trial], list[Trial]]:
        """Hand in, and take the next."""
        if self._asked_in_doubt:
            # The transaction in which we asked was lost; what we asked may not be the history.
            self._forget()
            self._asked_in_doubt = False
        self._to_ask = 0  # a turn that was lost may have wanted some
        finished = []
        for trial, outcome in self._in_flight:
            kept = tx.finish(trial.number, trial.attempt, self.owner, outcome)
            if kept is None:
                _LOG.warning("trial %d was handed to another worker; result dropped", trial.number)
            else:
                finished.append(kept)
                self.planner.learn(kept)
        if self.options.should_stop():
            self._reason = _ASKED
            return [], finished
        counts = tx.counts()
        wanted = self._wanted
        claimed: list[Trial] = []
        if counts["pending"] or counts["running"]:
            claimed = self._claim(tx, wanted)
            counts = tx.counts()  # a claim may have finished a trial that kills its workers
        if not claimed:
            claimed = self._start(tx, counts, wanted)
        return claimed, finished

    def _claim(self, tx: Transaction, wanted: int) -> list[Trial]:
        return tx.claim(
            self.owner,
            wanted,
            lease_seconds=self.options.lease_seconds,
            max_attempts=self.options.max_attempts,
        )

    def _start(self, tx: Transaction, counts: Counts, wanted: int) -> list[Trial]:
        """Ask the strategy and take what it proposes; or find out why to stop."""
        room = self._room(counts)
        if self._prepared is not None:
            mine = len(self._prepared[0])
            if mine > room or counts["total"] > self.planner.asked - mine:
                self._forget()  # others were faster, or nothing is left to spend
        if room == 0:
            # Others may still be at work; what they leave behind must be picked up.
            self._reason = self._spent(counts) if not counts["running"] else None
            return []
        self._learn(tx, counts)
        behind = self.planner.asked < counts["total"]
        self._missed = self.store.trials(self.study, since=self.planner.asked) if behind else ()
        if self._ask_seconds > _LONG_ASK_SECONDS and self._prepared is None:
            self._to_ask = min(wanted, room)
            return []
        self._asked_in_doubt = True
        proposals, told = self._prepared if self._prepared else self._ask(min(wanted, room))
        self._prepared = None
        if proposals:
            seeds = [self._seed_of(k, p) for k, p in enumerate(proposals, counts["total"])]
            self._reason = None
            return tx.start(
                self.owner,
                proposals,
                seeds,
                told,
                lease_seconds=self.options.lease_seconds,
                max_attempts=self.options.max_attempts,
            )
        if self.planner.stopped and not counts["running"]:
            self._reason = self.planner.stopped
        return []

    def _ask(self, wanted: int) -> tuple[list[Proposal], int]:
        """Catch up with what others asked, and ask; see how long that takes."""
        self.planner.catch_up(self._missed)
        started = time.perf_counter()
        asked = self.planner.ask(wanted)
        self._ask_seconds = max(time.perf_counter() - started, _FADING * self._ask_seconds)
        return asked

    def _forget(self) -> None:
        """Drop what was asked and is not in the record; the planner must catch up anew."""
        self._prepared = None
        self.planner.reset()

    def _learn(self, tx: Transaction, counts: Counts) -> None:
        """Take note of what others finished."""
        planner = self.planner
        if planner.seen < counts["finished"]:
            for trial in tx.finished_since(planner.seen):
                planner.learn(trial)
                if trial.worker != self.owner:
                    self.evaluator.observe(trial)

    def _room(self, counts: Counts) -> int:
        """Return how many more trials may be asked."""
        budget = self.budget
        if budget.seconds is not None:
            elapsed = self.options.seconds_used + time.monotonic() - self._started
            if elapsed >= budget.seconds:
                return 0
        if budget.cost_seconds is not None and counts["cost_seconds"] >= budget.cost_seconds:
            return 0
        if budget.trials is None:
            return self._batch
        return max(0, budget.trials - int(counts["total"]))

    def _spent(self, counts: Counts) -> str:
        budget = self.budget
        if budget.trials is not None and counts["total"] >= budget.trials:
            return f"all {budget.trials} trials done"
        if budget.cost_seconds is not None and counts["cost_seconds"] >= budget.cost_seconds:
            return f"{budget.cost_seconds:g} seconds of trial cost spent"
        return f"{budget.seconds:g} seconds of wall time spent"

    def _evaluate(self, claimed: Sequence[Trial]) -> list[Outcome]:
        self._claimed = claimed
        return self.evaluator.evaluate_batch(
            [trial.proposal for trial in claimed],
            seeds=[trial.seed for trial in claimed],
            context=self._context,
        )

    def _report(self, index: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self.callback.on_progress(self._claimed[index].number, epoch, metrics)


class _Heartbeat:
    """Extends the worker's leases from a thread of its own while it works."""

    def __init__(self, store: Store, study: StudyRecord, owner: str, lease_seconds: float) -> None:
        self._beat = partial(store.heartbeat, study, owner, lease_seconds=lease_seconds)
        self._interval = lease_seconds / 3
        self._done = threading.Event()
        # A store that dies with the process has nobody else to wait for.
        self._thread = threading.Thread(target=self._loop, daemon=True) if store.shared else None

    def __enter__(self) -> None:
        if self._thread:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def _loop(self) -> None:
        while not self._done.wait(self._interval):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - the next beat may succeed; a lost lease is noticed on finish
                _LOG.warning("could not extend the lease: %s", error)
