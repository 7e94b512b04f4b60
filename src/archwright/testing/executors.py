"""What every executor keeps: the same trials as a serial run, failures included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archwright.run import EXECUTORS, Study
from archwright.space import Choice, Space
from archwright.testing.fakes import ToyEvaluator
from archwright.trial import Trial

__all__ = ["check_executor"]


def check_executor(name: str, folder: Path, *, workers: int) -> None:
    """Check a registered executor on a toy study kept in `folder`.

    Args:
        name: As registered.
        folder: An empty folder for stores.
        workers: How many workers to start.

    Raises:
        AssertionError: Naming the rule that is broken.
    """
    assert name in EXECUTORS, "the executor is registered"
    expected = _study(None, 0.3).run().trials
    study = _study(folder / "store.db", 0.3)
    result = study.run(workers=workers, executor=name)
    assert [t.number for t in result.trials] == list(range(len(expected))), "numbers have no gaps"
    assert _facts(result.trials) == _facts(expected), "the trials are those of a serial run"
    orders = sorted(t.finished_order for t in result.trials if t.finished_order is not None)
    assert orders == list(range(len(expected))), "every trial finished once"
    assert result.reason == "all 24 trials done", "the reason is that of a serial run"
    again = _study(folder / "store.db", 0.3).run(workers=workers, executor=name, resume=True)
    assert _facts(again.trials) == _facts(expected), "resuming a finished study changes nothing"


def _study(store: Path | None, share: float) -> Study:
    return Study(
        Space({f"x{k}": Choice(*"abcde") for k in range(6)}),
        "random",
        ToyEvaluator(misbehave="raise", share=share),
        objective="max:val_score",
        budget=24,
        store=store,
    )


def _facts(trials: Sequence[Trial]) -> list[tuple[object, ...]]:
    return [(t.architecture, t.seed, t.status, dict(t.metrics)) for t in trials]
