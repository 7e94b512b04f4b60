# ruff: noqa: D102 - documented on Store
"""The store that forgets: trials live in this process only and are never turned into JSON."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archwright.errors import StoreError
from archwright.space import Space
from archwright.store import records
from archwright.store._memory_transaction import MemoryStudy, MemoryTransaction
from archwright.store.contract import LEASE_SECONDS, Counts, Event, Store, StudyRecord
from archwright.trial import Trial

__all__ = ["MemoryStore", "open_memory"]

_forks = 0  # of this process's ancestors: a store made before the last one is not ours


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


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
        self._studies: dict[str, MemoryStudy] = {}
        self._by_id: dict[int, MemoryStudy] = {}
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
            self._studies[name] = self._by_id[record.id] = MemoryStudy(record)
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

    def transaction(self, study: StudyRecord) -> MemoryTransaction:
        found = self._known(study) or self._find(study)
        return MemoryTransaction(found, self._clock, self._check_usable)

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
            return found.finished_since(since_order)

    def counts(self, study: StudyRecord) -> Counts:
        found = self._find(study)
        with found.lock:
            return found.counts()

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

    def _find(self, study: StudyRecord) -> MemoryStudy:
        self._check_usable()
        found = self._known(study)
        if found is None:
            raise records.deleted(study.name, self.label)
        return found

    def _known(self, study: StudyRecord) -> MemoryStudy | None:
        """Return the study; for a transaction, which checks on entry that the store is usable."""
        found = self._by_id.get(study.id)
        return found if found is not None and found.record.name == study.name else None


def _snapshot(study: MemoryStudy, space: Space | None) -> StudyRecord:
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


def open_memory(url: str, *, create: bool = True) -> MemoryStore:
    """Return a new, empty store; there is nothing else to open."""
    if url != "memory://" or not create:
        raise StoreError(f"a store in memory is always new and has no name: memory://; got {url!r}")
    return MemoryStore()
