from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archwright.errors import EnvironmentProblem, StoreError
from archwright.store import SQLStore, Store, open_store, sqlite
from archwright.store.schema import SCHEMA_VERSION
from archwright.store.sqlite import SQLiteDatabase, wal_is_safe
from archwright.testing.stored_studies import check_consistent, measured, new_study, proposals
from archwright.testing.stores import CHECKS


def opened(path: Path, *, wal: bool) -> SQLStore:
    """Open a store as if this SQLite were safe with WAL, or were not."""
    database = SQLiteDatabase(path, driver=sqlite3)
    database._wal_is_safe = wal
    return SQLStore(database)


def connected(store: Store) -> Any:
    """Connect with the store's own SQLite: two copies in one process share no locks."""
    assert isinstance(store, SQLStore)
    assert isinstance(store.database, SQLiteDatabase)
    return store.database._driver.connect(str(store.database.path), check_same_thread=False)


def mode(store: SQLStore) -> str:
    database = store.database
    assert isinstance(database, SQLiteDatabase)
    return database.journal_mode


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 50, 9), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_only_where_the_fix_is(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_new_file_gets_the_journal_of_the_linked_version(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        assert isinstance(store, SQLStore)
        database = store.database
        assert isinstance(database, SQLiteDatabase)
        expected = "wal" if wal_is_safe(database._driver.sqlite_version_info) else "persist"
        assert mode(store) == expected


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback"])
def test_durability_settings(tmp_path: Path, wal: bool) -> None:
    with opened(tmp_path / "x.db", wal=wal) as store:
        assert mode(store) == ("wal" if wal else "persist")
        assert store.database.execute("PRAGMA synchronous", {}) == [(2,)]  # FULL


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback"])
def test_contract_in_both_journal_modes(
    tmp_path: Path, wal: bool, check: Callable[[SQLStore], None]
) -> None:
    with opened(tmp_path / "x.db", wal=wal) as store:
        check(store)


def test_existing_file_keeps_its_rollback_journal(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db", wal=False):
        pass
    with opened(tmp_path / "x.db", wal=True) as store:
        assert mode(store) == "persist"


def test_unsafe_version_leaves_wal_when_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db", wal=True) as store:
        study = new_study(store, trials=2)
    with opened(tmp_path / "x.db", wal=False) as store:
        assert mode(store) == "persist"
        assert len(store.trials(study)) == 2


def test_unsafe_version_does_not_join_in_wal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.05)
    with opened(tmp_path / "x.db", wal=True) as store:
        with pytest.raises(EnvironmentProblem, match=r"in use in WAL mode.*SQLite 3\.51\.3"):
            opened(tmp_path / "x.db", wal=False)
        assert mode(store) == "wal"


def test_best_driver_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer:
        sqlite_version_info = (3, 53, 4)

    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite, "import_module", lambda name: Newer)
    assert sqlite._driver() is Newer
    monkeypatch.setattr(Newer, "sqlite_version_info", (3, 51, 1))
    assert sqlite._driver() is sqlite3
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert sqlite._driver() is sqlite3


def test_other_files_are_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary, today nothing happened")
    with pytest.raises(StoreError, match=r"notes\.txt is not an SQLite database \(or"):
        open_store(path)
    assert path.read_bytes() == b"dear diary, today nothing happened"


def test_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"database of another program \(tables: recipes\)"):
        open_store(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.db"]


def test_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(path) as store:
        new_study(store, trials=100)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError, match=r"is damaged: .*restore a copy, or start a new store"):
        open_store(path)


@pytest.mark.parametrize(("step", "age"), [(1, "newer"), (-1, "older")])
def test_other_schema_version_is_refused(tmp_path: Path, step: int, age: str) -> None:
    path = tmp_path / "x.db"
    open_store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE archwright_schema SET version = version + {step}")
    connection.commit()
    connection.close()
    expected = f"{age} schema version {SCHEMA_VERSION + step}, expected {SCHEMA_VERSION}; use the"
    with pytest.raises(StoreError, match=expected):
        open_store(path)


def test_unreadable_place_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to(tmp_path / "loop.db")
    with pytest.raises(EnvironmentProblem, match=r"cannot use .*unable to open.*writable"):
        open_store(tmp_path / "loop.db")


