"""Many networks at once: a population, each member trained as if it were alone.

Candidates are independent, so nothing is padded, stacked or shared but the data. As many are
trained at a time as there are processor threads, each by one thread: a network of a hundred
thousand weights lives in the cache of one core, while splitting its products over several cores
costs more in waiting than it saves. Threads are enough, since torch releases the interpreter lock
inside every operation.
"""

from __future__ import annotations

import copy
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train.dense import dense_layers
from archwright.train.recipe import Recipe
from archwright.train.single import fit, memory_errors
from archwright.train.streams import own_dropout
from archwright.train.training import Fitted, Training, threads, threads_for

__all__ = ["fit_many"]

Report = Callable[[int, int, Mapping[str, float]], None]

_OPERATIONS_PER_WEIGHT = 6  # a multiplication and an addition, forward and twice backward
_SHORT_STEP = 15e6  # operations, see docs/decisions/0020
_POLL_SECONDS = 0.1
_SPLIT_EFFICIENCY = 0.8
"""How much of each further thread a network that is trained alone makes use of."""
_STEP_SECONDS, _WEIGHT_SECONDS = 150e-6, 1e-10
"""Cost of a dense network: of each step, and of each weight for each row."""


def fit_many(
    networks: Sequence[nn.Module],
    train: Split,
    validation: Split | None,
    recipe: Recipe,
    *,
    task: Task,
    seeds: Sequence[int],
    scale: Sequence[float] | None = None,
    workers: int | None = None,
    on_epoch: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Fitted | Exception]:
    """Train several networks, each in place, with the results of training it alone.

    On one processor thread the results equal those of `fit` bit for bit; `fit` on several
    threads may round differently.

    Args:
        networks: Any modules, of any mixture of shapes.
        train: Rows to learn from, the same for all; each network has its own order of them.
        validation: Rows to measure on after each epoch, or None.
        recipe: How to train; its `threads` are those of one network and are 1 when several are
            trained at a time.
        task: Decides the loss and the metrics.
        seeds: One a network; see `fit`.
        scale: For regression, the deviation of each target; see `measure`.
        workers: Networks trained at a time; None for one a processor thread of torch, or 1 for
            networks so small that threads would only wait for one another. Always 1 on other
            devices.
        on_epoch: Called in the calling thread with the position of the network, the number of
            the epoch, from 1, and its metrics.
        should_stop: Asked several times a second, in the calling thread; true ends all training.

    Returns:
        In the order of `networks`, what came of each: a `Fitted`, or the exception that ended
        its training and that of no other.

    Raises:
        EvaluationError: If there are not as many seeds as networks.
        KeyboardInterrupt: If `should_stop` said so, or the user did.
    """
    if len(seeds) != len(networks):
        raise EvaluationError(
            f"seeds must be one a network: expected {len(networks)}, got {len(seeds)}",
            status="invalid",
        )
    members = [_Member(i, n, seed) for i, (n, seed) in enumerate(zip(networks, seeds, strict=True))]
    settings: dict[str, Any] = {"task": task, "scale": scale}
    if workers is None:
        workers = 1 if _too_short(networks, train, recipe) else torch.get_num_threads()
    workers = min(workers, len(members))
    parallel = _parallel(members, train, recipe, workers)
    if len(parallel) > 1:
        crew = _Crew(parallel, train, validation, recipe, settings)
        crew.work(min(workers, len(parallel)), on_epoch, should_stop)
    for member in members:
        if member.result is None:
            _alone(member, train, validation, recipe, settings, on_epoch, should_stop)
    return [member.result for member in members if member.result is not None]


@dataclass(eq=False)
class _Member:
    """One network of the population."""

    position: int
    network: nn.Module
    seed: int
    result: Fitted | Exception | None = field(default=None)


def _alone(
    member: _Member,
    train: Split,
    validation: Split | None,
    recipe: Recipe,
    settings: Mapping[str, Any],
    on_epoch: Report | None,
    should_stop: Callable[[], bool] | None,
) -> None:
    """Train one network with all threads."""

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        if on_epoch is not None:
            on_epoch(member.position, epoch, metrics)

    try:
        member.result = fit(
            member.network,
            train,
            validation,
            recipe,
            seed=member.seed,
            on_epoch=report,
            should_stop=should_stop,
            **settings,
        )
    except Exception as error:  # noqa: BLE001 - the failure of one network is its result
        member.result = error


def _parallel(
    members: Sequence[_Member], train: Split, recipe: Recipe, workers: int
) -> list[_Member]:
    """Return the members that are best trained side by side, the most expensive first."""
    if recipe.torch_device().type != "cpu" or recipe.compile or workers < 2 or len(members) < 2:
        return []
    with threads(1):
        costs = {member: _cost(member.network, train, recipe) for member in members}
    return side_by_side(costs, workers)


@dataclass(frozen=True)
class Cost:
    """What training a network takes.

    Args:
        seconds: Estimate for a row on one thread; only the order and rough ratios matter.
        splits: Whether several threads would make it faster.
    """

    seconds: float
    splits: bool


