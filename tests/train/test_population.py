from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train import Fitted, Recipe, fit, fit_many
from archwright.train.population import Cost, side_by_side

Maker = Callable[..., nn.Sequential]
Splits = tuple[Split, Split]


def _mixed(mlp: Maker) -> list[nn.Module]:
    return [
        mlp(20, seed=0),
        mlp(33, 7, seed=1, dropout=0.2),
        mlp(12, 13, 14, seed=2, normalization=nn.BatchNorm1d, activation=nn.GELU),
        mlp(9, seed=3, normalization=nn.LayerNorm, activation=nn.Tanh),
    ]


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _fitted(results: list[Fitted | Exception]) -> list[Fitted]:
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results  # type: ignore[return-value]


@pytest.mark.parametrize(
    "options", [{}, {"ema_decay": 0.9, "clip_norm": 1.0, "patience": 2, "label_smoothing": 0.1}]
)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_network_ends_as_if_trained_alone(
    mlp: Maker, digits: Splits, ten: Task, workers: int, options: dict[str, Any]
) -> None:
    """Bit for bit, since one thread computes either."""
    recipe = Recipe(epochs=3, **options)
    together, alone = _mixed(mlp), _mixed(mlp)
    seeds = [5, 6, 7, 8]
    results = _fitted(fit_many(together, *digits, recipe, task=ten, seeds=seeds, workers=workers))
    for network, seed, result in zip(alone, seeds, results, strict=True):
        single = fit(network, *digits, recipe, task=ten, seed=seed)
        assert _equal(network, result.network)
        assert single.curve == result.curve
        assert (single.metrics, single.best_epoch) == (result.metrics, result.best_epoch)
        assert single.engine == result.engine == "dense"
    assert [r.network for r in results] == together


