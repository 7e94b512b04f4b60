"""What every store keeps that several processes open, as checks that take its address.

Each check runs in one fresh process, which forks the others: what they need is loaded once, and
the process of the test itself is never forked or killed. POSIX only.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from archwright.errors import StoreError, StudyExistsError
from archwright.store import Store, Transaction, open_store
from archwright.testing.stored_studies import (
    check_consistent,
    measured,
    new_study,
    proposals,
    space,
)
from archwright.trial import Trial

__all__ = ["SHARED_CHECKS", "check_shared"]

_TIMEOUT_SECONDS = 120


def check_shared(name: str, url: str) -> None:
    """Run one of `SHARED_CHECKS`, by name, on the address of a new, empty store."""
    code = f"from archwright.testing.shared_stores import _run; _run({name!r}, {url!r})"
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert process.returncode == 0, f"returned {process.returncode}: {process.stderr[-3000:]}"


def processes(url: str) -> None:
    """Processes that claim and finish at once share all the work and no trial."""
    with open_store(url) as store:
        study = new_study(store, trials=60)
        for child in [_Child(lambda: _work(url)) for _ in range(3)]:
            child.join()
        finished = store.finished(study)
        assert len(finished) == 60
        assert all(t.attempt == 1 and t.metrics["val_score"] == t.number for t in finished)
        check_consistent(store, study)


def creation(url: str) -> None:
    """Of several processes that create one study in a new store, one succeeds."""

    def create() -> str:
        try:
            new_study(open_store(url), "the same", trials=1)
        except StudyExistsError:
            return "exists"
        return "created"

    said = sorted(child.join() for child in [_Child(create) for _ in range(4)])
    assert said == ["created", "exists", "exists", "exists"], said


def kills(url: str) -> None:
    """Workers killed at random times lose nothing and repeat nothing that was recorded."""
    chance = random.Random(0)
    with open_store(url) as store:
        study = new_study(store, trials=200)
        workers = [_Child(lambda: _work(url, pause=0.002)) for _ in range(2)]
        for _ in range(10):
            time.sleep(0.05 * chance.random())
            workers.pop(0).kill()
            workers.append(_Child(lambda: _work(url, pause=0.002)))
            living = {f"process {worker.pid}" for worker in workers}
            store.release(study, {t.worker for t in store.running(study)} - living)
        for worker in workers:
            worker.join()
        # A worker may have been killed after the last claim of another.
        store.release(study, {t.worker for t in store.running(study)})
        _work(url)
        finished = store.finished(study)
        assert len(finished) == 200
        assert all(t.metrics["val_score"] == t.number for t in finished)
        check_consistent(store, study)


def crash_everywhere(url: str) -> None:
    """Whatever statement a process dies at, its transaction is there as a whole or not at all."""
    with open_store(url) as store:
        study = new_study(store, trials=1)
        store.run(study, lambda tx: tx.claim("victim"))
    steps = 0
    died = True
    while died:
        steps += 1
        died = not _Child(lambda: _die_at(url, steps)).survived()  # noqa: B023 - called at once
        with open_store(url) as store:
            check_consistent(store, study)
            counts = store.counts(study)
            assert counts["running"] == 1
            assert counts["total"] == counts["finished"] + 1
    assert steps > 6, "every statement was tried"


def fork(url: str) -> None:
    """A forked child is told to open its own store; the parent's goes on."""
    store = open_store(url)
    study = new_study(store, trials=1)

    def use() -> str:
        try:
            store.trials(study)
        except StoreError as error:
            return str(error)
        return "worked"

    said = _Child(use).join()
    assert "cannot be used in its forked child" in said, said
    assert "open_store" in said, said
    with store.transaction(study) as tx:
        assert len(tx.claim("w")) == 1


SHARED_CHECKS: dict[str, Callable[[str], None]] = {
    "processes": processes,
    "creation": creation,
    "kills": kills,
    "crash_everywhere": crash_everywhere,
    "fork": fork,
}
"""Checks of the address of an empty store, to be run by `check_shared`."""


def _run(name: str, url: str) -> None:
    import archwright.store.postgres
    import archwright.store.sqlite  # once, not in every child  # noqa: F401

    SHARED_CHECKS[name](url)


class _Child:
    """A forked process that says what its function returns."""

    def __init__(self, function: Callable[[], str]) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.write(write, function().encode())
                code = 0
            except BaseException as error:  # noqa: BLE001 - the process ends here
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        os.close(write)

    def join(self) -> str:
        """Wait for it to succeed; return what it said."""
        with os.fdopen(self._read) as pipe:
            said = pipe.read()
        assert self._exit_code() == 0, "a child failed"
        return said

    def survived(self) -> bool:
        """Wait for it; return whether nobody killed it."""
        os.close(self._read)
        code = self._exit_code()
        assert code in (0, -signal.SIGKILL), f"a child returned {code}"
        return code == 0

    def kill(self) -> None:
        """Kill it if it still runs."""
        os.kill(self.pid, signal.SIGKILL)
        self.survived()

    def _exit_code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _work(url: str, *, pause: float = 0.0) -> str:
    store, owner = open_store(url), f"process {os.getpid()}"
    study = store.study("study", space=space())
    claimed: list[Trial] = []

    def exchange(tx: Transaction) -> list[Trial]:
        for trial in claimed:
            tx.finish(trial.number, trial.attempt, owner, measured(trial.number))
        return tx.claim(owner, max_attempts=100)

    while claimed := store.run(study, exchange):
        time.sleep(pause)
    return "done"


def _die_at(url: str, step: int) -> str:
    store = open_store(url)
    study = store.study("study", space=space())
    (running,) = store.running(study)
    _kill_at_call(store, step)
    with store.transaction(study) as tx:
        tx.finish(running.number, running.attempt, "victim", measured(1.0))
        tx.enqueue(proposals(1), [running.number + 1], running.number + 1)
        tx.claim("victim")
    return "survived"


def _kill_at_call(store: Store, step: int) -> None:
    from archwright.store.sql import SQLStore

    assert isinstance(store, SQLStore)
    calls = 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments)

        return call

    for name in ("begin", "lock", "execute", "change", "execute_many", "commit"):
        setattr(store.database, name, counted(getattr(store.database, name)))
