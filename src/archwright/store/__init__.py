"""Where studies and their trials live, and from where they come back after a crash.

A `Store` holds studies (`StudyRecord`) and their trials; `open_store` opens one by its address.
All work on trials happens in a short `Transaction`, which is all or nothing:

    store = open_store("runs/digits.db")
    study = store.create_study("digits", space=space, spec={}, seed=0)
    with store.transaction(study) as transaction:
        transaction.enqueue([Proposal(architecture)], seeds=[7], told_before=0)
        trial, = transaction.claim("worker-1")
    with store.transaction(study) as transaction:
        transaction.finish(trial.number, trial.attempt, "worker-1", outcome)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.errors import StoreError
from archwright.registry import Registry
from archwright.store.contract import Counts, Event, Store, StudyRecord, Transaction
from archwright.store.memory import MemoryStore

if TYPE_CHECKING:
    from archwright.store.sql import SQLStore

__all__ = [
    "STORES",
    "Counts",
    "Event",
    "MemoryStore",
    "SQLStore",
    "Store",
    "StudyRecord",
    "Transaction",
    "open_store",
]

STORES: Registry[Callable[..., Store]] = Registry("store", group="archwright.stores")
"""Address scheme to function `(url, *, create) -> Store`."""
STORES.register(
    "memory", "archwright.store.memory:open_memory", summary="in this process, gone at its end"
)
STORES.register(
    "sqlite", "archwright.store.sqlite:open_sqlite", summary="one file, several processes"
)
STORES.register(
    "postgresql",
    "archwright.store.postgres:open_postgres",
    summary="a PostgreSQL server, several machines",
    aliases=("postgres", "postgresql+psycopg"),
)


def open_store(url: str | Path | Store | None, *, create: bool = True) -> Store:
    """Open a store by its address.

    Args:
        url: None or "memory://"; a path or "sqlite:///path" for an SQLite file;
            "postgresql://user@host/database"; or a store, which is returned as it is.
        create: Whether to make a new store where there is none yet.

    Raises:
        UnknownNameError: If the address has a scheme that is none of `STORES`.
        StoreError: If what is there is not a store, or there is none and `create` is false.
        EnvironmentProblem: If the place cannot be written or the server does not answer.
        MissingDependencyError: If PostgreSQL is asked for without its driver.
    """
    if isinstance(url, Store):
        return url
    if url is None:
        return MemoryStore()
    text = str(url)
    if text.strip(":") == "memory" and ":" in text:  # else it would be a file of that name
        raise StoreError(f'the store in memory is written "memory://"; got {text!r}')
    scheme = text.partition("://")[0] if "://" in text else "sqlite"
    return STORES.get(scheme)(text, create=create)


def __getattr__(name: str) -> Any:
    if name == "SQLStore":  # loads SQLAlchemy, which a study in memory does not need
        from archwright.store.sql import SQLStore

        return SQLStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
