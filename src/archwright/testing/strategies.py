"""What every strategy keeps, as checks that take its name and a space.

A plug-in's test is two lines: `check_strategy("my-strategy", space)` for spaces of its choice, and
`check_in_fresh_process("my-strategy", spaces)`. Each check raises AssertionError and says what
it wanted; `Record` drives a strategy by hand where a test wants more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from archwright.errors import StrategyError
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.strategy import STRATEGIES, Guide, Strategy, make_strategy, replay
from archwright.testing.fresh import run_fresh
from archwright.trial import Measurement, Outcome, Proposal, Status, Trial

__all__ = ["OBJECTIVE", "Record", "ToyGuide", "check_in_fresh_process", "check_strategy", "score"]

OBJECTIVE = "max:score"
"""The objective of the checks."""

_SMALL = 500
"""Spaces of up to so many architectures are used up completely."""

_FAILURES = (
    Status.INVALID,
    Status.DIVERGED,
    Status.OUT_OF_MEMORY,
    Status.TIMEOUT,
    Status.CRASHED,
)


def score(architecture: Architecture) -> float:
    """Return a number in [0, 1) that depends on the architecture and nothing else."""
    return derive_seed(0, architecture.key) / 2**63


class ToyGuide:
    """Scores an architecture by its key alone, as `score` does; every eighth has no score.

    Args:
        columns: One score for each; the first one is that of `score`.
    """

    def __init__(self, columns: Sequence[str] = ("toy",)) -> None:
        self.columns = tuple(columns)
        self.scored: list[str] = []
        """Keys of what was scored, in order."""

    def __repr__(self) -> str:
        return f"ToyGuide({list(self.columns)})"

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return `(architectures, columns)`."""
        keys = [architecture.key for architecture in architectures]
        self.scored += keys
        seeds = [[derive_seed(n, key) for n in range(len(self.columns))] for key in keys]
        drawn = np.array(seeds, dtype=np.int64).reshape(len(keys), len(self.columns))
        return np.where(drawn % 8 == 0, np.nan, drawn / 2**63)

    def describe(self) -> dict[str, Any]:
        """Return its kind and its columns."""
        return {"kind": "toy", "columns": list(self.columns)}


class Record:
    """A strategy and the trials it was asked for and told, as a store would keep them.

    Args:
        strategy: Asked and told through this record only.
        outcome: What becomes of an architecture; a completed trial with its `score` by default.
    """

    def __init__(
        self, strategy: Strategy, outcome: Callable[[Trial], Outcome] | None = None
    ) -> None:
        self.strategy = strategy
        self.trials: list[Trial] = []
        self.outstanding: list[int] = []
        self._outcome = outcome or _scored

    def ask(self, n: int = 1) -> list[Proposal]:
        """Ask; the proposals become outstanding trials."""
        proposals = self.strategy.ask(n)
        for proposal in proposals:
            number = len(self.trials)
            told = number - len(self.outstanding)
            self.trials.append(
                Trial(number, proposal, seed=0, status=Status.RUNNING, told_before=told)
            )
            self.outstanding.append(number)
        return proposals

    def tell(self, number: int) -> Trial:
        """Finish an outstanding trial and tell it."""
        order = len(self.trials) - len(self.outstanding)
        trial = self.trials[number]
        trial = trial.finish(self._outcome(trial), order=order)
        self.trials[number] = trial
        self.outstanding.remove(number)
        self.strategy.tell(trial)
        return trial

    def run(self, trials: int) -> list[Proposal]:
        """Ask one and tell it, that many times or until the strategy stops."""
        proposals: list[Proposal] = []
        for _ in range(trials):
            asked = self.ask()
            if not asked:
                break
            proposals += asked
            self.tell(self.outstanding[-1])
        return proposals


def check_strategy(
    kind: str | type[Strategy], space: Space, *, guide: Guide | None = None, **options: Any
) -> None:
    """Check everything that a strategy keeps inside one process.

    Args:
        kind: A name of `STRATEGIES`, or a class.
        space: Any space; finite ones of up to 500 architectures are used up completely.
        guide: What it looks at; one that needs a guide gets a `ToyGuide`.
        options: The strategy's options.

    Raises:
        AssertionError: If something is not kept; says what.
    """
    made = STRATEGIES.get(kind) if isinstance(kind, str) else kind
    name = STRATEGIES.entry(kind).name if isinstance(kind, str) else kind.name
    guided = made.guided_by(guide or _guide_of(made))

    def build(seed: int = 1, **more: Any) -> Strategy:
        constraints = ["size<=0.9"]
        merged = {**options, **guided, **more}
        return made(space, [OBJECTIVE], constraints=constraints, seed=seed, **merged)

    _check_declaration(name, build)
    _check_proposals(build())
    _check_same_seed(build)
    _check_batches(build)
    _check_replay(build)
    _check_failures(build)
    _check_refusals(build)
    _check_asynchronous_workers(build)
    _check_no_waiting(build())
    _check_initial(build)
    _check_exhaustion(build)


