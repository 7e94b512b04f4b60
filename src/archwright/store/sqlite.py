# ruff: noqa: D102 - documented on Database
"""SQLite: one file, several processes, no server."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from archwright.errors import ArchwrightError, EnvironmentProblem, StoreError
from archwright.store.database import Database, Parameters, Row
from archwright.store.sql import SQLStore
from archwright.store.statements import compiled

__all__ = ["SQLiteDatabase", "open_sqlite", "wal_is_safe"]

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 0.003  # about two transactions: waiters must get in between others
_LOG_PAGES = 256
_FIXES = ((3, 44, 6), (3, 50, 7))  # patch lines into which the fix went back
_FIXED = (3, 51, 3)


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Return whether this SQLite keeps every commit in WAL mode with several writers.

    Before 3.51.3 a checkpoint that races with a reset of the log can skip committed pages.
    """
    return version >= _FIXED or any(
        version[:2] == fix[:2] and version[2] >= fix[2] for fix in _FIXES
    )


def _driver() -> Any:
    """Return Python's own SQLite, or that of the package pysqlite3 if only it is safe with WAL."""
    if not wal_is_safe(sqlite3.sqlite_version_info):
        with suppress(ImportError):
            other = import_module("pysqlite3.dbapi2")
            if wal_is_safe(other.sqlite_version_info):
                return other
    return sqlite3


