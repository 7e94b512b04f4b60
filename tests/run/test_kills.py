"""Nothing is lost: 1,000 trials, four workers, 100 kills at random times, the coordinator too."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from archwright.run import Study, WorkerOptions
from archwright.space import Choice, Space
from archwright.store import Store, open_store
from archwright.testing.fakes import ToyEvaluator
from archwright.testing.postgres import PostgresServer, postgres_binaries
from archwright.trial import Status

TRIALS, WORKERS, KILLS = 1000, 4, 100

COORDINATE = """
import sys
from archwright.run import Study, WorkerOptions
from test_kills import make_study
make_study(sys.argv[1], sys.argv[2]).run(workers=4, resume=True)
"""


def make_study(store: str | Store | None, strategy: str) -> Study:
    evolving = strategy == "regularized-evolution"
    return Study(
        Space({f"x{i}": Choice(*"abcde") for i in range(6)}),
        strategy,
        ToyEvaluator(sleep_seconds=0.0 if store is None else 0.2),
        objective="max:val_score",
        budget=TRIALS,
        seed=5,
        store=store,
        deterministic=WORKERS if evolving else None,
        options={"population": 20, "sample_size": 5} if evolving else {},
        worker_options=WorkerOptions(max_attempts=50),
    )


class Coordinator:
    """The coordinating process, which a test may kill and start again."""

    def __init__(self, url: str, strategy: str) -> None:
        self.arguments = [sys.executable, "-c", COORDINATE, url, strategy]
        self.start()

    def start(self) -> None:
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        self.process = subprocess.Popen(
            self.arguments,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def workers(self) -> list[int]:
        """Return the process ids of the living workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            pids = [int(pid) for pid in children.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [pid for pid in pids if "spawn_main" in _command(pid)]

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def torment(
    coordinator: Coordinator, rng: random.Random, *, interrupt: Callable[[int], None] | None = None
) -> int:
    """Kill workers, and now and then the coordinator, until enough were killed; return how many."""
    killed = 0
    deadline = time.monotonic() + 400
    while killed < KILLS and time.monotonic() < deadline:
        time.sleep(rng.uniform(0.05, 0.5))
        assert coordinator.process.poll() is None, "the study ended before it was tormented enough"
        if workers := coordinator.workers():
            os.kill(rng.choice(workers), signal.SIGKILL)
            killed += 1
            if killed in (KILLS // 3, 2 * KILLS // 3):
                coordinator.process.kill()
                coordinator.process.wait()
                coordinator.start()
            if interrupt is not None:
                interrupt(killed)
    return killed


def check_nothing_lost(store: Store, strategy: str) -> None:
    record = store.study("study")
    trials = store.trials(record)
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert Counter(trial.status for trial in trials) == {Status.COMPLETED: TRIALS}
    assert sorted(t.finished_order for t in trials if t.finished_order is not None) == list(
        range(TRIALS)
    )
    finished = Counter(e.trial for e in store.records(record) if e.kind == "finished")
    assert set(finished.values()) == {1}, "recorded twice"
    uninterrupted = make_study(None, strategy).run()
    assert [t.architecture for t in trials] == [t.architecture for t in uninterrupted.trials]
    assert [t.metrics for t in trials] == [t.metrics for t in uninterrupted.trials]
    assert uninterrupted.best.number == make_study(store, strategy).result().best.number


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("strategy", ["random", "regularized-evolution"])
def test_a_hundred_kills_lose_nothing_on_sqlite(tmp_path: Path, strategy: str) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    coordinator = Coordinator(url, strategy)
    try:
        assert torment(coordinator, random.Random(7)) == KILLS
        assert coordinator.process.wait(timeout=400) == 0
    finally:
        coordinator.stop()
    with open_store(url) as store:
        check_nothing_lost(store, strategy)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_a_hundred_kills_and_two_server_crashes_lose_nothing_on_postgresql() -> None:
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (no initdb and pg_ctl)")
    with PostgresServer(binaries) as server:

        def crash(killed: int) -> None:
            if killed in (KILLS // 4, 3 * KILLS // 4):
                server.restart("immediate")

        coordinator = Coordinator(server.url, "random")
        try:
            assert torment(coordinator, random.Random(8), interrupt=crash) == KILLS
            assert coordinator.process.wait(timeout=400) == 0
        finally:
            coordinator.stop()
        with open_store(server.url) as store:
            check_nothing_lost(store, "random")