def check_in_fresh_process(name: str, spaces: Sequence[Space], *, proposals: int = 20) -> None:
    """Check that a fresh process with another hash seed makes the same first proposals.

    Raises:
        AssertionError: If it does not.
    """
    task = {"name": name, "spaces": [space.to_json() for space in spaces], "proposals": proposals}
    here = _first_keys(task)
    other = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"
    code = "from archwright.testing.strategies import _answer; _answer()"
    printed = run_fresh(code, hash_seed=other, given=json.dumps(task))
    for space, ours, theirs in zip(spaces, here, json.loads(printed), strict=True):
        _expect(ours == theirs, f"{name} on {space.name}: another process proposes otherwise")


def _answer() -> None:
    sys.stdout.write(json.dumps(_first_keys(json.loads(sys.stdin.read()))))


def _first_keys(task: dict[str, Any]) -> list[list[str]]:
    keys = []
    for data in task["spaces"]:
        guide = _guide_of(STRATEGIES.get(task["name"]))
        space = Space.from_json(data)
        strategy = make_strategy(task["name"], space, [OBJECTIVE], seed=7, guide=guide)
        keys.append(_keys(Record(strategy).run(task["proposals"])))
    return keys


def _guide_of(kind: type[Strategy]) -> Guide | None:
    return ToyGuide() if kind.needs_guide else None


def _check_declaration(name: str, build: Callable[..., Strategy]) -> None:
    strategy = build()
    _expect(strategy.name == name, f"{name}: calls itself {strategy.name!r}")
    options = json.loads(json.dumps(strategy.options))
    again = build(**options)
    _expect(again.options == options, f"{name}: options change in a round trip: {options}")
    _expect(
        _keys(Record(strategy).run(12)) == _keys(Record(again).run(12)),
        f"{name}: its own options build another strategy",
    )


def _check_proposals(strategy: Strategy) -> None:
    record = Record(strategy)
    record.run(40)
    for trial in record.trials:
        strategy.space.validate(trial.architecture)
        _expect(bool(trial.proposal.origin), f"{strategy.name}: trial {trial.number}: no origin")
        for parent in trial.proposal.parents:
            _expect(
                parent < trial.number,
                f"{strategy.name}: trial {trial.number} has the parent {parent}, which is later",
            )
    _expect_distinct(strategy, record)


def _check_same_seed(build: Callable[..., Strategy]) -> None:
    first, second = (Record(build()) for _ in range(2))
    _expect(
        _keys(first.run(20)) == _keys(second.run(20)),
        f"{first.strategy.name}: two of the same seed propose differently",
    )


def _check_batches(build: Callable[..., Strategy]) -> None:
    whole, single = Record(build()), Record(build())
    for size in (3, 1, 5, 4):
        together = whole.ask(size)
        apart = [proposal for _ in range(size) for proposal in single.ask()]
        _expect(together == apart, f"{whole.strategy.name}: ask({size}) is not {size} x ask(1)")
        for number in list(whole.outstanding):
            whole.tell(number)
            single.tell(number)


def _check_replay(build: Callable[..., Strategy]) -> None:
    record = Record(build())
    record.ask(3)
    record.tell(1)
    record.run(6)
    _expect_replayed(build, record, 10)
    _asynchronously(record, workers=3, trials=25, seed=5)
    record.ask(2)
    _expect_replayed(build, record, 10)


def _expect_replayed(build: Callable[..., Strategy], record: Record, more: int) -> None:
    again = Record(replay(build(), record.trials))
    again.trials, again.outstanding = list(record.trials), list(record.outstanding)
    known = len(record.trials)
    _expect(
        _keys(record.run(more)) == _keys(again.run(more)),
        f"{record.strategy.name}: rebuilt from {known} trials it goes on differently",
    )


def _check_failures(build: Callable[..., Strategy]) -> None:
    for every in (1, 2):  # every trial, every second one
        record = Record(build(), partial(_failed, every=every))
        record.run(40)
        _expect_lively(record.strategy, record, 40)


