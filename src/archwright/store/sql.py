# ruff: noqa: D102 - documented on Store
"""The store on SQL tables: one logic, whatever the database."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from weakref import WeakSet

from archwright.errors import StoreError
from archwright.space import Space
from archwright.store import records
from archwright.store.contract import (
    LEASE_SECONDS,
    Counts,
    Event,
    Store,
    StudyRecord,
    Transaction,
    counts_of,
)
from archwright.store.database import Database, NotWrittenError, Row, UnreachableError
from archwright.store.schema import SCHEMA_VERSION, definitions
from archwright.store.statements import compiled
from archwright.store.transaction import SQLTransaction
from archwright.trial import Trial

__all__ = ["SQLStore"]

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_KNOWN_TRIALS = 10_000


class SQLStore(Store):
    """Keeps studies in SQLite or PostgreSQL; every committed transaction survives a crash.

    It holds one connection. Threads take turns on it: a transaction holds the store's lock from
    beginning to end, and its own thread may read inside it.

    Args:
        database: Where; not connected yet.
        create: Whether to create the tables where there are none.
        patience_seconds: How long to try again while the database is away.

    Raises:
        StoreError: If the database is not a store, or of another version.
        EnvironmentProblem: If it cannot be reached or written.
    """

    def __init__(
        self,
        database: Database,
        *,
        create: bool = True,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self.url = database.url
        self.label = database.label
        self.database = database
        self.patience_seconds = patience_seconds
        self.statements = compiled(database.dialect)
        self.lock = threading.RLock()
        self.holder: int | None = None  # the thread that is in a transaction
        # Unfinished trials as they were last seen here, by study and number. Others may have gone
        # on with them; what never changes spares reading back rows and JSON.
        self.known: dict[tuple[int, int], Trial] = {}
        self._process: int | None = os.getpid()
        database.connect()
        try:
            self._check_schema(create)
        except BaseException:
            database.close()
            raise
        _OPEN_STORES.add(self)

    # --- studies

    def create_study(
        self,
        name: str,
        *,
        space: Space,
        spec: Mapping[str, Any],
        seed: int,
        environment: Mapping[str, Any] | None = None,
    ) -> StudyRecord:
        records.check_name(name)
        records.check_seed(seed)
        around = records.environment() if environment is None else environment
        parameters = {
            "name": name,
            "space": records.dumps(space.to_json(), f"study {name!r}: space"),
            "spec": records.dumps(spec, f"study {name!r}: spec"),
            "seed": seed,
            "created_at": time.time(),
            "environment": records.dumps(around, f"study {name!r}: environment"),
        }

        tries = 0

        def insert() -> bool:
            nonlocal tries
            tries += 1
            rows = self.database.execute(self.statements.insert_study, parameters)
            for (number,) in rows:
                self.database.execute(self.statements.insert_progress, {"study": number})
            return bool(rows)

        inserted = self._write(insert)
        study = self.study(name, space=space if inserted else None)
        # After a lost commit the second try may meet what the first one wrote.
        if not inserted and (tries == 1 or study.created_at != parameters["created_at"]):
            raise records.exists(name, self.label)
        return study

    def study(self, name: str, *, space: Space | None = None) -> StudyRecord:
        rows = self._read("study", {"name": name})
        if not rows:
            names = [row[0] for row in self._read("names", {})]
            raise records.not_found(name, names, self.label)
        record = self._record(rows[0], space)
        if space is not None:
            records.check_space(name, record.space_json, space)
        return record

    def studies(self) -> list[StudyRecord]:
        return [self._record(row, None) for row in self._read("studies", {})]

    def delete_study(self, name: str) -> None:
        study = {"study": self.study(name).id}

        def delete() -> None:
            self.database.lock(study["study"])
            for part in ("facts", "events", "trials", "progress", "study"):
                self.database.execute(getattr(self.statements, f"delete_{part}"), study)

        self._write(delete)

    def annotate(self, study: StudyRecord, key: str, value: Any) -> None:
        text = records.dumps(value, f"study {study.name!r}: {key}")
        fact = {"study": study.id, "key": key, "value": text}

        def set_fact() -> None:
            if self.database.lock(study.id)[0] is None:
                raise records.deleted(study.name, self.label)
            self.database.execute(self.statements.set_fact, fact)

        self._write(set_fact)

    def _record(self, row: Row, space: Space | None) -> StudyRecord:
        number, name, space_json, spec, seed, created_at, environment = row
        facts = self._read("facts", {"study": number})
        return StudyRecord(
            number,
            name,
            records.loads(space_json),
            records.loads(spec),
            seed,
            created_at,
            records.loads(environment),
            {key: records.loads(value) for key, value in facts},
            [] if space is None else [space],
        )

    # --- writing

    def transaction(self, study: StudyRecord) -> SQLTransaction:
        return SQLTransaction(self, study)

    def run(self, study: StudyRecord, function: Callable[[Transaction], T]) -> T:
        def once() -> T:
            with SQLTransaction(self, study) as transaction:
                return function(transaction)

        return self.patiently(once)

    def heartbeat(
        self, study: StudyRecord, owner: str, *, lease_seconds: float = LEASE_SECONDS
    ) -> list[int]:
        def extend() -> list[int]:
            with SQLTransaction(self, study) as transaction:
                return transaction.heartbeat(owner, lease_seconds)

        return self.patiently(extend)

    def release(
        self, study: StudyRecord, owners: Iterable[str], *, clean: bool = False
    ) -> list[int]:
        gone = sorted(set(owners))

        def release() -> list[int]:
            with SQLTransaction(self, study) as transaction:
                return transaction.release(gone, clean)

        return self.patiently(release)

    def _write(self, function: Callable[[], T]) -> T:
        """Run a write transaction that is not about one study's trials."""

        def once() -> T:
            with self.lock:
                self.enter("the store")
                try:
                    self.database.begin()
                    result = function()
                    self.database.commit()
                finally:
                    self.leave()
            return result

        return self.patiently(once)

    # --- reading

    def trials(self, study: StudyRecord, *, since: int = 0) -> list[Trial]:
        return self._trials("trials", study, since=since)

    def running(self, study: StudyRecord) -> list[Trial]:
        return self._trials("running", study)

    def finished(self, study: StudyRecord, since_order: int = 0) -> list[Trial]:
        return self._trials("finished", study, since=since_order)

    def counts(self, study: StudyRecord) -> Counts:
        rows = self._read("progress", {"study": study.id})
        if not rows:
            raise records.deleted(study.name, self.label)
        return counts_of(*rows[0][:5])

    def records(self, study: StudyRecord, since: int = 0) -> list[Event]:
        return [Event(*row) for row in self._read("events", {"study": study.id, "since": since})]

    def _trials(self, name: str, study: StudyRecord, **parameters: int) -> list[Trial]:
        space = study.space
        rows = self._read(name, {"study": study.id, **parameters})
        return [records.trial_from_row(row, space) for row in rows]

    def _read(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        def once() -> list[Row]:
            with self.lock:
                self.check_usable()
                if self.holder is None and not self.database.connected:
                    self.database.connect()
                return self.database.execute(getattr(self.statements, name), parameters)

        return self.patiently(once)

    # --- the connection

    def close(self) -> None:
        _OPEN_STORES.discard(self)
        if self._process == os.getpid():
            with self.lock:
                self.database.close()
        self._process = None

    def enter(self, what: str) -> None:
        """Begin using the connection for a transaction; the lock is held."""
        self.check_usable()
        if self.holder is not None:
            raise records.nested(what)
        if not self.database.connected:
            self.database.connect()
        self.holder = threading.get_ident()

    def leave(self) -> None:
        """End using the connection for a transaction; drops what was not committed."""
        self.holder = None
        self.database.rollback()

    def check_usable(self) -> None:
        """Refuse to work after `close`, and in a forked child."""
        if self._process != os.getpid():
            raise records.unusable(self.label, self._process)

    def patiently(self, once: Callable[[], T], *, inside: bool = False) -> T:
        """Call until it neither loses nor lacks its connection, or patience is at an end.

        Inside a transaction of this thread the loss ends the transaction, so it is passed on,
        unless `inside` says that the call stands on its own.
        """
        deadline = time.monotonic() + self.patience_seconds
        pause = 0.05
        while True:
            try:
                return once()
            except (NotWrittenError, UnreachableError):
                within = self.holder == threading.get_ident() and not inside
                if within or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause * (0.5 + random.random()))
            pause = min(2 * pause, 1.0)

    def remember(self, study: int, trials: Iterable[Trial]) -> None:
        """Keep trials as they are committed now; enough of them, the rest is read back."""
        if len(self.known) > _KNOWN_TRIALS:
            self.known.clear()
        for trial in trials:
            if trial.finished_order is None:
                self.known[study, trial.number] = trial
            else:
                self.known.pop((study, trial.number), None)

    def _check_schema(self, create: bool) -> None:
        tables = self.database.tables()
        if "archwright_schema" not in tables:
            if not create:
                raise StoreError(f"there is no store in {self.label}; check the address")
            self.database.prepare(tables)
            self._write(self._create_schema)
        version = self._read("schema_version", {})[0][0]
        if version != SCHEMA_VERSION:
            age = "newer" if version > SCHEMA_VERSION else "older"
            raise StoreError(
                f"{self.label} has the {age} schema version {version}, expected {SCHEMA_VERSION}; "
                f"use the version of archwright that wrote it, or start a new store"
            )

    def _create_schema(self) -> None:
        self.database.lock_schema()
        if "archwright_schema" in self.database.tables():  # somebody else was faster
            return
        for statement in definitions(self.database.dialect):
            self.database.execute(statement, {})
        self.database.execute(self.statements.set_schema_version, {"version": SCHEMA_VERSION})


_OPEN_STORES: WeakSet[SQLStore] = WeakSet()


def _abandon_in_child() -> None:
    # SQLite's locks and a server's socket belong to the parent: the child must not even close them.
    for store in list(_OPEN_STORES):
        store.database.abandon()
    _OPEN_STORES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)