def test_convolutions_and_dense_networks_share_a_population(
    mlp: Maker, cnn: Maker, images: Splits, ten: Task
) -> None:
    def make() -> list[nn.Module]:
        return [mlp(20), cnn(dropout=0.2), mlp(10), cnn(width=4)]

    recipe = Recipe(epochs=1, augment=())
    together, alone = make(), make()
    results = _fitted(fit_many(together, *images, recipe, task=ten, seeds=range(4), workers=2))
    assert [r.engine for r in results] == ["dense", "eager", "dense", "eager"]
    for seed, (network, result) in enumerate(zip(alone, results, strict=True)):
        fit(network, *images, recipe, task=ten, seed=seed)
        for one, other in zip(network.parameters(), result.network.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class _Noisy(nn.Module):
    """Draws from torch's global generator by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(nn.functional.dropout(inputs, 0.5, self.training))
        return outputs


def test_networks_that_use_the_global_generator_are_reproducible_too(
    mlp: Maker, digits: Splits, ten: Task
) -> None:
    networks: list[nn.Module] = [mlp(10), _Noisy(), mlp(11), _Noisy()]
    twin = copy.deepcopy(networks[3])
    before = torch.get_rng_state()
    results = fit_many(networks, *digits, Recipe(epochs=2), task=ten, seeds=range(4), workers=2)
    assert torch.equal(torch.get_rng_state(), before)
    fit(twin, *digits, Recipe(epochs=2), task=ten, seed=3)
    assert _equal(_fitted(results)[3].network, twin)


class _Broken(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.error = error

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            raise self.error
        outputs: Tensor = self.linear(inputs)
        return outputs


@pytest.mark.parametrize("workers", [1, 2])
def test_the_failure_of_one_is_its_result_and_nobody_elses(
    mlp: Maker, digits: Splits, ten: Task, workers: int
) -> None:
    exploding = mlp(10)
    with torch.no_grad():
        exploding[1].weight.mul_(1e38)
    networks = [
        mlp(20),
        exploding,
        _Broken(RuntimeError("CUDA out of memory")),
        _Broken(TypeError("not this way")),
        mlp(21),
    ]
    twin = copy.deepcopy(networks[4])
    results = fit_many(
        networks, *digits, Recipe(epochs=2), task=ten, seeds=range(5), workers=workers
    )
    kinds = [type(r) for r in results]
    assert kinds == [Fitted, EvaluationError, EvaluationError, TypeError, Fitted]
    statuses = [r.status for r in results if isinstance(r, EvaluationError)]
    assert statuses == ["diverged", "out_of_memory"]
    fit(twin, *digits, Recipe(epochs=2), task=ten, seed=4)
    assert _equal(networks[4], twin)
    assert all(p.grad is None for network in networks for p in network.parameters())


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_in_the_calling_thread(
    mlp: Maker, digits: Splits, ten: Task, workers: int
) -> None:
    seen: list[tuple[int, int]] = []
    here = threading.get_ident()

    def report(position: int, epoch: int, metrics: Mapping[str, float]) -> None:
        assert threading.get_ident() == here
        assert 0 <= metrics["val_accuracy"] <= 1
        seen.append((position, epoch))

    networks = [mlp(10), mlp(20), mlp(30)]
    fit_many(
        networks,
        *digits,
        Recipe(epochs=2),
        task=ten,
        seeds=range(3),
        workers=workers,
        on_epoch=report,
    )
    assert sorted(seen) == [(p, e) for p in range(3) for e in (1, 2)]
    assert all(seen.index((p, 1)) < seen.index((p, 2)) for p in range(3))


@pytest.mark.parametrize("workers", [1, 2])
def test_should_stop_ends_everything_soon(mlp: Maker, ten: Task, workers: int) -> None:
    rows = 100_000
    split = Split(torch.zeros(rows, 64), torch.zeros(rows, dtype=torch.int64))
    threads = threading.active_count()
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        fit_many(
            [mlp(100), mlp(100), mlp(100)],
            split,
            None,
            Recipe(epochs=1000, batch_size=16),
            task=ten,
            seeds=range(3),
            workers=workers,
            should_stop=lambda: time.perf_counter() - started > 0.3,
        )
    assert time.perf_counter() - started < 6
    assert threading.active_count() == threads


def test_an_error_in_the_callback_ends_everything(mlp: Maker, digits: Splits, ten: Task) -> None:
    def report(position: int, epoch: int, metrics: Mapping[str, float]) -> None:
        raise LookupError("from the callback")

    threads, started = threading.active_count(), time.perf_counter()
    with pytest.raises(LookupError, match="from the callback"):
        fit_many(
            [mlp(10), mlp(20)],
            *digits,
            Recipe(epochs=100_000),
            task=ten,
            seeds=range(2),
            workers=2,
            on_epoch=report,
        )
    assert time.perf_counter() - started < 5
    assert threading.active_count() == threads


def test_torchs_threads_are_left_as_they_were(mlp: Maker, digits: Splits, ten: Task) -> None:
    torch.set_num_threads(2)
    few = Split(digits[0].inputs[:100], digits[0].targets[:100])
    fit_many([mlp(10), mlp(20)], few, None, Recipe(epochs=1), task=ten, seeds=range(2))
    assert torch.get_num_threads() == 2
    seen: list[int] = []
    fresh = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert seen == [2]


def test_a_giant_is_trained_alone_and_the_rest_side_by_side() -> None:
    costs = {
        "small": Cost(1.0, splits=True),
        "dense giant": Cost(50.0, splits=False),  # one thread is all it can use
        "giant": Cost(100.0, splits=True),
        "middle": Cost(2.0, splits=True),
        "noisy": None,
    }
    assert side_by_side(costs, 2) == ["dense giant", "middle", "small"]
    equal = {name: Cost(1.0, splits=True) for name in "abcd"}
    assert len(side_by_side(equal, 2)) == 4
    assert side_by_side({"one": Cost(1.0, splits=True)}, 2) == ["one"]


def test_an_empty_population_is_fine(digits: Splits, ten: Task) -> None:
    assert fit_many([], *digits, Recipe(), task=ten, seeds=[]) == []


def test_seeds_are_one_a_network(mlp: Maker, digits: Splits, ten: Task) -> None:
    with pytest.raises(EvaluationError, match="seeds must be one a network: expected 1, got 2"):
        fit_many([mlp(5)], *digits, Recipe(), task=ten, seeds=[1, 2])


@pytest.mark.cuda
def test_a_population_on_a_cuda_device(mlp: Maker, digits: Splits, ten: Task) -> None:
    recipe = Recipe(epochs=3, device="cuda")
    results = _fitted(fit_many([mlp(50), mlp(60)], *digits, recipe, task=ten, seeds=[0, 1]))
    assert all(r.metrics["val_accuracy"] > 0.7 and r.engine == "eager" for r in results)


@pytest.mark.parametrize(("batch", "threads"), [(8, 0), (512, 2)])
def test_threads_are_for_steps_that_are_long_enough(
    mlp: Maker, digits: Splits, ten: Task, monkeypatch: pytest.MonkeyPatch, batch: int, threads: int
) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", note)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    networks = [mlp(100), mlp(100), mlp(100)]
    fit_many(networks, *digits, Recipe(epochs=1, batch_size=batch), task=ten, seeds=range(3))
    assert len([name for name in started if name.startswith("train-")]) == threads
