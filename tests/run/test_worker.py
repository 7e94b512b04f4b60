"""A worker whose strategy takes long to ask: others need not wait, and may be faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archwright.run import Callback, Result, Study
from archwright.space import Architecture, Choice, Space
from archwright.store import Store, StudyRecord, Transaction, open_store
from archwright.strategy import STRATEGIES
from archwright.testing.fakes import ToyEvaluator
from archwright.testing.strategies import ToyGuide
from archwright.trial import Trial

SPACE = Space({f"x{i}": Choice(*"abcde") for i in range(6)})


class Slow(ToyGuide):
    """Something else happens while it scores for the first time, and each time after that."""

    def __init__(self, *during: Callable[[], object]) -> None:
        super().__init__()
        self.during = list(during)

    def score(self, architectures: list[Architecture]) -> np.ndarray:
        if self.during:
            self.during.pop(0)()
        return super().score(architectures)


class Interrupting(Callback):
    """Stops its run after some trials, as the user might."""

    def __init__(self, trials: int) -> None:
        self.left = trials

    def on_trial(self, trial: Trial) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def run(
    store: Store | Path | None,
    guide: ToyGuide,
    strategy: str = "filtered",
    *,
    resume: bool = False,
    callback: Callback | None = None,
) -> Result:
    study = Study(
        SPACE,
        strategy,
        ToyEvaluator(sleep_seconds=0.01),  # so that trials are taken one by one
        guide=guide if STRATEGIES.get(strategy).takes_guide else None,
        store=store,
        objective="max:val_score",
        budget=12,
        seed=0,
        name="one",
    )
    return study.run(resume=resume, callback=callback)


def asked(trials: tuple[Trial, ...]) -> list[tuple[int, Architecture, int]]:
    return [(t.number, t.architecture, t.seed) for t in trials]


def test_the_store_is_free_while_a_strategy_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    seen = []

    def look() -> None:
        with open_store(path) as store:
            record = store.study("one")
            seen.append(store.run(record, lambda tx: tx.counts()["total"]))

    result = run(path, Slow(look, look, look))
    assert len(result.trials) == 12
    assert len(seen) == 3
    assert seen[0] == 0
    assert seen == sorted(seen)


@pytest.mark.parametrize("trials", [1, 5])
def test_who_is_overtaken_catches_up_and_asks_again(tmp_path: Path, trials: int) -> None:
    path = tmp_path / "s.db"

    def overtake() -> None:
        with pytest.raises(KeyboardInterrupt):
            run(path, ToyGuide(), resume=True, callback=Interrupting(trials))

    guide = Slow(overtake, overtake)
    result = run(path, guide)
    assert not guide.during
    assert asked(result.trials) == asked(run(None, ToyGuide()).trials)
    assert len({trial.worker for trial in result.trials}) == 3


def test_who_is_overtaken_by_the_end_stops(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    result = run(path, Slow(lambda: run(path, ToyGuide(), resume=True)))
    assert result.reason == "all 12 trials done"
    assert asked(result.trials) == asked(run(None, ToyGuide()).trials)


class Rollback(Exception):
    """Ends a transaction that is to leave nothing behind."""


@pytest.mark.parametrize("strategy", ["filtered", "regularized-evolution", "grid"])
def test_a_transaction_that_is_lost_and_repeated_changes_nothing(
    tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "s.db")
    once = store.run

    def twice(study: StudyRecord, function: Callable[[Transaction], object]) -> object:
        def lost(tx: Transaction) -> None:
            function(tx)
            raise Rollback

        with pytest.raises(Rollback):
            once(study, lost)
        return once(study, function)

    monkeypatch.setattr(store, "run", twice)
    shaken = run(store, ToyGuide(), strategy)
    assert asked(shaken.trials) == asked(run(None, ToyGuide(), strategy).trials)
