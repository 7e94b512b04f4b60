from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from archwright.cost import Latency, latency, latency_many, timing
from archwright.errors import NetworkError


class _Clock:
    """A clock that only the networks under test move."""

    def __init__(self) -> None:
        self.now_ns = 0

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def perf_counter(self) -> float:
        return self.now_ns / 1e9


class _Takes(nn.Module):
    """Takes the given milliseconds, one after the other, and the last one for ever."""

    def __init__(self, clock: _Clock, *milliseconds: float, log: list[str] | None = None) -> None:
        super().__init__()
        self.clock = clock
        self.milliseconds = list(milliseconds)
        self.log = [] if log is None else log
        self.name = "first"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        assert not self.training
        self.log.append(self.name)
        spent = self.milliseconds[0] if len(self.milliseconds) == 1 else self.milliseconds.pop(0)
        self.clock.now_ns += round(spent * 1e6)
        return x


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_statistics_of_known_times(clock: _Clock) -> None:
    network = _Takes(clock, *([99.0] * 2), *map(float, range(1, 11)), 7.0)
    found = latency(network, (3,), warmup=2, runs=10, limit_seconds=0.3, batch=4)
    times = np.arange(1, 11)
    assert found.median_ms == pytest.approx(np.median(times))
    assert found.mean_ms == pytest.approx(np.mean(times))
    assert found.p90_ms == pytest.approx(np.percentile(times, 90))
    assert found.iqr_ms == pytest.approx(4.5)
    assert (found.runs, found.batch, found.device) == (10, 4, "cpu")
    assert not found.steady
    assert found.attempts == 1  # no time was left for a second one


def test_fast_networks_run_more_often(clock: _Clock) -> None:
    assert latency(_Takes(clock, 1.0), (3,), runs=50).runs == 100
    assert latency(_Takes(clock, 6.0), (3,), runs=50).runs == 50
    assert latency(_Takes(clock, 1.0), (3,), runs=120).runs == 120


def test_unsteady_measurement_is_repeated(clock: _Clock) -> None:
    first = [1.0, 9.0] * 10
    found = latency(_Takes(clock, *first, 5.0), (3,), warmup=0, runs=19, limit_seconds=9)
    # The first run shows whether the input fits, and is never timed.
    assert (found.attempts, found.steady, found.median_ms) == (2, True, 5.0)


def test_three_attempts_and_then_the_truth(clock: _Clock) -> None:
    wild = [6.0, 18.0] * 10
    wilder = [6.0, 60.0] * 10
    found = latency(
        _Takes(clock, 6.0, *wilder, *wild, *wilder, 6.0), (3,), warmup=1, runs=20, limit_seconds=99
    )
    assert (found.attempts, found.steady) == (3, False)
    assert found.median_ms == 12.0  # the attempt with the least spread
    assert found.spread == pytest.approx(1.0)


def test_time_limit_is_kept(clock: _Clock) -> None:
    found = latency(_Takes(clock, 200.0), (3,), limit_seconds=1.0)
    assert found.runs == 3
    assert clock.perf_counter() <= 2.0
    assert latency(_Takes(clock, 1000.0), (3,), limit_seconds=1.0).runs == 3


def test_networks_take_turns(clock: _Clock) -> None:
    log: list[str] = []
    networks = [_Takes(clock, 7.0, log=log), _Takes(clock, 8.0, log=log)]
    networks[1].name = "second"
    one, two = latency_many(networks, (3,), warmup=1, runs=3, limit_seconds=9)
    assert log == ["first", "second"] * 4
    assert (one.median_ms, two.median_ms) == (7.0, 8.0)
    assert latency_many([], (3,)) == []


def test_modes_and_threads_are_put_back() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2))
    network[1].eval()
    before = torch.get_num_threads()
    found = latency(network, (4,), threads=before + 1, runs=5)
    assert found.threads == before + 1
    assert torch.get_num_threads() == before
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert latency(network, (4,), runs=5).threads == before


def test_real_network_is_measured() -> None:
    start = time.perf_counter()
    found = latency(nn.Linear(64, 10), (64,), batch=32)
    assert 0 < found.median_ms <= found.p90_ms
    assert found.iqr_ms >= 0
    assert found.runs >= 3
    assert time.perf_counter() - start < 5  # the limit is one second; the machine may be busy


def test_larger_networks_take_longer() -> None:
    large = nn.Sequential(*(nn.Linear(512, 512) for _ in range(8)))
    small = nn.Sequential(nn.Linear(512, 8), nn.Linear(8, 512))
    quick, slow = latency_many([small, large], (512,), batch=32, runs=20)
    assert slow.median_ms > quick.median_ms


def test_whole_number_inputs() -> None:
    network = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    assert isinstance(latency(network, (3,), dtype=torch.long, runs=3), Latency)


def test_copy_is_measured_on_another_device() -> None:
    network = nn.Linear(4, 2)
    assert latency(network, (4,), device="meta", runs=3).device == "meta"
    assert network.weight.device.type == "cpu"


def test_wrong_input_is_an_error_and_modes_are_put_back() -> None:
    network = nn.Linear(4, 2)
    with pytest.raises(
        NetworkError, match=r"batch of shape \(1, 7\) and type torch.float32 on cpu"
    ):
        latency(network, (7,))
    assert network.training


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"runs": 0}, "runs must be at least 1; got 0"),
        ({"threads": 0}, "threads must be at least 1; got 0"),
        ({"warmup": -1}, "warmup must be at least 0; got -1"),
    ],
)
def test_numbers_below_one_are_errors(option: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latency(nn.Linear(4, 2), (4,), **option)


@pytest.mark.cuda
def test_runs_are_synchronised_on_cuda() -> None:
    network = nn.Sequential(*(nn.Linear(4096, 4096) for _ in range(8)))
    found = latency(network, (4096,), batch=4096, device="cuda", runs=5, limit_seconds=20)
    assert found.median_ms > 1  # a call that does not wait returns within microseconds