def test_opening_twice_keeps_the_first_ones_lock(tmp_path: Path) -> None:
    """Looking into a locked file and closing it would drop the lock for the whole process."""
    path = tmp_path / "x.db"
    with opened(path, wal=False) as store, store.transaction(new_study(store)):
        opened(path, wal=False).close()
        code = (
            f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "database is locked" in other.stderr


def test_read_only_store_is_the_environments_fault(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        assert isinstance(store, SQLStore)
        store.database.execute("PRAGMA query_only = ON", {})
        with pytest.raises(EnvironmentProblem, match=r"cannot use the store .*readonly.*writable"):
            new_study(store)


def test_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        assert isinstance(store, SQLStore)
        study = new_study(store, trials=1)
        (limit,) = store.database.execute("PRAGMA page_count", {})[0]
        store.database.execute(f"PRAGMA max_page_count = {limit}", {})
        many = proposals(500)
        with (
            pytest.raises(EnvironmentProblem, match=r"full; free some space, then resume"),
            store.transaction(study) as tx,
        ):
            tx.enqueue(many, range(500), 0)
        assert store.counts(study)["total"] == 1
        check_consistent(store, study)
        store.database.execute("PRAGMA max_page_count = 100000", {})
        with store.transaction(study) as tx:
            tx.enqueue(many, range(500), 0)
        check_consistent(store, study)


def test_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        study = new_study(store, trials=1)
        other = connected(store)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.rollback)
        timer.start()
        started = time.monotonic()
        with store.transaction(study) as tx:
            assert len(tx.claim("w")) == 1
        assert time.monotonic() - started > 0.1
        timer.join()
        other.close()


def test_lock_that_stays_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "x.db") as store:
        study = new_study(store, trials=1)
        monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.05)
        other = connected(store)
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(StoreError, match=r"locked by another process for .*PostgreSQL"),
            store.transaction(study),
        ):
            pass
        other.rollback()
        other.close()
        with store.transaction(study) as tx:
            assert len(tx.claim("w")) == 1


def test_unexpected_error_names_the_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        assert isinstance(store, SQLStore)
        with pytest.raises(StoreError, match=r"x\.db: no such table: absent"):
            store.database.execute("SELECT * FROM absent", {})


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("claim", "archwright_trials_open"),
        ("claim_one", "archwright_trials_open"),
        ("heartbeat", "archwright_trials_open"),
        ("release", "archwright_trials_open"),
        ("running", "archwright_trials_open"),
        ("finished", "archwright_trials_finished"),
    ],
)
def test_hot_statements_do_not_read_all_trials(tmp_path: Path, statement: str, index: str) -> None:
    with open_store(tmp_path / "x.db") as store:
        assert isinstance(store, SQLStore)
        names = ("study", "owner", "n", "now", "until", "most", "spared", "since")
        plan = store.database.execute(
            f"EXPLAIN QUERY PLAN {getattr(store.statements, statement)}", dict.fromkeys(names, 1)
        )
        text = " / ".join(str(row[-1]) for row in plan)
        assert f"INDEX {index}" in text
        assert "SCAN archwright" not in text


def test_overhead_does_not_grow(tmp_path: Path) -> None:
    """Bytes logged by one exchange, after 50 and after 3,000 trials."""
    with opened(tmp_path / "x.db", wal=True) as store:
        study = new_study(store)
        store.database.execute("PRAGMA wal_autocheckpoint = 0", {})

        def logged() -> int:
            store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)", {})
            for _ in range(50):
                with store.transaction(study) as tx:
                    tx.enqueue(proposals(1), [0], 0)
                    (trial,) = tx.claim("w")
                    tx.finish(trial.number, 1, "w", measured(0.5))
            return (tmp_path / "x.db-wal").stat().st_size

        few = logged()
        with store.transaction(study) as tx:
            tx.enqueue(proposals(3000), range(3000), 0)
            for trial in tx.claim("w", 3000):
                tx.finish(trial.number, 1, "w", measured(0.5))
        assert 0 < logged() < 1.5 * few


def test_other_tables_are_not_in_the_way_of_sqlite_internals(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as store:
        study = new_study(store, trials=1)
        assert isinstance(store, SQLStore)
        store.database.execute("ANALYZE", {})
    with open_store(tmp_path / "x.db") as store:
        assert len(store.trials(study)) == 1
