"""Synthetic but plausible studies, for looking at and for testing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from archwright.benchmark import open_table
from archwright.space import Architecture, Choice, Integer, List, Space
from archwright.store import MemoryStore, Store
from archwright.trial import Comparison, Fidelity, Measurement, Outcome, Proposal, Status, Trial

BEGIN = 1_780_000_000.0
FAILURES = (
    (Status.DIVERGED, "metric 'train_loss' is nan after epoch 3"),
    (Status.TIMEOUT, "took longer than the limit of 30 s for one trial"),
    (Status.CRASHED, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x64 and 80x10)"),
)


def units(architecture: Architecture) -> list[int]:
    """Return the widths of hidden layers or stages, whichever the space has."""
    values = architecture.values
    if "hidden" in values:
        return list(values["hidden"])
    stages = values.get("stages", ())
    return [stage["width"] * stage["depth"] for stage in stages] or [64]


def measured(architecture: Architecture, rng: np.random.Generator, epochs: int = 12) -> Measurement:
    """Return what training such a network might have given."""
    widths = units(architecture)
    parameters = sum(a * b + b for a, b in zip([64, *widths], [*widths, 10], strict=True))
    ceiling = 0.987 - 0.35 / math.sqrt(parameters / 60) + 0.004 * (len(widths) == 2)
    ceiling -= {"sigmoid": 0.08, "tanh": 0.012}.get(architecture.values.get("activation"), 0.0)
    accuracy = float(np.clip(ceiling + rng.normal(0, 0.004), 0.1, 0.999))
    rise = 1 - np.exp(-np.arange(1, epochs + 1) / 2.5)
    curve = np.minimum(accuracy, accuracy * rise + rng.normal(0, 0.003, epochs))
    curve[-1] = accuracy
    loss = 2.3 * np.exp(-np.arange(1, epochs + 1) / 3) + 0.06 + rng.uniform(0, 0.02, epochs)
    metrics = {
        "val_accuracy": accuracy,
        "val_loss": float(loss[-1]),
        "parameters": float(parameters),
        "macs": float(parameters - sum(widths) - 10),
        "latency_ms": float(0.02 + parameters / 4e5 + 0.004 * len(widths) + rng.uniform(0, 0.004)),
    }
    return Measurement(
        metrics,
        cost_seconds=float(0.4 + parameters / 2e4 + rng.uniform(0, 0.2)),
        step=epochs,
        curve={"val_accuracy": tuple(curve.tolist()), "val_loss": tuple(loss.tolist())},
    )


def outcomes(space: Space, n: int, *, seed: int = 0) -> list[tuple[Proposal, Outcome]]:
    """Return proposals that get better, as an evolution's do, and what came of them."""
    rng = np.random.default_rng(seed)
    found: list[tuple[Proposal, Outcome]] = []
    scores: list[float] = []
    for number in range(n):
        if number < min(20, n) or rng.random() < 0.15:
            proposal = Proposal(space.sample(rng=rng), Fidelity(epochs=12), origin="random")
        else:
            drawn = rng.choice(number, size=min(8, number), replace=False)
            parent = int(max(drawn, key=lambda index: scores[index]))
            child = space.mutate(found[parent][0].architecture, rng=rng)
            proposal = Proposal(child, Fidelity(epochs=12), (parent,), "mutation")
        if rng.random() < 0.06:
            status, error = FAILURES[number % len(FAILURES)]
            outcome = Outcome(status, error=error, cost_seconds=float(rng.uniform(0.1, 3)))
        else:
            outcome = Outcome.completed(measured(proposal.architecture, rng))
        found.append((proposal, outcome))
        metrics = outcome.measurement.metrics if outcome.measurement else {}
        scores.append(metrics.get("val_accuracy", 0.0))
    return found


def trials_of(results: Sequence[tuple[Proposal, Outcome]]) -> list[Trial]:
    """Return finished trials, one after the other in time."""
    at, trials = BEGIN, []
    for number, (proposal, outcome) in enumerate(results):
        begun = at + 0.05
        at = begun + outcome.cost_seconds
        trial = Trial(number, proposal, 1000 + number, attempt=1, asked_at=begun - 0.05)
        trials.append(trial.finish(outcome, order=number, at=at))
    return trials


