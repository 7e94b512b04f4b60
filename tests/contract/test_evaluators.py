from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Table
from archwright.data import load
from archwright.evaluate import (
    EVALUATORS,
    CachedEvaluator,
    Evaluator,
    FunctionEvaluator,
    ProxyEvaluator,
    TableEvaluator,
    TrainEvaluator,
)
from archwright.run import IsolatedEvaluator, Limits
from archwright.space import Choice, Space, space_named
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.evaluators import check_evaluator
from archwright.testing.fakes import ToyEvaluator
from archwright.train import Recipe
from archwright.trial import MetricInfo, Proposal

SPACE = space_named("mlp")
CELLS = Space({f"edge_{i}": Choice("a", "b", "c") for i in range(4)}, name="cells")


def score(architecture: object, seed: int) -> dict[str, float]:
    return {"val_score": float(len(str(architecture)) + seed % 1)}


def proposals(space: Space, n: int) -> list[Proposal]:
    return [Proposal(a) for a in space.sample_many(n, rng=np.random.default_rng(0))]


def training() -> TrainEvaluator:
    return TrainEvaluator(SPACE, load("wine", seed=0), Recipe(epochs=2), batch_size=4)


@cache
def table() -> Table:
    folder = Path(tempfile.mkdtemp())
    return synthetic_table(CELLS, folder / "cells.table")


def scoring() -> ProxyEvaluator:
    return ProxyEvaluator(SPACE, load("wine", seed=0), ["naswot", "snip"], batch_size=16)


KINDS = {
    "proxy": scoring,
    "table": lambda: TableEvaluator(table()),
    "function": lambda: FunctionEvaluator(score, metrics=[MetricInfo("val_score", "max")]),
    "train": training,
    "cached": lambda: CachedEvaluator(ToyEvaluator()),
    "isolated": lambda: IsolatedEvaluator(ToyEvaluator(), Limits(seconds=60)),
    "toy": ToyEvaluator,
}


@pytest.mark.parametrize("kind", KINDS)
def test_evaluator_contract(kind: str) -> None:
    make = KINDS[kind]
    assert isinstance(make(), Evaluator)
    # Training is summed in another order by a population than alone; see docs/train.md.
    space = CELLS if kind == "table" else SPACE
    check_evaluator(make, proposals(space, 4), tolerance=1e-3 if kind == "train" else 0.0)


def test_every_registered_evaluator_is_checked() -> None:
    assert set(EVALUATORS.names()) <= set(KINDS)
