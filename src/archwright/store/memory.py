# ruff: noqa: D102 - documented on Store
"""The store that forgets: trials live in this process only and are never turned into JSON."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from types import TracebackType
from typing import Any, Self

from archwright.errors import StoreError
from archwright.space import Space
from archwright.store import records
from archwright.store.contract import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Counts,
    Event,
    Store,
    StudyRecord,
    Transaction,
    check_claim,
    check_cost,
    check_enqueue,
    counts_of,
)
from archwright.trial import Outcome, Proposal, Status, Trial

__all__ = ["MemoryStore", "open_memory"]

_PENDING, _RUNNING, _COMPLETED = Status.PENDING, Status.RUNNING, Status.COMPLETED


_forks = 0  # of this process's ancestors: a store made before the last one is not ours


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class _Study:
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


class _MemoryTransaction(Transaction):
    __slots__ = ("_before", "_changed", "_clock", "_now", "_store", "_study")

    def __init__(self, store: MemoryStore, study: _Study) -> None:
        self._store = store
        self._study = study
        self._clock = store._clock

    def __enter__(self) -> Self:
        study = self._study
        self._store._check_usable()
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
        return _finished(self._study, order)

    def counts(self) -> Counts:
        return _counts(self._study)

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


class MemoryStore(Store):
    """Keeps studies in this process: the fastest store, gone when the process ends.

    Trials hold the very proposals and outcomes that were handed in. Threads take turns on a lock
    for each study.

    Args:
        clock: Seconds since the epoch; leases are measured by it.
    """

    shared = False

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.url = "memory://"
        self.label = "memory"
        self._clock = clock
        self._lock = threading.Lock()
        self._studies: dict[str, _Study] = {}
        self._by_id: dict[int, _Study] = {}
        self._ids = 0
        self._process: int | None = os.getpid()
        self._forks = _forks

    def create_study(
        self,
        name: str,
        *,
        space: Space,
        spec: Mapping[str, Any],
        seed: int,
        environment: Mapping[str, Any] | None = None,
    ) -> StudyRecord:
        self._check_usable()
        records.check_name(name)
        records.check_seed(seed)
        around = records.environment() if environment is None else environment
        # Through JSON like in every other store, so that none accepts what another refuses.
        texts = [
            records.dumps(value, f"study {name!r}: {what}")
            for what, value in (("space", space.to_json()), ("spec", spec), ("environment", around))
        ]
        with self._lock:
            if name in self._studies:
                raise records.exists(name, self.label)
            self._ids += 1
            stored, spec_json, around_json = map(records.loads, texts)
            record = StudyRecord(
                self._ids, name, stored, spec_json, seed, self._clock(), around_json, {}, [space]
            )
            self._studies[name] = self._by_id[record.id] = _Study(record)
        return record

    def study(self, name: str, *, space: Space | None = None) -> StudyRecord:
        self._check_usable()
        with self._lock:
            study = self._studies.get(name)
            if study is None:
                raise records.not_found(name, self._studies, self.label)
            if space is not None:
                records.check_space(name, study.record.space_json, space)
            return _snapshot(study, space)

    def studies(self) -> list[StudyRecord]:
        self._check_usable()
        with self._lock:
            return [_snapshot(study, None) for study in self._studies.values()]

    def delete_study(self, name: str) -> None:
        self._check_usable()
        with self._lock:
            study = self._studies.pop(name, None)
            if study is None:
                raise records.not_found(name, self._studies, self.label)
            del self._by_id[study.record.id]

    def annotate(self, study: StudyRecord, key: str, value: Any) -> None:
        text = records.dumps(value, f"study {study.name!r}: {key}")
        with self._lock:
            self._find(study).extra[key] = text

    def transaction(self, study: StudyRecord) -> _MemoryTransaction:
        return _MemoryTransaction(self, self._known(study) or self._find(study))

    def heartbeat(
        self, study: StudyRecord, owner: str, *, lease_seconds: float = LEASE_SECONDS
    ) -> list[int]:
        with self.transaction(study) as transaction:
            return transaction.heartbeat(owner, lease_seconds)

    def release(
        self, study: StudyRecord, owners: Iterable[str], *, clean: bool = False
    ) -> list[int]:
        with self.transaction(study) as transaction:
            return transaction.release(owners, clean)

    def trials(self, study: StudyRecord, *, since: int = 0) -> list[Trial]:
        found = self._find(study)
        with found.lock:
            return found.trials[max(since, 0) :]

    def running(self, study: StudyRecord) -> list[Trial]:
        found = self._find(study)
        with found.lock:
            return [found.trials[number] for number in sorted(found.leases)]

    def finished(self, study: StudyRecord, since_order: int = 0) -> list[Trial]:
        found = self._find(study)
        with found.lock:
            return _finished(found, since_order)

    def counts(self, study: StudyRecord) -> Counts:
        found = self._find(study)
        with found.lock:
            return _counts(found)

    def records(self, study: StudyRecord, since: int = 0) -> list[Event]:
        found, start = self._find(study), max(since, 0)
        with found.lock:
            events = found.events[start:]
        return [Event(sequence, *event) for sequence, event in enumerate(events, start)]

    def close(self) -> None:
        self._process = None
        self._studies.clear()
        self._by_id.clear()

    def _check_usable(self) -> None:
        if self._forks != _forks or self._process is None:  # asking for the process is slow
            raise records.unusable(self.label, self._process)

    def _find(self, study: StudyRecord) -> _Study:
        self._check_usable()
        found = self._known(study)
        if found is None:
            raise records.deleted(study.name, self.label)
        return found

    def _known(self, study: StudyRecord) -> _Study | None:
        """Return the study; for a transaction, which checks on entry that the store is usable."""
        found = self._by_id.get(study.id)
        return found if found is not None and found.record.name == study.name else None


def _snapshot(study: _Study, space: Space | None) -> StudyRecord:
    record = study.record
    return StudyRecord(
        record.id,
        record.name,
        record.space_json,
        record.spec,
        record.seed,
        record.created_at,
        record.environment,
        {key: records.loads(text) for key, text in study.extra.items()},
        record.bound if space is None else [space],
    )


def _finished(study: _Study, order: int) -> list[Trial]:
    return [study.trials[number] for number in study.finished[max(order, 0) :]]


def _counts(study: _Study) -> Counts:
    return counts_of(
        len(study.trials),
        len(study.leases),
        len(study.finished),
        study.completed,
        study.cost_seconds,
    )


def open_memory(url: str, *, create: bool = True) -> MemoryStore:
    """Return a new, empty store; there is nothing else to open."""
    if url != "memory://" or not create:
        raise StoreError(f"a store in memory is always new and has no name: memory://; got {url!r}")
    return MemoryStore()
