# ruff: noqa: D102 - documented on Database
"""PostgreSQL: a server, for workers on several machines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from archwright.errors import (
    ArchwrightError,
    EnvironmentProblem,
    MissingDependencyError,
    StoreError,
)
from archwright.store.database import (
    Database,
    LostCommitError,
    NotWrittenError,
    Parameters,
    Row,
    UnreachableError,
)
from archwright.store.sql import SQLStore
from archwright.store.statements import compiled

__all__ = ["PostgresDatabase", "open_postgres"]

_SCHEMA_LOCK = 0x6172636877726974  # any number that others do not use: "archwrit"
_TRY_AGAIN = ("40001", "40P01")  # serialization failure, deadlock
_ENVIRONMENT = {
    "53100": "free some space on the server, then resume the study",
    "25006": "the server is read-only; use its primary",
    "42501": "give the user the right to create and write tables",
}
# A worker that was stopped inside a transaction must not hold the study for ever.
_SETTINGS = "SET idle_in_transaction_session_timeout = '60s'"
# The time is read outside the locked row, so after the wait for it.
_LOCK = """
    SELECT progress.*, extract(epoch FROM clock_timestamp())::float8
    FROM ({progress} FOR UPDATE) AS progress"""


class PostgresDatabase(Database):
    """One connection to a server; a study is locked by its row of progress.

    Args:
        url: "postgresql://user:password@host:port/database", with libpq's options after "?".
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError) as error:
            raise StoreError(
                f"a PostgreSQL address looks like postgresql://user@host:5432/database; got {url!r}"
            ) from error
        self.url = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self.label = parsed.set(drivername="postgresql").render_as_string(hide_password=True)
        options: dict[str, Any] = {
            "autocommit": True,  # transactions begin and end where we say
            "client_encoding": "utf8",
        }
        if "connect_timeout" not in parsed.query:
            options["connect_timeout"] = 10
        try:
            self._engine = create_engine(
                parsed, poolclass=NullPool, pool_reset_on_return=None, connect_args=options
            )
        except ImportError as error:
            raise MissingDependencyError(
                "psycopg", extra="postgres", needed_for=f"the store {self.label}"
            ) from error
        self.dialect = self._engine.dialect
        self._error: Any = self._engine.dialect.loaded_dbapi.Error
        self._operational: Any = self._engine.dialect.loaded_dbapi.OperationalError
        self._lock = _LOCK.format(progress=compiled(self.dialect).progress)
        self._connection: Any = None

    # --- connection

    def connect(self) -> None:
        self.close()
        try:
            self._pooled = self._engine.raw_connection()
        except self._error as error:
            raise UnreachableError(
                f"cannot connect to {self.label}: {_first_line(error)}; "
                "check the address, and that the server runs"
            ) from error
        self._connection = self._pooled.driver_connection
        self.execute(_SETTINGS, {})

    @property
    def connected(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def prepare(self, tables: set[str]) -> None:
        pass  # our tables have a prefix; they get along with others

    def abandon(self) -> None:
        _FROM_PARENT.append((self._connection, self._pooled))
        self._connection = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection = None
            with suppress(Exception):
                self._pooled.close()

    # --- statements

    def begin(self) -> None:
        self.execute("BEGIN", {})

    def commit(self) -> None:
        try:
            self.execute("COMMIT", {})
        except NotWrittenError as error:
            if not self.connected:
                raise LostCommitError(str(error)) from error
            raise

    def rollback(self) -> None:
        if self.connected and self._connection.info.transaction_status != _IDLE:
            with suppress(StoreError):  # the connection broke: the server has rolled back
                self.execute("ROLLBACK", {})

    def execute(self, statement: str, parameters: Parameters) -> list[Row]:
        try:
            cursor = self._connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []
        except self._error as error:
            raise self._problem(error) from error

    def change(self, statement: str, parameters: Parameters) -> int:
        try:
            changed: int = self._connection.execute(statement, parameters).rowcount
        except self._error as error:
            raise self._problem(error) from error
        return changed

    def execute_many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(statement, parameters)
        except self._error as error:
            raise self._problem(error) from error

    def lock(self, study: int) -> tuple[Row | None, float]:
        rows = self.execute(self._lock, {"study": study})
        if not rows:
            return None, 0.0
        *progress, now = rows[0]
        return tuple(progress), now

    def lock_schema(self) -> None:
        self.execute(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})", {})

    def tables(self) -> set[str]:
        rows = self.execute(
            "SELECT c.relname FROM pg_class AS c WHERE c.relkind IN ('r', 'p')"
            " AND pg_table_is_visible(c.oid) AND c.relname LIKE 'archwright%'",
            {},
        )
        return {name for (name,) in rows}

    # --- trouble

    def _problem(self, error: Any) -> ArchwrightError:
        state = getattr(error, "sqlstate", None) or ""
        reason = _first_line(error)
        if not state and isinstance(error, self._operational):
            # Not the server's word but the client's: what it knows of the connection is void
            # (a server that goes away amid several statements leaves it half way through them).
            self.close()
        if not self.connected or self._connection.broken or state in _TRY_AGAIN:
            return NotWrittenError(
                f"the transaction on {self.label} was lost and has to be repeated: {reason}"
            )
        if state in _ENVIRONMENT:
            return EnvironmentProblem(
                f"cannot write the store {self.label}: {reason}; {_ENVIRONMENT[state]}"
            )
        return StoreError(f"{self.label}: {reason}")


_IDLE = 0  # libpq's PQTRANS_IDLE
_FROM_PARENT: list[Any] = []  # never collected, so that a fork does not close them


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def open_postgres(url: str, *, create: bool = True) -> SQLStore:
    """Open the store on the server named by "postgresql://user@host:port/database"."""
    return SQLStore(PostgresDatabase(url), create=create)
