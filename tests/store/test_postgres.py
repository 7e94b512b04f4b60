from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from archwright.errors import EnvironmentProblem, StoreError, StudyExistsError
from archwright.store import SQLStore, Store, StudyRecord, Transaction, open_store
from archwright.store.database import NotWrittenError
from archwright.testing.postgres import PostgresServer, shared_server
from archwright.testing.stored_studies import (
    check_consistent,
    measured,
    new_study,
    proposals,
    space,
)

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    found = shared_server()
    if found is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on this machine")
    return found


@pytest.fixture
def store(server: PostgresServer) -> Iterator[SQLStore]:
    with open_store(server.new_database()) as store:
        assert isinstance(store, SQLStore)
        yield store


def exchange(tx: Transaction, number: int) -> None:
    tx.enqueue(proposals(1), [number], number)
    (trial,) = tx.claim("w")
    assert trial.number == number
    tx.finish(number, 1, "w", measured(number))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_run_outlives_a_restart(server: PostgresServer, store: SQLStore, mode: str) -> None:
    study = new_study(store)
    restart = threading.Timer(0.1, server.restart, [mode])
    restart.start()
    number = 0
    while number < 100 or restart.is_alive():
        calls = store.run(study, lambda tx, number=number: exchange(tx, number))
        assert calls is None
        number += 1
    restart.join()
    finished = store.finished(study)
    assert [t.metrics["val_score"] for t in finished] == list(range(number))
    check_consistent(store, study)


def test_every_other_call_outlives_a_restart(server: PostgresServer, store: SQLStore) -> None:
    study = new_study(store, trials=2)
    with store.transaction(study) as tx:
        tx.claim("w", 2)
    calls: list[Any] = [
        lambda: store.heartbeat(study, "w") == [0, 1],
        lambda: len(store.trials(study)) == 2,
        lambda: store.study("study").name == "study",
        lambda: store.annotate(study, "a", 1) is None,
        lambda: store.create_study("b", space=space(), spec={}, seed=0).name == "b",
        lambda: store.release(study, ["w"]) == [0, 1],
        lambda: store.delete_study("b") is None,
    ]
    for call in calls:
        server.restart("immediate")
        assert call()
    assert [s.name for s in store.studies()] == ["study"]


