"""One study in memory, and the transactions on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from types import TracebackType
from typing import Self

from archwright.store import records
from archwright.store.contract import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Counts,
    StudyRecord,
    Transaction,
    check_claim,
    check_cost,
    check_enqueue,
    counts_of,
)
from archwright.trial import Outcome, Proposal, Status, Trial

__all__ = ["MemoryStudy", "MemoryTransaction"]

_PENDING, _RUNNING, _COMPLETED = Status.PENDING, Status.RUNNING, Status.COMPLETED


class MemoryStudy:
    """One study's trials, its lock, and the counts kept up to date."""

    def __init__(self, record: StudyRecord) -> None:
        self.record = record
        self.extra: dict[str, str] = {}
        self.lock = threading.RLock()  # a thread may read inside its own transaction
        self.busy = False  # in a transaction of the thread that holds the lock
        self.trials: list[Trial] = []
        self.finished: list[int] = []
        self.events: list[tuple[str, int, int, str, float]] = []
        self.pending: list[int] = []  # a heap of exactly the pending numbers
        self.leases: dict[int, float] = {}  # of exactly the running trials
        self.spared: dict[int, int] = {}  # clean releases by number
        self.earliest = inf  # no lease runs out before
        self.completed = 0
        self.cost_seconds = 0.0

    def finished_since(self, order: int) -> list[Trial]:
        """Return the trials with `finished_order` >= order, ascending."""
        return [self.trials[number] for number in self.finished[max(order, 0) :]]

    def counts(self) -> Counts:
        """Return the numbers of trials."""
        return counts_of(
            len(self.trials),
            len(self.leases),
            len(self.finished),
            self.completed,
            self.cost_seconds,
        )