class SQLiteDatabase(Database):
    """One connection to one file, durable against the loss of power.

    A new file gets the journal mode that is safe and fastest with the linked SQLite: the
    write-ahead log, or a rollback journal that is kept and zeroed (docs/decisions/0010). An
    existing file keeps its own.

    Args:
        path: The file; its folder must exist.
        create: Whether the file may be new.
        clock: Seconds since the epoch; leases are measured by it.
        driver: The DB-API module; None takes the best at hand.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        driver: Any = None,
    ) -> None:
        self.path = path.absolute()
        self.label = str(path)
        self.url = f"sqlite:///{self.path}"
        self._create = create
        self._clock = clock
        self._driver = driver or _driver()
        self._wal_is_safe = wal_is_safe(self._driver.sqlite_version_info)
        self._connection: Any = None
        self._engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            module=self._driver,
            paramstyle="named",
            poolclass=NullPool,
            pool_reset_on_return=None,
            connect_args={
                "check_same_thread": False,  # the store lets one thread at a time use it
                "isolation_level": None,  # transactions begin and end where we say
                "timeout": 0,  # SQLite's own waiting has no jitter and soon sleeps too long
                "cached_statements": 256,
            },
        )
        self.dialect = self._engine.dialect
        self._progress = compiled(self.dialect).progress

    # --- connection

    def connect(self) -> None:
        self.close()
        self._check_file()
        try:
            self._pooled = self._engine.raw_connection()
            self._connection = self._pooled.driver_connection
            self._configure()
        except self._driver.Error as error:
            self.close()
            raise self._problem(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def journal_mode(self) -> str:
        """The mode in force: "wal" or a rollback mode ("persist")."""
        return str(self._pragma("journal_mode"))

    def _check_file(self) -> None:
        """Refuse early what SQLite would refuse in worse words.

        It does not look into the file: closing it again would drop the locks that this process
        may hold on it through another connection.
        """
        if self.path.is_dir():
            raise StoreError(
                f"{self.label} is a folder, expected a file; give for example "
                f"{self.path / 'study.db'}"
            )
        if not self.path.parent.is_dir():
            raise StoreError(
                f"cannot open the store {self.label}: there is no folder {self.path.parent}; "
                "make it first"
            )
        if not self._create and not self.path.exists():
            raise StoreError(f"there is no store {self.label}; check the path")

    def _configure(self) -> None:
        self._pragma("synchronous=FULL")
        self._pragma("fullfsync=ON")  # where fsync alone does not reach the disk (macOS)
        self._pragma("checkpoint_fullfsync=ON")
        self._pragma("cache_spill=OFF")  # a transaction waits for readers at its end only
        self._pragma("trusted_schema=OFF")
        # A log that stays short soon stops growing, and syncing a file that grows costs more.
        self._pragma(f"wal_autocheckpoint={_LOG_PAGES}")
        if self.journal_mode != "wal":
            self._pragma("journal_mode=PERSIST")
        elif not self._wal_is_safe:
            self._leave_wal()

    def _leave_wal(self) -> None:
        with suppress(StoreError):  # locked: somebody else has it open
            self._pragma("journal_mode=PERSIST")
        if self.journal_mode == "wal":
            raise EnvironmentProblem(
                f"{self.label} is in use in WAL mode, in which the SQLite "
                f"{self._driver.sqlite_version} of this process can lose commits; close the other "
                "processes first, or use SQLite 3.51.3 or later (pip install pysqlite3)"
            )

    def prepare(self, tables: set[str]) -> None:
        if tables:
            raise StoreError(
                f"{self.label} is the database of another program (tables: "
                f"{', '.join(sorted(tables)[:5])}); choose another file for the store"
            )
        if self._wal_is_safe:
            self._pragma("journal_mode=WAL")  # stays with the file

    def _pragma(self, text: str) -> Any:
        rows = self.execute(f"PRAGMA {text}", {})
        return rows[0][0] if rows else None

    # --- statements

    def begin(self) -> None:
        self._when_free(lambda: self._connection.execute("BEGIN IMMEDIATE"))

    def commit(self) -> None:
        self._when_free(lambda: self._connection.execute("COMMIT"))

    def rollback(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._when_free(lambda: self._connection.execute("ROLLBACK"))

    def execute(self, statement: str, parameters: Parameters) -> list[Row]:
        try:
            rows: list[Row] = self._connection.execute(statement, parameters).fetchall()
        except self._driver.Error as error:
            if self._connection.in_transaction or not _busy(error):
                raise self._problem(error) from error
            rows = self._when_free(
                lambda: self._connection.execute(statement, parameters).fetchall()
            )
        return rows

    def change(self, statement: str, parameters: Parameters) -> int:
        try:
            changed: int = self._connection.execute(statement, parameters).rowcount
        except self._driver.Error as error:
            raise self._problem(error) from error
        return changed

    def execute_many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        try:
            self._connection.executemany(statement, parameters)
        except self._driver.Error as error:
            raise self._problem(error) from error

    def lock(self, study: int) -> tuple[Row | None, float]:
        # BEGIN IMMEDIATE has locked the whole file already.
        rows = self.execute(self._progress, {"study": study})
        return (rows[0] if rows else None), self._clock()

    def lock_schema(self) -> None:
        pass  # likewise

    def tables(self) -> set[str]:
        rows = self.execute("SELECT name FROM sqlite_master WHERE type = 'table'", {})
        return {name for (name,) in rows if not name.startswith("sqlite_")}

    def abandon(self) -> None:
        _FROM_PARENT.append((self._connection, self._pooled))
        self._connection = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._pooled.close()

    # --- trouble

    def _when_free(self, operation: Callable[[], T]) -> T:
        """Run it as soon as no other process holds the file."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = 0.0005
        while True:
            try:
                return operation()
            except self._driver.Error as error:
                if not _busy(error) or time.monotonic() > deadline:
                    raise self._problem(error) from error
            time.sleep(pause * random.random())
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _problem(self, error: BaseException) -> ArchwrightError:
        text = str(error)
        if _busy(error):
            return StoreError(
                f"{self.label} has been locked by another process for {_PATIENCE_SECONDS:.0f} s; "
                "stop that process, or use PostgreSQL for many workers"
            )
        for sign, remedy in _ENVIRONMENT.items():
            if sign in text:
                return EnvironmentProblem(f"cannot use the store {self.label}: {text}; {remedy}")
        if "not a database" in text:
            return StoreError(
                f"{self.label} is not an SQLite database (or its beginning is damaged); "
                "choose another file for the store"
            )
        if "malformed" in text:
            return StoreError(
                f"{self.label} is damaged: {text}; restore a copy, or start a new store"
            )
        return StoreError(f"{self.label}: {text}")


_FROM_PARENT: list[Any] = []  # never collected, so that a fork does not close them

_ENVIRONMENT = {
    "readonly database": "make the file and its folder writable, or choose another place",
    "unable to open": "make the file and its folder writable, or choose another place",
    "is full": "free some space, then resume the study",
    "disk I/O error": "check the disk (and that it is not a network folder)",
}


def _busy(error: BaseException) -> bool:
    return "is locked" in str(error)


def open_sqlite(url: str, *, create: bool = True) -> SQLStore:
    """Open the store in the file named by "sqlite:///relative", "sqlite:////absolute" or a path."""
    path = url.removeprefix("sqlite://")
    if path != url:
        if not path.startswith("/") or path == "/":
            raise StoreError(
                f"an SQLite address looks like sqlite:///study.db or sqlite:////tmp/study.db; "
                f"got {url!r}. For a store without a file use memory://"
            )
        path = path[1:]
    return SQLStore(SQLiteDatabase(Path(path), create=create), create=create)
