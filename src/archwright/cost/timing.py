"""Milliseconds of a forward pass: warmed up, repeated, with the spread and the threads stated."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from archwright.errors import NetworkError

__all__ = ["Latency", "latency", "latency_many"]

STEADY_SPREAD = 0.15
"""A measurement is steady if its interquartile range is at most this part of its median."""
ATTEMPTS = 3
"""How often an unsteady measurement is taken in all."""
FAST_MS = 5.0
FAST_RUNS = 100
"""Below `FAST_MS` milliseconds there are at least `FAST_RUNS` runs."""
FEWEST_RUNS = 3
"""Runs that are taken even when they exceed the time limit."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall time of one forward pass in eval mode, in milliseconds; lower is better.

    Args:
        median_ms: Median over the runs of the attempt that is reported.
        mean_ms: Mean over the same runs; no run is left out.
        p90_ms: 90th percentile.
        iqr_ms: Interquartile range.
        runs: Timed runs.
        threads: Threads that torch could use within an operation.
        batch: Inputs per run.
        device: Where it ran.
        attempts: How often the measurement was taken; the one with the least spread is reported.
        steady: Whether its spread is small enough (interquartile range within 15 % of the median)
            to compare it with others.
    """

    median_ms: float
    mean_ms: float
    p90_ms: float
    iqr_ms: float
    runs: int
    threads: int
    batch: int
    device: str = "cpu"
    attempts: int = 1
    steady: bool = True

    @property
    def spread(self) -> float:
        """Interquartile range as a part of the median."""
        return self.iqr_ms / self.median_ms


def latency(
    network: nn.Module,
    input_shape: Sequence[int],
    *,
    batch: int = 1,
    threads: int | None = None,
    warmup: int = 10,
    runs: int = 50,
    device: torch.device | str | None = None,
    limit_seconds: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Latency:
    """Measure the time of a forward pass.

    The network runs in eval mode and inference mode; its modes and torch's number of threads are
    put back afterwards. A network faster than 5 ms is run at least 100 times. A measurement whose
    interquartile range exceeds 15 % of its median is repeated, up to three times in all; `steady`
    says whether the best of them kept the bound.

    Args:
        network: Any module that takes one tensor.
        input_shape: Shape of one input, without the batch axis.
        batch: Inputs per run.
        threads: Threads within an operation; by default as torch is set.
        warmup: Runs before the first timed one.
        runs: Timed runs.
        device: Where to run; a copy is made if the network is elsewhere. Default: where it is.
        limit_seconds: Time in seconds after which no further run is begun, once there are three.
        dtype: Type of the input; whole numbers get zeros, others uniform values in [0, 1).

    Raises:
        NetworkError: If the network does not accept such a batch.
        ValueError: If batch, runs or threads is below 1, or warmup below 0.
    """
    return latency_many(
        [network],
        input_shape,
        batch=batch,
        threads=threads,
        warmup=warmup,
        runs=runs,
        device=device,
        limit_seconds=limit_seconds,
        dtype=dtype,
    )[0]


def latency_many(
    networks: Sequence[nn.Module],
    input_shape: Sequence[int],
    *,
    batch: int = 1,
    threads: int | None = None,
    warmup: int = 10,
    runs: int = 50,
    device: torch.device | str | None = None,
    limit_seconds: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> list[Latency]:
    """Measure several networks in turns, so that a machine that drifts treats all alike.

    Arguments as for `latency`; `limit_seconds` is for each network.
    """
    _check_at_least(1, batch=batch, runs=runs, threads=1 if threads is None else threads)
    _check_at_least(0, warmup=warmup)
    subjects = [
        _Subject(network, (batch, *input_shape), dtype, device) for network in networks
    ]  # fmt: skip
    if not subjects:
        return []
    deadline = time.perf_counter() + limit_seconds * len(subjects)
    with _threads(threads) as used, torch.inference_mode():
        try:
            for subject in subjects:
                subject.warm_up(warmup, deadline)
            times = _attempts(subjects, runs, deadline)
        finally:
            for subject in subjects:
                subject.restore()
    return [
        _summary(subject, samples, attempts, threads=used, batch=batch)
        for subject, (samples, attempts) in zip(subjects, times, strict=True)
    ]


class _Subject:
    """One network made ready to be timed."""

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device | str | None,
    ) -> None:
        first = next(network.parameters(), None)
        home = torch.device("cpu") if first is None else first.device
        self.device = home if device is None else torch.device(device)
        self.network = network if self.device == home else _copy_to(network, self.device)
        self.inputs = _inputs(shape, dtype, self.device)
        self._modes = [(module, module.training) for module in self.network.modules()]

    def warm_up(self, runs: int, deadline: float) -> None:
        """Run without timing; the first run shows whether the network takes the input."""
        self.network.eval()
        try:
            self.run()
        except Exception as error:
            raise NetworkError(
                f"the network does not accept a batch of shape {tuple(self.inputs.shape)} and type "
                f"{self.inputs.dtype} on {self.device}: {type(error).__name__}: {error}"
            ) from error
        for _ in range(runs - 1):
            if time.perf_counter() >= deadline:
                break
            self.run()

    def run(self) -> float:
        """Return the milliseconds of one run."""
        self._synchronise()
        start = time.perf_counter_ns()
        self.network(self.inputs)
        self._synchronise()
        return (time.perf_counter_ns() - start) / 1e6

    def restore(self) -> None:
        """Put every module's mode back."""
        for module, training in self._modes:
            module.training = training

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _attempts(
    subjects: Sequence[_Subject], runs: int, deadline: float
) -> list[tuple[list[float], int]]:
    """Return each subject's steadiest samples in milliseconds, and the attempts it took."""
    best = _rounds(subjects, runs, deadline)
    attempts = [1] * len(subjects)
    for _ in range(ATTEMPTS - 1):
        unsteady = [i for i, samples in enumerate(best) if _spread(samples) > STEADY_SPREAD]
        needed_seconds = sum(sum(best[i]) for i in unsteady) / 1e3
        # An attempt cut short by the clock could look steady by luck; it is not begun.
        if not unsteady or time.perf_counter() + needed_seconds > deadline:
            break
        again = _rounds([subjects[i] for i in unsteady], runs, deadline)
        for i, samples in zip(unsteady, again, strict=True):
            attempts[i] += 1
            best[i] = min(best[i], samples, key=_spread)
    return list(zip(best, attempts, strict=True))