class LostCommit:
    """Breaks the connection around the next commit: after it took effect, or before."""

    def __init__(self, store: SQLStore, *, written: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database: Any = store.database
        self.execute = self.database.execute
        self.written = written
        self.armed = True
        monkeypatch.setattr(self.database, "execute", self)

    def __call__(self, statement: str, parameters: Any) -> Any:
        if statement == "COMMIT" and self.armed:
            self.armed = False
            if self.written:
                self.execute(statement, parameters)
            self.database._connection.close()
            raise NotWrittenError("the connection broke")
        return self.execute(statement, parameters)


@pytest.mark.parametrize("written", [True, False])
def test_lost_commit_takes_effect_once(
    store: SQLStore, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = new_study(store)
    calls = []
    LostCommit(store, written=written, monkeypatch=monkeypatch)

    def function(tx: Transaction) -> None:
        calls.append(1)
        exchange(tx, 0)

    store.run(study, function)
    assert len(calls) == (1 if written else 2)
    assert store.counts(study)["finished"] == 1
    assert store.counts(study)["total"] == 1
    check_consistent(store, study)


@pytest.mark.parametrize("written", [True, False])
def test_lost_commit_of_a_block(
    store: SQLStore, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = new_study(store)
    LostCommit(store, written=written, monkeypatch=monkeypatch)
    if written:
        with store.transaction(study) as tx:
            exchange(tx, 0)
    else:
        with (
            pytest.raises(StoreError, match="the connection broke"),
            store.transaction(study) as tx,
        ):
            exchange(tx, 0)
    assert store.counts(study)["finished"] == int(written)
    check_consistent(store, study)


@pytest.mark.parametrize("written", [True, False])
def test_lost_commit_of_a_creation(
    store: SQLStore, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    LostCommit(store, written=written, monkeypatch=monkeypatch)
    study = store.create_study("new", space=space(), spec={"a": 1}, seed=3)
    assert store.study("new") == study
    with pytest.raises(StudyExistsError, match="'new' exists already"):
        store.create_study("new", space=space(), spec={"a": 1}, seed=3)


def test_connection_lost_inside_a_block_is_reported(store: SQLStore) -> None:
    study = new_study(store, trials=1)

    def lose() -> None:
        with store.transaction(study) as tx:
            tx.claim("w")
            _terminate(store)
            tx.claim("v")

    with pytest.raises(StoreError, match=r"the transaction on postgresql://.* has to be repeated"):
        lose()
    assert store.running(study) == []
    with store.transaction(study) as tx:
        assert len(tx.claim("w")) == 1


def _terminate(store: SQLStore) -> None:
    database: Any = store.database
    pid = database._connection.info.backend_pid
    with open_store(store.url) as other:
        assert isinstance(other, SQLStore)
        other.database.execute(f"SELECT pg_terminate_backend({pid}, 5000)", {})


def test_patience_ends(server: PostgresServer, store: SQLStore) -> None:
    study = new_study(store)
    store.patience_seconds = 0.2
    server.stop()
    try:
        with pytest.raises(EnvironmentProblem, match=r"cannot connect to postgresql://.*refused"):
            store.run(study, lambda tx: tx.claim("w"))
    finally:
        server.start()
    assert store.run(study, lambda tx: tx.claim("w")) == []


def test_stores_share_a_study(store: SQLStore) -> None:
    study = new_study(store, trials=2)
    with open_store(store.url) as other:
        mine: list[tuple[Store, StudyRecord]] = [(store, study), (other, other.study("study"))]
        for number, (one, record) in enumerate(mine):
            with one.transaction(record) as tx:
                (trial,) = tx.claim("w")
                assert trial.number == number


def test_study_lock_is_waited_for(store: SQLStore) -> None:
    study = new_study(store, trials=2)
    with open_store(store.url) as other:
        order = []

        def late() -> None:
            with other.transaction(study) as tx:
                order.append(tx.claim("late")[0].number)

        thread = threading.Thread(target=late)
        with store.transaction(study) as tx:
            thread.start()
            thread.join(0.1)
            assert thread.is_alive()
            order.append(tx.claim("early")[0].number)
        thread.join()
        assert order == [0, 1]
        trials = store.trials(study)
        assert trials[0].started_at <= trials[1].started_at  # type: ignore[operator]


def test_refused_right_is_the_environments_fault(store: SQLStore) -> None:
    store.database.execute("SET default_transaction_read_only = on", {})
    with pytest.raises(EnvironmentProblem, match=r"cannot write the store.*read-only"):
        new_study(store)


def test_unexpected_error_names_the_store(store: SQLStore) -> None:
    with pytest.raises(StoreError, match=r"postgresql://.*relation \"nothing\" does not exist"):
        store.database.execute("SELECT * FROM nothing", {})


def test_unknown_database_is_one_line(server: PostgresServer) -> None:
    with pytest.raises(EnvironmentProblem, match=r"database \"nowhere\" does not exist") as caught:
        open_store(server.url.removesuffix("postgres") + "nowhere")
    assert "\n" not in str(caught.value)


def test_without_create_nothing_is_created(server: PostgresServer) -> None:
    url = server.new_database()
    with pytest.raises(StoreError, match=r"there is no store in postgresql://"):
        open_store(url, create=False)


def test_tables_of_others_are_left_alone(server: PostgresServer) -> None:
    url = server.new_database()
    with open_store(url) as store:
        assert isinstance(store, SQLStore)
        store.database.execute("CREATE TABLE trials (x int)", {})
        study = new_study(store, trials=1)
        assert len(store.trials(study)) == 1


def test_password_is_not_shown(server: PostgresServer) -> None:
    url = server.new_database().replace("archwright@", "archwright:secret@")
    with open_store(url) as store:
        assert "secret" in store.url
        assert "secret" not in repr(store)
