from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.errors import StoreError, UnknownNameError
from archwright.evaluate import EVALUATORS, TrainEvaluator, build_evaluator
from archwright.space import Architecture, space_named
from archwright.train import Recipe
from archwright.trial import Proposal

SPEC = {
    "data": {"source": "wine", "options": {"seed": 3, "test": 0.3}},
    "space": {"reference": "mlp", "options": {"max_layers": 1}},
    "constraints": ["parameters<=5000"],
    "evaluator": {
        "kind": "train",
        "recipe": Recipe(epochs=1).to_json(),
        "replicates": 2,
        "folds": 1,
        "latency": False,
        "checkpoints": None,
        "batch_size": 3,
    },
}


def test_what_was_described_is_rebuilt() -> None:
    space, evaluator = build_evaluator(SPEC)
    assert isinstance(evaluator, TrainEvaluator)
    assert space == space_named("mlp", max_layers=1)
    assert evaluator.recipe == Recipe(epochs=1)
    assert (evaluator.replicates, evaluator.folds, evaluator.batch_size) == (2, 1, 3)
    assert [str(c) for c in evaluator.constraints] == ["parameters<=5000"]
    assert not evaluator.latency
    assert len(evaluator.data.train) < 178 * 0.55


def test_the_rebuilt_one_gives_the_same_measurement(
    trainer: Callable[..., TrainEvaluator], mlp: Callable[..., Architecture]
) -> None:
    here = trainer()
    options = {"activation": ["relu"], "dropout": [0.0], "normalization": ["none"]}
    space, there = build_evaluator(
        {
            "data": here.data.spec,
            "space": {"reference": "mlp", "options": options},
            "evaluator": {
                "kind": "train",
                "recipe": here.recipe.to_json(),
                "folds": 1,
                "latency": False,
            },
        }
    )
    same = Proposal(space.from_codes(mlp(60).codes))
    found = there.evaluate(same, seed=5).metrics
    assert found == here.evaluate(Proposal(mlp(60)), seed=5).metrics


def test_a_study_of_python_objects_cannot_be_rebuilt() -> None:
    with pytest.raises(StoreError, match="made from Python objects, which the store does not"):
        build_evaluator({"data": {"source": "wine"}})


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'trian' \(did you mean 'train'"):
        build_evaluator({**SPEC, "evaluator": {"kind": "trian"}})
    assert set(EVALUATORS.names()) >= {"table", "train"}


def test_checkpoints_are_a_path_again(tmp_path: Path) -> None:
    described = {**SPEC["evaluator"], "checkpoints": str(tmp_path)}  # type: ignore[dict-item]
    _, evaluator = build_evaluator({**SPEC, "evaluator": described})
    assert isinstance(evaluator, TrainEvaluator)
    assert evaluator.checkpoints == tmp_path
    assert evaluator.batch_size == 1
