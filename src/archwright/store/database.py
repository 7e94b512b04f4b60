"""One connection to a database, and what SQLite and PostgreSQL do differently on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from archwright.errors import EnvironmentProblem, StoreError

__all__ = ["Database", "LostCommitError", "NotWrittenError", "UnreachableError"]

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class NotWrittenError(StoreError):
    """The connection was lost and the transaction certainly took no effect: try it again."""


class LostCommitError(NotWrittenError):
    """The connection was lost during the commit: nobody knows yet whether it took effect."""


class UnreachableError(EnvironmentProblem):
    """The server does not answer (any more, or yet)."""


class Database(ABC):
    """One connection; its user makes sure that one thread at a time uses it.

    Driver errors come out as errors of archwright; those worth another try as `NotWrittenError`
    or `UnreachableError`.
    """

    dialect: Dialect
    label: str
    url: str

    @abstractmethod
    def connect(self) -> None:
        """Connect; drops an earlier connection first."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether there is a connection that is not known to be broken."""

    @abstractmethod
    def begin(self) -> None:
        """Open a write transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Make the transaction durable before returning.

        Raises:
            NotWrittenError: If it took no effect.
            LostCommitError: If it may have.
        """

    @abstractmethod
    def rollback(self) -> None:
        """Drop the transaction, if one is open; never raises for a broken connection."""

    @abstractmethod
    def execute(self, statement: str, parameters: Parameters) -> list[Row]:
        """Run one statement and return its rows, if it has any."""

    @abstractmethod
    def change(self, statement: str, parameters: Parameters) -> int:
        """Run one statement that returns no rows; return how many rows it changed."""

    @abstractmethod
    def execute_many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Run one statement for each set of parameters."""

    @abstractmethod
    def lock(self, study: int) -> tuple[Row | None, float]:
        """Lock the study until the transaction ends.

        Returns:
            Its row of `statements` "progress" (None if the study is gone), and the time by the
            clock that rules the leases, read while the lock is held.
        """

    @abstractmethod
    def lock_schema(self) -> None:
        """Keep others from creating the schema until the transaction ends."""

    @abstractmethod
    def tables(self) -> set[str]:
        """Return the names of the tables that are there."""

    @abstractmethod
    def prepare(self, tables: set[str]) -> None:
        """Make a database without our tables ready for them; refuse one that is not ours."""

    @abstractmethod
    def abandon(self) -> None:
        """Forget the connection without touching it: it belongs to the parent of this fork."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Closing twice is fine."""
