"""Small studies for checks of stores, and what holds for any study at any time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from archwright.space import Choice, Group, Integer, List, Real, Space
from archwright.store import Event, Store, StudyRecord
from archwright.trial import Fidelity, Measurement, Outcome, Proposal, Status, Trial

__all__ = ["check_consistent", "measured", "new_study", "project", "proposals", "shape", "space"]


@cache
def space() -> Space:
    """Return a small space with every kind of value."""
    return Space(
        width=Integer(1, 1000),
        rate=Real(1e-6, 1.0, log=True),
        kind=Choice("plain", "größer", None, True, 0.1),
        stages=List(Group(size=Choice(3, 5)), 1, 3),
        name="stores",
    )


def proposals(n: int, *, seed: int = 0) -> list[Proposal]:
    """Return `n` proposals that differ in all their parts."""
    architectures = space().sample_many(n, rng=np.random.default_rng(seed))
    fidelities = (Fidelity(), Fidelity(epochs=3), Fidelity(fraction=0.1, resolution=8))
    return [
        Proposal(architecture, fidelities[k % 3], tuple(range(k % 3)), ("", "random")[k % 2])
        for k, architecture in enumerate(architectures)
    ]


def measured(value: float, *, cost_seconds: float = 0.25) -> Outcome:
    """Return a completed outcome with every field filled."""
    measurement = Measurement(
        {"val_score": value, "parameters": 10.0},
        cost_seconds,
        3,
        {"val_score": (0.0, value)},
        {"engine": "none", "note": "a 'quoted' \\ \n \0 line \ud800"},
    )
    return Outcome.completed(measurement)


def new_study(store: Store, name: str = "study", *, trials: int = 0) -> StudyRecord:
    """Create a study with some pending trials; their seeds are 100, 101 ..."""
    study = store.create_study(name, space=space(), spec={"trials": trials}, seed=1)
    with store.transaction(study) as tx:
        tx.enqueue(proposals(trials), [100 + k for k in range(trials)], 0)
    return study


def project(events: list[Event]) -> dict[int, tuple[Any, ...]]:
    """Rebuild from the log what it says about each trial: the counterpart of `shape`."""
    rows: dict[int, dict[str, Any]] = {}
    order = 0
    for event in events:
        row = rows.setdefault(event.trial, {"worker": "", "attempt": 0, "order": None})
        if event.kind == "asked":
            row.update(state="pending", asked=event.at)
        elif event.kind == "claimed":
            row.update(state="running", worker=event.owner, attempt=event.attempt)
            row.update(started=event.at)
        elif event.kind == "released":
            assert row["worker"] == event.owner, f"released by another: {event}"
            row.update(state="pending", worker="")
        elif event.kind == "expired":
            assert row["state"] == "running", f"expired while {row['state']}: {event}"
        else:
            row.update(state="finished", worker=event.owner, order=order, ended=event.at)
            order += 1
    keys = ("state", "worker", "attempt", "order", "asked", "started", "ended")
    return {number: tuple(row.get(key) for key in keys) for number, row in rows.items()}


def shape(trial: Trial) -> tuple[Any, ...]:
    """Return what the log says about a trial."""
    state = "finished" if trial.status.finished else trial.status.value
    return (
        state,
        trial.worker,
        trial.attempt,
        trial.finished_order,
        trial.asked_at,
        trial.started_at,
        trial.finished_at,
    )


def check_consistent(store: Store, study: StudyRecord) -> None:
    """Assert everything that holds for any study at any time."""
    trials, counts = store.trials(study), store.counts(study)
    events = store.records(study)
    assert [t.number for t in trials] == list(range(len(trials))), "numbers have gaps"
    orders = [t.finished_order for t in store.finished(study)]
    assert orders == list(range(len(orders))), "finished_order has gaps"
    assert [e.sequence for e in events] == list(range(len(events))), "events have gaps"
    assert project(events) == {t.number: shape(t) for t in trials}, "the log tells another story"
    by_status = [t.status for t in trials]
    assert counts["total"] == len(trials)
    assert counts["pending"] == by_status.count(Status.PENDING)
    assert counts["running"] == by_status.count(Status.RUNNING)
    assert counts["completed"] == by_status.count(Status.COMPLETED)
    assert counts["finished"] == len(orders)
    cost = sum(t.cost_seconds for t in trials)
    assert abs(counts["cost_seconds"] - cost) <= 1e-9 * max(cost, 1.0), (counts, cost)
    for trial in trials:
        assert (trial.outcome is not None) == trial.status.finished, trial