def _rounds(subjects: Sequence[_Subject], runs: int, deadline: float) -> list[list[float]]:
    """Time the subjects in turns until each has its runs, or the time is up."""
    samples: list[list[float]] = [[] for _ in subjects]
    wanted = [runs] * len(subjects)
    while any(len(s) < w for s, w in zip(samples, wanted, strict=True)):
        if time.perf_counter() >= deadline and len(samples[0]) >= FEWEST_RUNS:
            break
        for i, subject in enumerate(subjects):
            if len(samples[i]) < wanted[i]:
                samples[i].append(subject.run())
                if len(samples[i]) == runs and np.median(samples[i]) < FAST_MS:
                    wanted[i] = max(runs, FAST_RUNS)
    return samples


def _summary(
    subject: _Subject, samples: list[float], attempts: int, *, threads: int, batch: int
) -> Latency:
    lower, median, upper, p90 = np.percentile(samples, [25, 50, 75, 90]).tolist()
    return Latency(
        median_ms=median,
        mean_ms=float(np.mean(samples)),
        p90_ms=p90,
        iqr_ms=upper - lower,
        runs=len(samples),
        threads=threads,
        batch=batch,
        device=str(subject.device),
        attempts=attempts,
        steady=_spread(samples) <= STEADY_SPREAD,
    )


def _spread(samples: list[float]) -> float:
    lower, median, upper = np.percentile(samples, [25, 50, 75])
    return float((upper - lower) / median)


def _copy_to(network: nn.Module, device: torch.device) -> nn.Module:
    return copy.deepcopy(network).to(device)


def _inputs(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator).to(device=device, dtype=dtype)


@contextmanager
def _threads(threads: int | None) -> Iterator[int]:
    before = torch.get_num_threads()
    used = before if threads is None else threads
    if used == before:
        yield used
        return
    torch.set_num_threads(used)
    try:
        yield used
    finally:
        torch.set_num_threads(before)


def _check_at_least(lowest: int, **values: int) -> None:
    for name, value in values.items():
        if value < lowest:
            raise ValueError(f"{name} must be at least {lowest}; got {value!r}")
