"""Who trains the architectures of a table: this process, or several."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from archwright import network
from archwright.errors import ArchwrightError, BenchmarkError, EnvironmentProblem
from archwright.evaluate.building import Record, Recording
from archwright.space import Architecture
from archwright.train import threads

__all__ = ["recorded"]

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 2.0


def recorded(
    recording: Recording,
    architectures: Sequence[Architecture],
    *,
    workers: int,
    should_stop: Callable[[], bool],
) -> Iterator[Record]:
    """Yield the records of architectures as they are finished, in any order.

    Args:
        recording: How to train.
        architectures: What to train.
        workers: 1 trains in this process; more start so many others. One thread each.
        should_stop: Asked often; true raises `KeyboardInterrupt`.

    Raises:
        BenchmarkError: If the space cannot be made again in another process, or `workers` is
            below 1.
        EnvironmentProblem: If a process was killed.
    """
    if workers < 1:
        raise BenchmarkError(f"workers must be at least 1; got {workers!r}")
    parts = deque(_parts(recording, architectures))
    if workers == 1 or len(parts) < 2:
        with threads(1):
            for part in parts:
                yield from recording.record(part, should_stop)
        return
    crew = _Crew(recording, min(workers, len(parts)))
    try:
        yield from crew.work(parts, should_stop)
    finally:
        crew.dismiss()


def _parts(
    recording: Recording, architectures: Sequence[Architecture]
) -> Iterator[Sequence[Architecture]]:
    size = recording.together
    for start in range(0, len(architectures), size):
        yield architectures[start : start + size]


@dataclass(eq=False)
class _Member:
    """A process, and this end of the pipe to it."""

    process: BaseProcess
    pipe: Connection


class _Crew:
    """Processes that each train one part at a time."""

    def __init__(self, recording: Recording, workers: int) -> None:
        packed = _packed(recording)
        context = multiprocessing.get_context("spawn")
        self._members: list[_Member] = []
        for number in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs,), name=f"record-{number}", daemon=True
            )
            process.start()
            theirs.close()
            ours.send_bytes(packed)
            self._members.append(_Member(process, ours))

    def work(
        self, parts: deque[Sequence[Architecture]], should_stop: Callable[[], bool]
    ) -> Iterator[Record]:
        """Hand out all parts, one at a time to each process."""
        busy: dict[Connection, _Member] = {}
        for member in self._members:
            self._hand_out(parts, member, busy)
        while busy:
            if should_stop():
                raise KeyboardInterrupt
            for pipe in wait(list(busy), _POLL_SECONDS):
                assert isinstance(pipe, Connection)
                member = busy.pop(pipe)
                records = _answer(member)
                self._hand_out(parts, member, busy)
                yield from records

    def _hand_out(
        self,
        parts: deque[Sequence[Architecture]],
        member: _Member,
        busy: dict[Connection, _Member],
    ) -> None:
        if parts:
            member.pipe.send([list(architecture.codes) for architecture in parts.popleft()])
            busy[member.pipe] = member

    def dismiss(self) -> None:
        """End all processes, whatever they do."""
        for member in self._members:
            member.pipe.close()
            member.process.terminate()
        for member in self._members:
            member.process.join(_PATIENCE_SECONDS)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()


def _packed(recording: Recording) -> bytes:
    """Return what a process needs to make the recording again."""
    reference = network.reference_of(recording.space)
    if reference is None:
        raise BenchmarkError(
            f"the space {recording.space.name!r} cannot be made again in other processes; define "
            "its builder at the top of a module, or use one worker"
        )
    settings = {
        name: getattr(recording, name)
        for name in ("data", "recipe", "epochs", "repeats", "seed", "norm_momentum")
    }
    return pickle.dumps((reference, settings))


def _answer(member: _Member) -> list[Record]:
    """Return what a process has recorded."""
    try:
        records, error = member.pipe.recv()
    except (EOFError, OSError):
        member.process.join(_PATIENCE_SECONDS)
        raise EnvironmentProblem(
            f"a process that trained architectures ended (exit code {member.process.exitcode}); "
            "what was finished is kept, the same call goes on: use fewer workers if memory is "
            "short"
        ) from None
    if error is not None:
        raise error
    return [Record.from_json(record) for record in records]


def _serve(pipe: Connection) -> None:
    """Record parts until the parent goes away: the main function of the processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what becomes of us
    with suppress(EOFError, OSError), threads(1):
        recording: Recording | None = None
        while True:
            found: list[dict[str, Any]] = []
            error: ArchwrightError | None = None
            if recording is None:
                reference, settings = pickle.loads(pipe.recv_bytes())
                recording = Recording(network.load_space(reference), **settings)
            codes = pipe.recv()
            try:
                architectures = [recording.space.from_codes(one) for one in codes]
                found = [r.to_json() for r in recording.record(architectures, lambda: False)]
            except ArchwrightError as raised:
                error = raised
            pipe.send((found, error))
