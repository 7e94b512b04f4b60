"""Record every architecture of a space, or a sample of them, and write the table."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archwright import network
from archwright.benchmark import Column, write_table
from archwright.canonical import digest
from archwright.errors import BenchmarkError, NetworkError
from archwright.evaluate.building import COUNTS, SECONDS, Record, Recording
from archwright.evaluate.journal import Journal
from archwright.evaluate.recorders import recorded
from archwright.seeding import generator
from archwright.space import Architecture

__all__ = ["build_table", "chosen", "progress_file"]

OnRecord = Callable[[int, int, Record], None]

_PROBES = 16
_MOST = 1_000_000
"""Spaces of more architectures are not recorded as a whole."""
_LISTED = 50_000
"""Spaces of more architectures are not listed to draw a few."""


def build_table(
    recording: Recording,
    out: str | Path,
    *,
    name: str,
    samples: int | None = None,
    workers: int = 1,
    card: Mapping[str, Any] | None = None,
    on_record: OnRecord | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Path:
    """Train architectures and write a table of what was measured.

    Every finished architecture is kept in `progress_file(out)` at once, so that the same call goes
    on where a killed one stopped. The numbers are those of a run without interruption; only the
    seconds are measured anew. The progress is deleted when the table is written.

    Args:
        recording: What to train, and how.
        out: The table; by convention it ends in ".table".
        name: The benchmark's name.
        samples: How many architectures, drawn without repetition by the recording's seed; None
            for all.
        workers: Processes that train at the same time, on one thread each.
        card: Facts for a reader, kept in the provenance.
        on_record: Called with the number of finished architectures, that of all and the last
            record.
        should_stop: Asked often; true ends it with `KeyboardInterrupt`.

    Returns:
        The path of the table.

    Raises:
        BenchmarkError: If there is such a file, the space is too large to be recorded as a whole,
            nothing could be trained, or the progress belongs to another table.
        NetworkError: If the space does not fit the data.
    """
    path, stop = Path(out), should_stop or (lambda: False)
    if path.exists():
        raise BenchmarkError(f"{path} is there already; delete it or name another file")
    architectures = chosen(recording, samples)
    _check_fit(recording, architectures)
    identity = digest([recording.identity, samples, name])
    with Journal(progress_file(path), identity) as journal:
        done = {tuple(record["codes"]) for record in journal.records}
        left = [a for a in architectures if tuple(a.codes) not in done]
        finished = len(architectures) - len(left)
        for record in recorded(recording, left, workers=workers, should_stop=stop):
            journal.append(record.to_json())
            finished += 1
            if on_record is not None:
                on_record(finished, len(architectures), record)
        records = [Record.from_json(line) for line in journal.records]
    _write(path, recording, records, name=name, samples=samples, card=card or {})
    progress_file(path).unlink()
    return path


def _check_fit(recording: Recording, architectures: Sequence[Architecture]) -> None:
    """Refuse data for which none of some architectures from everywhere can be built."""
    shape, outputs = recording.data.input_shape, recording.data.task.outputs
    first: NetworkError | None = None
    for architecture in architectures[:: -(-len(architectures) // _PROBES)]:
        try:
            with torch.device("meta"):
                network.build(architecture, shape, outputs, seed=0)
        except NetworkError as error:
            first = first or error
        else:
            return
    assert first is not None
    raise first


def progress_file(out: str | Path) -> Path:
    """Return the file in which the progress of a table is kept."""
    return Path(f"{out}.progress")


def chosen(recording: Recording, samples: int | None) -> list[Architecture]:
    """Return the architectures of the table, in the order in which they are recorded.

    Raises:
        BenchmarkError: If there are too many, or fewer than the samples that are wanted.
        SpaceError: If all are wanted and a decision is real.
    """
    space = recording.space
    if samples is None:
        if space.size > _MOST:
            raise BenchmarkError(
                f"the space {space.name!r} has {space.size:,} architectures, too many to record "
                "all; say how many with samples"
            )
        return list(space.enumerate())
    if samples < 1 or samples > space.size:
        raise BenchmarkError(
            f"samples must be from 1 to the {space.size:,} architectures of {space.name!r}; "
            f"got {samples!r}"
        )
    rng, found = generator(recording.seed, "table", "samples"), dict[str, Architecture]()
    # A draw of decisions is not uniform where several of them mean one architecture.
    if space.size <= _LISTED or (space.size <= _MOST and samples * 2 > space.size):
        listed = list(space.enumerate())
        return [listed[i] for i in np.sort(rng.permutation(len(listed))[:samples])]
    while len(found) < samples:
        drawn = space.sample(rng=rng)
        found.setdefault(drawn.key, drawn)
    return list(found.values())


def _write(
    path: Path,
    recording: Recording,
    records: Sequence[Record],
    *,
    name: str,
    samples: int | None,
    card: Mapping[str, Any],
) -> None:
    if not any(record.counts for record in records):
        raise BenchmarkError(
            f"none of the {len(records)} architectures could be built; the first one: "
            f"{records[0].missing[0][2]}"
        )
    described = recording.describe()
    missing = [
        {"codes": list(r.codes), "epochs": recording.epochs[e], "repeat": n, "reason": why}
        for r in records
        for e, n, why in r.missing
    ]
    write_table(
        path,
        recording.space,
        np.array([record.codes for record in records]),
        list(_columns(recording, records)),
        name=name,
        domain="" if samples is None else f"{samples} architectures drawn at random",
        provenance={
            **described,
            "environment": _environment(),
            "missing": missing,
            "card": dict(card),
        },
        notes=_notes(recording, len(missing)),
    )


def _columns(
    recording: Recording, records: Sequence[Record]
) -> Iterator[tuple[Column, np.ndarray]]:
    axes: dict[str, Any] = {"epochs": recording.epochs, "repeats": recording.repeats}
    for split in ("val", "test", "train"):
        for metric, direction, unit in recording.metrics:
            column = f"{split}_{metric}"
            yield Column(column, unit, direction, split, **axes), _array(records, column)
    yield Column(SECONDS, "seconds", "min", "", **axes), _array(records, SECONDS)
    for count in COUNTS:
        values = [record.counts.get(count, math.nan) for record in records]
        yield Column(count, "count", "min"), np.array(values)


def _array(records: Sequence[Record], name: str) -> np.ndarray:
    """Return `(rows, epochs, repeats)`; single precision is finer than any of the measurements."""
    values = [record.values[name] for record in records]
    exact = np.array(values, dtype=np.float64)  # None becomes NaN
    return exact.astype(np.float32).astype(np.float64)


def _notes(recording: Recording, missing: int) -> list[str]:
    notes = [
        "Every epoch budget was trained separately, with a learning rate schedule of its own.",
        "The test split was measured with every training; choose by validation values.",
        "training_seconds is time of one processor thread without measuring; networks trained "
        "together share it equally, so that repeats trained together have equal values.",
    ]
    if missing:
        notes.append(f"{missing} trainings failed; their values are NaN, the provenance says why.")
    return notes


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }
