"""Who starts the workers: this process, or several local ones.

An executor is a function `(store, study, job, *, workers, callback) -> reason`. All of them run
the same `Worker` loop, so a study gives the same trials whichever one is used. `choose_executor`
refuses what cannot work before anything is recorded.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Protocol

from archwright.errors import EnvironmentProblem, StoreError, StrategyError
from archwright.evaluate import GUIDES
from archwright.registry import Registry
from archwright.run.callbacks import Callback
from archwright.run.isolate import deaf_to_interrupts
from archwright.run.job import Job
from archwright.run.worker import WorkerOptions
from archwright.store import Store, StudyRecord, open_store

__all__ = ["EXECUTORS", "Executor", "choose_executor", "processes", "serial"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0
# A worker that raises will raise again; one that was killed may have been unlucky.
_ERRORS_WITHOUT_PROGRESS = 5
_KILLS_WITHOUT_PROGRESS = 100
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Executor(Protocol):
    """Runs workers until the study ends; returns the reason."""

    def __call__(
        self, store: Store, study: StudyRecord, job: Job, *, workers: int, callback: Callback
    ) -> str:
        """Run the study."""


EXECUTORS: Registry[Executor] = Registry("executor", group="archwright.executors")
EXECUTORS.register(
    "serial", "archwright.run.executors:serial", summary="one worker in this process"
)
EXECUTORS.register(
    "process",
    "archwright.run.executors:processes",
    summary="several local processes",
    aliases=("local",),
)


def choose_executor(name: str | None, workers: int, job: Job, *, shared: bool) -> Executor:
    """Return the executor of this name, or the one that suits the number of workers.

    Args:
        name: As registered.
        workers: How many are wanted.
        job: What they will do.
        shared: Whether several processes can open the store.

    Raises:
        StrategyError: If `workers` is below 1, or the job cannot be sent to processes.
        UnknownNameError: If there is no such executor.
        StoreError: If executor, workers and store do not go together.
    """
    if workers < 1:
        raise StrategyError(f"workers must be at least 1; got {workers!r}")
    executor = EXECUTORS.get(name or ("serial" if workers == 1 else "process"))
    if executor is serial and workers != 1:
        raise StoreError(f"the serial executor has one worker; got {workers}. Use 'process'")
    if executor is processes:
        if not shared:
            raise StoreError(
                "several workers need a store that they can share; pass store='study.db' "
                "(or a PostgreSQL URL)"
            )
        _check_sendable(job)
    return executor


def serial(store: Store, study: StudyRecord, job: Job, *, workers: int, callback: Callback) -> str:
    """Evaluate in this process.

    Trials that a dead process of this machine left running are taken over at once.
    """
    del workers
    _release_dead(store, study)
    return job.worker(store, study, callback=callback).run()


def processes(
    store: Store, study: StudyRecord, job: Job, *, workers: int, callback: Callback
) -> str:
    """Evaluate in several processes of this machine and replace those that die.

    Raises:
        EnvironmentProblem: If workers keep dying without finishing anything.
    """
    _release_dead(store, study)
    crew = _Crew(store, study, job, workers)
    seen = int(store.counts(study)["finished"])
    try:
        while True:
            for trial in store.finished(study, seen):
                callback.on_trial(trial)
                seen += 1
            if job.options.should_stop():
                crew.stop(_PATIENCE_SECONDS)
                return "asked to stop"
            if not crew.tend(seen):
                break
            time.sleep(_POLL_SECONDS)
    except BaseException:
        crew.stop(_PATIENCE_SECONDS)
        raise
    for trial in store.finished(study, seen):
        callback.on_trial(trial)
    return crew.reason()


@dataclass(frozen=True)
class _Orders:
    """What a worker process is sent."""

    store_url: str
    study: str
    job: Job


class _Crew:
    """The worker processes of one coordinator."""

    def __init__(self, store: Store, study: StudyRecord, job: Job, workers: int) -> None:
        self.store = store
        self.study = study
        self._spawn = multiprocessing.get_context("spawn")
        self._stop: Event = self._spawn.Event()
        self._reasons = self._spawn.SimpleQueue()
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self._orders = _Orders(store.url, study.name, _sendable(job, most=self._threads))
        self._members = [self._start() for _ in range(workers)]
        self._errors = self._kills = 0
        self._finished_at_death = -1

    def tend(self, finished: int) -> bool:
        """Replace dead workers; return whether any is still at work."""
        for place, member in enumerate(self._members):
            if member.exitcode in (None, 0):
                continue
            self._count_death(finished, member.exitcode)
            _LOG.warning("a worker died (exit code %s); starting another", member.exitcode)
            _release_dead(self.store, self.study)
            self._members[place] = self._start()
        return any(member.exitcode is None for member in self._members)

    def _count_death(self, finished: int, code: int | None) -> None:
        if finished > self._finished_at_death:
            self._errors = self._kills = 0
        self._finished_at_death = finished
        if code is not None and code < 0:
            self._kills += 1
        else:
            self._errors += 1
        if self._errors > _ERRORS_WITHOUT_PROGRESS or self._kills > _KILLS_WITHOUT_PROGRESS:
            raise EnvironmentProblem(
                f"{self._errors + self._kills} worker processes died without finishing a trial "
                f"(the last with exit code {code}); run with one worker to see why. A script that "
                "starts workers must do so below: if __name__ == '__main__':"
            )

    def stop(self, patience: float) -> None:
        """Ask all workers to stop, end those that do not, and give their trials back."""
        self._stop.set()
        until = time.monotonic() + patience
        for member in self._members:
            member.join(max(0.0, until - time.monotonic()))
        for member in self._members:
            if member.exitcode is None:
                member.kill()
                member.join()
        _release_dead(self.store, self.study, clean=True)

    def reason(self) -> str:
        """Return why the workers ended, by the word of the first that did."""
        return str(self._reasons.get()) if not self._reasons.empty() else "all workers ended"

    def _start(self) -> BaseProcess:
        member = self._spawn.Process(
            target=_work, args=(self._orders, self._stop, self._reasons), daemon=False
        )
        with _threads(self._threads), deaf_to_interrupts():
            member.start()
        return member


def _work(orders: _Orders, stop: Event, reasons: object) -> None:
    """Be one worker: the main function of a worker process."""
    # Ctrl-C reaches the whole process group; the coordinator decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def should_stop() -> bool:
        return stop.is_set() or os.getppid() != parent

    job = orders.job.with_evaluator()
    job = replace(job, options=replace(job.options, should_stop=should_stop))
    with open_store(orders.store_url) as store:
        study = store.study(orders.study, space=job.space)
        reason = job.worker(store, study).run()
    reasons.put(reason)  # type: ignore[attr-defined]  # a SimpleQueue, which has no public type


def _sendable(job: Job, *, most: int | None = None) -> Job:
    """Return the job without what a process can rebuild for itself, or cannot be sent.

    A worker holds as many trials as it can train side by side: more would be missing elsewhere.
    """
    options = replace(job.options, should_stop=WorkerOptions.should_stop, most=most)
    if job.spec.get("evaluator"):
        described = job.described_guide()
        guide = None if described and described["kind"] in GUIDES.names() else job.guide
        spec = {**job.spec, "guide": described}
        return replace(job, space=None, evaluator=None, guide=guide, spec=spec, options=options)
    return replace(job, options=options)


class _Nowhere:
    """A file that forgets what is written to it."""

    def write(self, content: bytes, /) -> int:
        return len(content)


def _check_sendable(job: Job) -> None:
    try:
        pickle.Pickler(_Nowhere()).dump(_sendable(job))
    except Exception as error:
        raise StrategyError(
            f"this study cannot be sent to worker processes ({error}); define its functions and "
            "classes at the top of a module, or use one worker"
        ) from error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let processes started inside begin with `count` threads each."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _release_dead(store: Store, study: StudyRecord, *, clean: bool = False) -> None:
    """Give back the trials of owners on this machine whose process is gone."""
    dead = {trial.worker for trial in store.running(study) if _is_dead(trial.worker)}
    if dead:
        store.release(study, sorted(dead), clean=clean)


def _is_dead(owner: str) -> bool:
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, and belongs to somebody else
    return False