SPEC = {
    "strategy": {"name": "regularized-evolution", "options": {"population": 20, "tournament": 8}},
    "objectives": ["max:val_accuracy"],
    "constraints": ["parameters<=50000"],
    "budget": {"trials": 120, "seconds": 600},
    "seed": 7,
    "limits": {"seconds": 30},
    "space": {"reference": "mlp", "options": {}},
    "data": {"source": "digits", "options": {"seed": 0}},
    "facts": {
        "data": {
            "name": "digits",
            "kind": "tabular",
            "task": {"kind": "classification", "outputs": 10},
            "input_shape": [64],
            "rows": {"train": 1077, "validation": 360, "test": 360},
        },
        "hashes": {
            "train": "0d3f7a2be8c1495fb1d2b9a0c5b7e6f1",
            "validation": "4f1ce9aa7d2b4e3e8fd4c9d0117ba2c3",
            "test": "a94c0be2275e4e11b6d9e6b1e2f8c7d5",
        },
        "recipe": {"epochs": 12, "optimizer": "adamw", "learning_rate": 0.001, "batch_size": 64},
        "replicates": 1,
    },
}
FINAL = {
    "trial": 0,
    "metrics": {"test_accuracy": 0.9778, "test_balanced_accuracy": 0.9774, "test_loss": 0.0912},
    "at": BEGIN + 400,
}


def stored(
    space: Space, n: int = 120, *, name: str = "digits", seed: int = 0, final: bool = True
) -> Store:
    """Return a store that holds such a study."""
    store = MemoryStore()
    study = store.create_study(name, space=space, spec=SPEC, seed=7)
    for proposal, outcome in outcomes(space, n, seed=seed):
        with store.transaction(study) as transaction:
            (trial,) = transaction.enqueue([proposal], [1000 + proposal.fidelity.epochs], 0)
            (trial,) = transaction.claim("worker-1")
            transaction.finish(trial.number, trial.attempt, "worker-1", outcome)
    if final:
        best = max(store.trials(study), key=lambda t: t.metrics.get("val_accuracy", 0.0))
        store.annotate(study, "finalized", {**FINAL, "trial": best.number})
        store.annotate(study, "wall_seconds", 143.2)
    return store


@pytest.fixture(scope="session")
def space() -> Space:
    """Return a space like the catalog's perceptrons."""
    return Space(
        hidden=List(Integer(50, 200), 1, 3),
        activation=Choice("relu", "gelu", "tanh"),
        dropout=Choice(0.0, 0.1, 0.3),
        name="mlp",
    )


@pytest.fixture(scope="session")
def sample() -> Callable[..., list[Trial]]:
    """Return a function of (space, n) that makes finished trials."""
    return lambda space, n, seed=0: trials_of(outcomes(space, n, seed=seed))


@pytest.fixture(scope="session")
def trials(space: Space) -> list[Trial]:
    """Return 40 finished trials, some of them failed."""
    return trials_of(outcomes(space, 40))


@pytest.fixture(scope="session")
def store_of() -> Callable[..., Store]:
    """Return a function that makes a store with one study."""
    return stored


@pytest.fixture(scope="session")
def finished() -> Callable[..., Trial]:
    """Return a function that makes one finished trial."""

    def make(
        architecture: Architecture,
        number: int = 0,
        *,
        status: Status = Status.COMPLETED,
        error: str = "",
        cost: float = 1.0,
        **metrics: float,
    ) -> Trial:
        if status is Status.COMPLETED:
            outcome = Outcome.completed(Measurement(metrics, cost_seconds=cost))
        else:
            outcome = Outcome(status, error=error, cost_seconds=cost)
        trial = Trial(number, Proposal(architecture), number, asked_at=BEGIN + number)
        return trial.finish(outcome, order=number, at=BEGIN + number + cost)

    return make


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Comparison]:
    """Return a function that compares strategies on a toy table; settings as `run.compare`."""
    from archwright.run import compare
    from archwright.testing.tables import toy_table

    folder = tmp_path_factory.mktemp("toy")

    def make(*strategies: str, table: dict[str, Any] | None = None, **settings: Any) -> Comparison:
        name = f"toy{json.dumps(table)}.table".replace("/", "")
        path = folder / name
        opened = open_table(path) if path.exists() else toy_table(path, **(table or {}))
        return compare(opened, strategies, **({"repeats": 6, "budget": 40} | settings))

    return make