M = TypeVar("M")


def side_by_side(costs: Mapping[M, Cost | None], workers: int) -> list[M]:
    """Return who is best trained side by side, the most expensive first.

    The others are trained alone: those without a cost, because they have to be, and those so
    much larger than the rest that all threads but theirs would soon be idle.
    """
    known = {member: cost for member, cost in costs.items() if cost is not None}
    ranked = sorted(known, key=lambda member: known[member].seconds, reverse=True)
    while len(ranked) > 1:
        first = known[ranked[0]]
        rest = sum(known[member].seconds for member in ranked[1:])
        apart = first.seconds / (_SPLIT_EFFICIENCY * workers) + rest / workers
        together = max(first.seconds, (first.seconds + rest) / workers)
        if not first.splits or together <= apart:
            break
        ranked.pop(0)
    return ranked


def _too_short(networks: Sequence[nn.Module], train: Split, recipe: Recipe) -> bool:
    """Return whether steps are too short for threads to take turns with the interpreter.

    A step of a dense network is some fifty calls; below about fifteen million operations they are
    over sooner than the interpreter lock changes hands, and one after the other is faster.
    """
    if not networks or any(dense_layers(n, recipe, train.inputs) is None for n in networks):
        return False
    weights = sum(p.numel() for network in networks for p in network.parameters())
    operations = _OPERATIONS_PER_WEIGHT * weights / len(networks) * recipe.batch_size
    return operations < _SHORT_STEP


def _cost(network: nn.Module, train: Split, recipe: Recipe) -> Cost | None:
    """Estimate the cost of a network; None if it has to be trained alone.

    That is the case when its modules draw from torch's global generator, which threads share.
    """
    if dense_layers(network, recipe, train.inputs) is not None:
        weights = sum(p.numel() for p in network.parameters())
        splits = threads_for(network, weights, recipe.batch_size) is None
        return Cost(_STEP_SECONDS / recipe.batch_size + weights * _WEIGHT_SECONDS, splits)
    trial = copy.deepcopy(network).train()
    inputs = train.inputs[: recipe.batch_size].to(next(trial.parameters()).dtype)
    with torch.random.fork_rng([]), own_dropout(trial, torch.Generator()), torch.no_grad():
        before = torch.get_rng_state()
        with suppress(Exception):  # what is wrong with it shows when it is trained
            trial(inputs)  # the first run finds its memory
            started = time.perf_counter()
            trial(inputs)
            forward = (time.perf_counter() - started) / len(inputs)
            draws = not torch.equal(before, torch.get_rng_state())
            return None if draws else Cost(3 * forward, splits=True)
    return Cost(0.0, splits=False)


class _Crew:
    """Threads that take networks from one queue, and the calling thread that listens to them."""

    def __init__(
        self,
        members: Sequence[_Member],
        train: Split,
        validation: Split | None,
        recipe: Recipe,
        settings: Mapping[str, Any],
    ) -> None:
        self._waiting = deque(members)
        self._splits = (train, validation)
        self._recipe, self._settings = recipe.replace(threads=1), settings
        self._events: queue.SimpleQueue[tuple[int, int, Mapping[str, float]] | None]
        self._events = queue.SimpleQueue()  # None: a thread has ended
        self._stop = threading.Event()

    def work(
        self, workers: int, on_epoch: Report | None, should_stop: Callable[[], bool] | None
    ) -> None:
        """Train all members; return when the last one is done."""
        before = torch.get_num_threads()
        crew = [threading.Thread(target=self._run, name=f"train-{k}") for k in range(workers)]
        for thread in crew:
            thread.start()
        try:
            self._listen(workers, on_epoch, should_stop)
        finally:
            self._stop.set()
            for thread in crew:
                thread.join()
            torch.set_num_threads(before)  # for threads yet to come: the crew changed the default

    def _listen(
        self, running: int, on_epoch: Report | None, should_stop: Callable[[], bool] | None
    ) -> None:
        while running:
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                pass
            else:
                if event is None:
                    running -= 1
                elif on_epoch is not None:
                    on_epoch(*event)
            if should_stop is not None and should_stop():
                raise KeyboardInterrupt

    def _run(self) -> None:
        torch.set_num_threads(1)
        try:
            while self._waiting and not self._stop.is_set():
                with suppress(IndexError):  # another thread took the last one
                    self._train(self._waiting.popleft())
        except KeyboardInterrupt:  # raised by a training that was told to stop
            pass
        finally:
            self._events.put(None)

    def _train(self, member: _Member) -> None:
        def report(epoch: int, metrics: Mapping[str, float]) -> None:
            self._events.put((member.position, epoch, metrics))

        try:
            with memory_errors():
                training = Training(
                    member.network,
                    *self._splits,
                    self._recipe,
                    seed=member.seed,
                    ambient=False,
                    **self._settings,
                )
                try:
                    result = training.run(on_epoch=report, should_stop=self._stop.is_set)
                finally:
                    training.release()
            member.result = result
        except Exception as error:  # noqa: BLE001 - the failure of one network is its result
            member.result = error