def _check_refusals(build: Callable[..., Strategy]) -> None:
    record = Record(build())
    record.ask(2)
    asked = record.trials[0]
    strategy = record.strategy
    _expect_refused(strategy, asked, "only finished trials")
    told = record.tell(0)
    _expect_refused(strategy, told, "told already")
    never = Trial(10**6, asked.proposal, seed=0).finish(_scored(asked))
    _expect_refused(strategy, never, "never asked for")
    if len(record.trials) > 1:
        other = Trial(1, asked.proposal, seed=0).finish(_scored(asked))
        _expect_refused(strategy, other, "was proposed under that number")
        record.tell(1)


def _check_asynchronous_workers(build: Callable[..., Strategy]) -> None:
    record = Record(build())
    _asynchronously(record, workers=4, trials=60, seed=3)
    _expect_lively(record.strategy, record, 60)
    _expect_distinct(record.strategy, record)


def _asynchronously(record: Record, *, workers: int, trials: int, seed: int) -> None:
    """Keep the workers busy; whoever finishes first is drawn at random."""
    rng = np.random.default_rng(seed)
    limit = len(record.trials) + trials
    while True:
        while len(record.outstanding) < workers and len(record.trials) < limit:
            _expect(record.strategy.concurrency >= 1, "concurrency must be at least 1")
            if not record.ask():
                break
        if not record.outstanding:
            return
        record.tell(int(rng.choice(record.outstanding)))


def _check_no_waiting(strategy: Strategy) -> None:
    record = Record(strategy)
    record.ask(60)
    _expect_lively(strategy, record, 60)
    there_are = min(60, strategy.space.size) if strategy.space.size <= _SMALL else 0
    _expect(
        len(record.trials) >= there_are,
        f"{strategy.name}: only {len(record.trials)} proposals while none was told",
    )
    _expect_distinct(strategy, record)
    for number in reversed(list(record.outstanding)):
        record.tell(number)
    record.run(5)
    _expect_lively(strategy, record, 65)


def _check_initial(build: Callable[..., Strategy]) -> None:
    wanted = [trial.architecture for trial in _trials(build(seed=9), 3)]
    strategy = build(initial=[architecture.values for architecture in wanted])
    record = Record(strategy)
    record.run(12)
    proposed = [trial.architecture for trial in record.trials]
    _expect(proposed[: len(wanted)] == wanted, f"{strategy.name}: initial ones do not come first")
    _expect_distinct(strategy, record)


def _check_exhaustion(build: Callable[..., Strategy]) -> None:
    space = build().space
    if space.size > _SMALL:
        return
    record = Record(build())
    record.run(int(space.size) + 1)
    strategy = record.strategy
    _expect(
        len(record.trials) == space.size,
        f"{strategy.name}: proposed {len(record.trials)} of {space.size} architectures",
    )
    _expect_distinct(strategy, record)
    _expect(bool(strategy.stopped), f"{strategy.name}: stopped without a reason")
    _expect(strategy.ask(3) == [], f"{strategy.name}: proposes after it stopped")


def _trials(strategy: Strategy, n: int) -> list[Trial]:
    record = Record(strategy)
    record.run(n)
    return record.trials


def _scored(trial: Trial) -> Outcome:
    value = score(trial.architecture)
    size = derive_seed(1, trial.architecture.key) / 2**63
    return Outcome.completed(Measurement({"score": value, "size": size}))


def _failed(trial: Trial, *, every: int) -> Outcome:
    if trial.number % every:
        return _scored(trial)
    status = _FAILURES[trial.number // every % len(_FAILURES)]
    return Outcome(status, error="made to fail")


def _keys(proposals: Sequence[Proposal]) -> list[str]:
    return [proposal.architecture.key for proposal in proposals]


def _expect(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)


def _expect_distinct(strategy: Strategy, record: Record) -> None:
    keys = [trial.architecture.key for trial in record.trials]
    _expect(len(set(keys)) == len(keys), f"{strategy.name}: proposed an architecture twice")


def _expect_lively(strategy: Strategy, record: Record, wanted: int) -> None:
    """Expect as many proposals as were wanted, or all that there are."""
    made = len(record.trials)
    _expect(
        made == wanted or (strategy.stopped is not None and made <= wanted),
        f"{strategy.name}: {made} proposals where {wanted} were asked for, and no reason",
    )
    _expect(strategy.concurrency >= 1, f"{strategy.name}: concurrency must be at least 1")


def _expect_refused(strategy: Strategy, trial: Trial, reason: str) -> None:
    before = strategy.asked, strategy.told
    try:
        strategy.tell(trial)
    except StrategyError as error:
        _expect(reason in str(error), f"{strategy.name}: expected {reason!r} in {str(error)!r}")
    else:
        raise AssertionError(f"{strategy.name}: was told a trial that {reason!r} should refuse")
    _expect((strategy.asked, strategy.told) == before, f"{strategy.name}: a refusal changed it")
