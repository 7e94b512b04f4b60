"""The tables, the same for SQLite and PostgreSQL.

`trials` is what everybody reads. `events` is the append-only log it follows from. `progress` has
one small row for each study: the counts, so that nobody ever counts trials, and in PostgreSQL the
study's lock. It is apart from `studies`, whose rows are large and written once.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

__all__ = ["METADATA", "SCHEMA_VERSION", "definitions"]

SCHEMA_VERSION = 1

METADATA = MetaData()

Table(
    "archwright_schema",
    METADATA,
    Column("version", Integer, nullable=False),
)

Table(
    "archwright_studies",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("space", Text, nullable=False),  # JSON
    Column("spec", Text, nullable=False),  # JSON
    Column("seed", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("environment", Text, nullable=False),  # JSON
    sqlite_autoincrement=True,  # an id is never used again
)

Table(
    "archwright_facts",
    METADATA,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

Table(
    "archwright_progress",
    METADATA,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("total", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("finished", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("cost_seconds", Double, nullable=False),
    Column("events", Integer, nullable=False),
)

_TRIALS = Table(
    "archwright_trials",
    METADATA,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, nullable=False),
    Column("proposal", Text, nullable=False),  # JSON
    Column("status", Text, nullable=False),
    Column("told_before", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),  # times claimed: the fence
    Column("spared", Integer, nullable=False),  # clean releases: attempts that do not count
    Column("worker", Text, nullable=False),
    Column("lease_until", Double),
    Column("taken_from", Text),  # whose lease had run out at the last claim
    Column("finished_order", Integer),
    Column("outcome", Text),  # JSON
    Column("asked_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
)
_OPEN = text("finished_order IS NULL")
_DONE = text("finished_order IS NOT NULL")
# Partial, so that claiming and catching up cost the same after any number of trials.
Index(
    "archwright_trials_open",
    _TRIALS.c.study,
    _TRIALS.c.number,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
Index(
    "archwright_trials_finished",
    _TRIALS.c.study,
    _TRIALS.c.finished_order,
    unique=True,
    sqlite_where=_DONE,
    postgresql_where=_DONE,
)

Table(
    "archwright_events",
    METADATA,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("trial", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)


def definitions(dialect: Dialect) -> list[str]:
    """Return the statements that create everything, in order, in one dialect's words."""
    statements: list[str] = []
    for table in METADATA.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indices = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indices]
    return statements