class MemoryTransaction(Transaction):
    """All or nothing on one study: what it changed is put back if it fails.

    Args:
        study: What it locks and changes.
        clock: Seconds since the epoch.
        check: Raises if the store cannot be used.
    """

    __slots__ = ("_before", "_changed", "_check", "_clock", "_now", "_study")

    def __init__(
        self, study: MemoryStudy, clock: Callable[[], float], check: Callable[[], None]
    ) -> None:
        self._study = study
        self._clock = clock
        self._check = check

    def __enter__(self) -> Self:
        study = self._study
        self._check()
        study.lock.acquire()
        if study.busy:
            study.lock.release()
            raise records.nested(study.record.name)
        study.busy = True
        self._now = self._clock()
        self._changed: list[tuple[Trial, float | None]] = []
        self._before = (
            len(study.trials),
            len(study.finished),
            len(study.events),
            study.completed,
            study.cost_seconds,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is not None:
                self._undo()
        finally:
            self._study.busy = False
            self._study.lock.release()

    def _undo(self) -> None:
        study = self._study
        total, finished, events, study.completed, study.cost_seconds = self._before
        for trial, lease in reversed(self._changed):
            study.trials[trial.number] = trial
            if lease is None:
                study.leases.pop(trial.number, None)
            else:
                study.leases[trial.number] = lease
        for number in range(total, len(study.trials)):
            study.leases.pop(number, None)
            study.spared.pop(number, None)
        del study.trials[total:], study.finished[finished:], study.events[events:]
        study.pending = [t.number for t in study.trials if t.status is _PENDING]
        heapify(study.pending)
        study.earliest = min(study.leases.values(), default=inf)

    def finish(self, number: int, attempt: int, owner: str, outcome: Outcome) -> Trial | None:
        check_cost(number, outcome)
        trials = self._study.trials
        if not 0 <= number < len(trials):
            return None
        trial = trials[number]
        if trial.attempt != attempt or trial.worker != owner:
            return None
        if trial.status is _RUNNING:
            return self._record(trial, owner, attempt, outcome)
        return trial if trial.outcome is not None else None

    def _record(self, trial: Trial, owner: str, attempt: int, outcome: Outcome) -> Trial:
        study, now, number = self._study, self._now, trial.number
        self._changed.append((trial, study.leases.pop(number, None)))
        done = Trial(
            number,
            trial.proposal,
            trial.seed,
            outcome.status,
            trial.told_before,
            attempt,
            len(study.finished),
            outcome,
            owner,
            trial.asked_at,
            trial.started_at,
            now,
        )
        study.trials[number] = done
        study.finished.append(number)
        study.events.append(("finished", number, attempt, owner, now))
        study.completed += outcome.status is _COMPLETED
        study.cost_seconds += outcome.cost_seconds
        return done

    def enqueue(
        self, proposals: Sequence[Proposal], seeds: Sequence[int], told_before: int
    ) -> list[Trial]:
        check_enqueue(proposals, seeds)
        study, now = self._study, self._now
        first = len(study.trials)
        trials = [
            Trial(number, proposal, seed, _PENDING, told_before, asked_at=now)
            for number, (proposal, seed) in enumerate(zip(proposals, seeds, strict=True), first)
        ]
        study.trials += trials
        for trial in trials:
            heappush(study.pending, trial.number)
            study.events.append(("asked", trial.number, 0, "", now))
        return trials

    def claim(
        self,
        owner: str,
        n: int = 1,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Trial]:
        check_claim(owner, n)
        study, now = self._study, self._now
        expired: list[int] = []
        if study.earliest < now:
            expired = sorted(k for k, until in study.leases.items() if until < now)
            expired.reverse()
        claimed: list[Trial] = []
        while len(claimed) < n and (study.pending or expired):
            if expired and (not study.pending or expired[-1] < study.pending[0]):
                number = expired.pop()
            else:
                number = heappop(study.pending)
            trial = self._take(study.trials[number], owner, max_attempts)
            if trial is not None:
                claimed.append(trial)
                study.leases[number] = now + lease_seconds
        if study.earliest < now:
            study.earliest = min(study.leases.values(), default=inf)
        elif claimed:
            study.earliest = min(study.earliest, now + lease_seconds)
        return claimed

    def start(
        self,
        owner: str,
        proposals: Sequence[Proposal],
        seeds: Sequence[int],
        told_before: int,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Trial]:
        study, now = self._study, self._now
        if study.pending or study.earliest < now or not proposals or max_attempts < 1:
            return super().start(
                owner,
                proposals,
                seeds,
                told_before,
                lease_seconds=lease_seconds,
                max_attempts=max_attempts,
            )
        check_enqueue(proposals, seeds)
        check_claim(owner, len(proposals))
        until, first = now + lease_seconds, len(study.trials)
        started = []
        for number, (proposal, seed) in enumerate(zip(proposals, seeds, strict=True), first):
            started.append(
                Trial(number, proposal, seed, _RUNNING, told_before, 1, None, None, owner, now, now)
            )
            study.leases[number] = until
            study.events += (
                ("asked", number, 0, "", now),
                ("claimed", number, 1, owner, now),
            )
        study.trials += started
        if until < study.earliest:
            study.earliest = until
        return started

    def _take(self, trial: Trial, owner: str, max_attempts: int) -> Trial | None:
        study, now, number = self._study, self._now, trial.number
        if trial.status is _RUNNING:
            study.events.append(("expired", number, trial.attempt, trial.worker, now))
        attempt = trial.attempt
        if attempt >= max_attempts + study.spared.get(number, 0):
            self._record(trial, "", attempt, records.died(attempt - study.spared.get(number, 0)))
            return None
        self._changed.append((trial, study.leases.get(number)))
        attempt += 1
        taken = Trial(
            number,
            trial.proposal,
            trial.seed,
            _RUNNING,
            trial.told_before,
            attempt,
            None,
            None,
            owner,
            trial.asked_at,
            now,
        )
        study.trials[number] = taken
        study.events.append(("claimed", number, attempt, owner, now))
        return taken

    def finished_since(self, order: int) -> list[Trial]:
        return self._study.finished_since(order)

    def counts(self) -> Counts:
        return self._study.counts()

    def heartbeat(self, owner: str, lease_seconds: float) -> list[int]:
        """Extend the leases of one owner."""
        study = self._study
        owned = sorted(k for k in study.leases if study.trials[k].worker == owner)
        for number in owned:
            self._changed.append((study.trials[number], study.leases[number]))
            study.leases[number] = self._now + lease_seconds
        study.earliest = min(study.leases.values(), default=inf)
        return owned

    def release(self, owners: Iterable[str], clean: bool) -> list[int]:
        """Make the running trials of these owners pending again."""
        study, gone = self._study, set(owners)
        released = sorted(k for k in study.leases if study.trials[k].worker in gone)
        for number in released:
            trial = study.trials[number]
            self._changed.append((trial, study.leases[number]))
            study.trials[number] = Trial(
                number,
                trial.proposal,
                trial.seed,
                _PENDING,
                trial.told_before,
                trial.attempt,
                asked_at=trial.asked_at,
                started_at=trial.started_at,
            )
            del study.leases[number]
            heappush(study.pending, number)
            if clean:
                study.spared[number] = study.spared.get(number, 0) + 1
            study.events.append(("released", number, trial.attempt, trial.worker, self._now))
        return released
