from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from archwright.data import Dataset, load
from archwright.errors import (
    ConstraintError,
    DataError,
    EvaluationError,
    UnknownNameError,
)
from archwright.evaluate import Context, TrainEvaluator
from archwright.evaluate.folds import default_folds, folds_of
from archwright.evaluate.train import target_scale
from archwright.space import Architecture
from archwright.testing.fresh import run_fresh
from archwright.train import Recipe, measure
from archwright.trial import Fidelity, Proposal, Status

Trainer = Callable[..., TrainEvaluator]
MLP = Callable[..., Architecture]

# A population is summed in another order than one network alone; see docs/train.md.
TOLERANCE = 1e-4


def quality(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "latency_ms"}


def test_it_measures_what_it_declares(trainer: Trainer, mlp: MLP) -> None:
    evaluator = trainer(latency=True)
    measured = evaluator.evaluate(Proposal(mlp(60)), seed=0)
    assert set(measured.metrics) == {info.name for info in evaluator.metrics}
    assert measured.metrics["parameters"] == (13 + 1) * 60 + (60 + 1) * 3
    assert measured.metrics["macs"] == 13 * 60 + 60 * 3
    assert measured.metrics["size_bytes"] == 4 * measured.metrics["parameters"]
    assert measured.metrics["latency_ms"] > 0
    assert 0.3 < measured.metrics["val_accuracy"] <= 1
    assert measured.cost_seconds > 0
    assert measured.step == 2
    assert len(measured.curve["val_loss"]) == 2
    assert 1 <= measured.info["best_epoch"] <= 2


def test_two_classes_have_an_auc_and_regression_its_own_metrics(
    trainer: Trainer, diabetes: Dataset
) -> None:
    declared = {info.name: info for info in trainer(diabetes).metrics}
    assert {"val_r2", "val_rmse", "val_mae", "val_loss"} <= set(declared)
    assert "val_accuracy" not in declared
    assert declared["val_r2"].direction == "max"
    assert declared["val_rmse"].unit == "target"
    assert "val_auc" not in {info.name for info in trainer().metrics}


def test_regression_errors_come_in_the_unit_of_the_target(
    trainer: Trainer, diabetes: Dataset, mlp: MLP
) -> None:
    metrics = trainer(diabetes).evaluate(Proposal(mlp(60)), seed=0).metrics
    scale = target_scale(diabetes)
    assert scale is not None
    assert metrics["val_rmse"] == pytest.approx(math.sqrt(metrics["val_loss"]) * scale[0])
    assert 40 < metrics["val_rmse"] < 200


def test_a_batch_equals_one_by_one(trainer: Trainer, mlp: MLP) -> None:
    proposals = [Proposal(mlp(*hidden)) for hidden in ((60,), (80, 50), (100, 70, 50), (60, 60))]
    seeds = [7, 8, 9, 10]
    together = trainer().evaluate_batch(proposals, seeds=seeds)
    alone = [trainer().evaluate(p, seed=s) for p, s in zip(proposals, seeds, strict=True)]
    for outcome, measured in zip(together, alone, strict=True):
        assert outcome.measurement is not None
        found = outcome.measurement.metrics
        assert found == pytest.approx(measured.metrics, rel=TOLERANCE, abs=TOLERANCE)


def test_the_seed_decides(trainer: Trainer, mlp: MLP) -> None:
    first, again, other = (
        trainer().evaluate(Proposal(mlp(60)), seed=seed).metrics for seed in (1, 1, 2)
    )
    assert first == again
    assert first["val_loss"] != other["val_loss"]


def test_the_same_seed_gives_the_same_in_a_fresh_process(trainer: Trainer, mlp: MLP) -> None:
    program = """
import json
from archwright.data import load
from archwright.evaluate import TrainEvaluator
from archwright.space import space_named
from archwright.train import Recipe
from archwright.trial import Proposal
space = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))
recipe = Recipe(epochs=2, batch_size=32, learning_rate=1e-2)
evaluator = TrainEvaluator(space, load("wine", seed=0), recipe, folds=1, latency=False)
proposal = Proposal(space.architecture({"hidden": (60, 50)}))
print(json.dumps(dict(evaluator.evaluate(proposal, seed=4).metrics)))
"""
    there = json.loads(run_fresh(program, hash_seed="77"))
    here = trainer().evaluate(Proposal(mlp(60, 50)), seed=4).metrics
    assert there == dict(here)


@pytest.mark.parametrize("folds", [1, 3])
def test_replicates_are_a_mean_of_independent_trainings(
    trainer: Trainer, mlp: MLP, folds: int
) -> None:
    once, twice, again = (
        trainer(replicates=k, folds=folds, recipe=Recipe(epochs=1)).evaluate(
            Proposal(mlp(60)), seed=0
        )
        for k in (1, 2, 2)
    )
    assert twice.metrics == again.metrics
    # The first training is the same, so the second one is what the mean lacks.
    second = 2 * twice.metrics["val_loss"] - once.metrics["val_loss"]
    assert second > 0
    assert abs(second - once.metrics["val_loss"]) > 1e-6
    assert twice.metrics["parameters"] == once.metrics["parameters"]


def test_folds_validate_on_every_row_once(trainer: Trainer, wine: Dataset) -> None:
    evaluator = trainer(folds=5)
    folds = folds_of(evaluator.data, 5)
    whole = wine.train_and_validation()
    assert all(len(rows) + len(held) == len(whole) for rows, held in folds)
    seen = torch.cat([held.inputs for _, held in folds])
    assert sorted(seen.tolist()) == sorted(whole.inputs.tolist())
    for rows, held in folds:
        shares = [torch.bincount(split.targets) / len(split) for split in (rows, held)]
        assert torch.allclose(*shares, atol=0.05), "classes in proportion"


def test_small_data_are_validated_in_folds_by_default(trainer: Trainer) -> None:
    assert trainer(folds=None).folds == 5
    assert default_folds(load("digits")) == 1


@pytest.mark.parametrize("folds", [0, 1000])
def test_folds_must_fit_the_data(trainer: Trainer, folds: int) -> None:
    with pytest.raises(EvaluationError, match=f"folds must be from 1 to .*; got {folds}"):
        trainer(folds=folds)


@pytest.mark.parametrize("name", ["replicates", "batch_size"])
def test_counts_must_be_at_least_one(trainer: Trainer, name: str) -> None:
    with pytest.raises(EvaluationError, match=f"{name} must be at least 1; got 0"):
        trainer(**{name: 0})


def test_fidelity_sets_epochs(trainer: Trainer, mlp: MLP) -> None:
    measured = trainer().evaluate(Proposal(mlp(60), Fidelity(epochs=3)), seed=0)
    assert measured.step == 3
    assert len(measured.curve["train_loss"]) == 3


def test_fidelity_takes_part_of_the_training_rows(trainer: Trainer, mlp: MLP) -> None:
    whole, half, again = (
        trainer().evaluate(Proposal(mlp(60), Fidelity(fraction=f)), seed=0).metrics
        for f in (1.0, 0.5, 0.5)
    )
    assert half == again
    assert whole == trainer().evaluate(Proposal(mlp(60)), seed=0).metrics
    assert half["train_loss"] != whole["train_loss"]


def test_fidelities_do_not_mix_in_a_batch(trainer: Trainer, mlp: MLP) -> None:
    proposals = [Proposal(mlp(60), Fidelity(epochs=e)) for e in (1, 2, 1)]
    found = trainer().evaluate_batch(proposals, seeds=[0, 0, 0])
    assert [o.measurement.step for o in found if o.measurement] == [1, 2, 1]
    first, _, third = (o.measurement.metrics for o in found if o.measurement)
    assert first == third


def test_there_is_no_resolution_to_change(trainer: Trainer, mlp: MLP) -> None:
    [found] = trainer().evaluate_batch([Proposal(mlp(60), Fidelity(resolution=8))], seeds=[0])
    assert found.status is Status.INVALID
    assert found.error == (
        "the train evaluator has no fidelity 'resolution'; it has: epochs, fraction"
    )


def test_what_breaks_a_constraint_is_refused_untrained_with_its_counts(
    trainer: Trainer, mlp: MLP, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = trainer(constraints=["parameters<=1500"])
    small, large = Proposal(mlp(60)), Proposal(mlp(200, 200))
    kept, refused = evaluator.evaluate_batch([small, large], seeds=[0, 0])
    assert kept.status is Status.COMPLETED
    assert refused.status is Status.INVALID
    assert refused.error == "parameters is 43603, outside parameters<=1500; not trained"
    assert refused.measurement is not None
    assert set(refused.measurement.metrics) == {"parameters", "macs", "size_bytes"}
    monkeypatch.setattr("archwright.train.fit_many", None)
    with pytest.raises(ConstraintError, match="parameters is 43603, outside parameters<=1500"):
        evaluator.evaluate(large, seed=0)


def test_latency_is_checked_before_training(trainer: Trainer, mlp: MLP) -> None:
    evaluator = trainer(constraints=["latency_ms<=1e-6"])
    assert evaluator.latency, "a bound on latency needs it measured"
    [refused] = evaluator.evaluate_batch([Proposal(mlp(60))], seeds=[0])
    assert refused.status is Status.INVALID
    assert "latency_ms is 0.0" in refused.error
    assert refused.error.endswith("outside latency_ms<=1e-06; not trained")


def test_a_bound_on_a_validation_metric_does_not_stop_training(trainer: Trainer, mlp: MLP) -> None:
    evaluator = trainer(constraints=["val_accuracy>=0.999"])
    [found] = evaluator.evaluate_batch([Proposal(mlp(60))], seeds=[0])
    assert found.status is Status.COMPLETED
    assert evaluator.rules() == []


def test_an_unknown_metric_in_a_constraint_is_named(trainer: Trainer) -> None:
    with pytest.raises(UnknownNameError, match=r"in a constraint 'params'.*'parameters'"):
        trainer(constraints=["params<=100"])


def test_a_diverging_candidate_leaves_the_others_alone(trainer: Trainer, mlp: MLP) -> None:
    wild = Recipe(epochs=2, optimizer="sgd", learning_rate=1e12, momentum=0.0)
    proposals = [Proposal(mlp(60)), Proposal(mlp(60, 60))]
    found = trainer(recipe=wild).evaluate_batch(proposals, seeds=[0, 0])
    assert [o.status for o in found] == [Status.DIVERGED] * 2
    assert "training diverged" in found[0].error


def test_a_poisoned_candidate_leaves_the_others_alone(
    trainer: Trainer, mlp: MLP, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archwright import network

    sound = network.build

    def build(architecture: Architecture, *rest: object, **more: object) -> torch.nn.Module:
        built = sound(architecture, *rest, **more)  # type: ignore[arg-type]
        if architecture == mlp(70):
            with torch.no_grad():
                next(built.parameters()).fill_(math.nan)
        return built

    monkeypatch.setattr(network, "build", build)
    proposals = [Proposal(mlp(60)), Proposal(mlp(70)), Proposal(mlp(80))]
    first, bad, last = trainer().evaluate_batch(proposals, seeds=[0, 0, 0])
    assert bad.status is Status.DIVERGED
    assert "training diverged: the loss became nan" in bad.error
    alone = trainer().evaluate(proposals[2], seed=0)
    assert first.status is Status.COMPLETED
    assert last.measurement is not None
    assert last.measurement.metrics == pytest.approx(alone.metrics, rel=TOLERANCE)


def test_the_test_split_is_out_of_reach(trainer: Trainer, wine: Dataset) -> None:
    evaluator = trainer()
    assert wine.has_test
    with pytest.raises(DataError, match="touched once, by finalize"):
        _ = evaluator.data.test
    assert not [info for info in evaluator.metrics if info.split == "test"]
    described = json.dumps(evaluator.describe())
    assert str(wine.hashes["train"]) in described


def test_progress_is_reported_by_place_in_the_batch(trainer: Trainer, mlp: MLP) -> None:
    heard: list[tuple[int, int]] = []
    context = Context(report=lambda index, epoch, metrics: heard.append((index, epoch)))
    trainer().evaluate_batch([Proposal(mlp(60)), Proposal(mlp(50))], seeds=[0, 1], context=context)
    assert sorted(heard) == [(0, 1), (0, 2), (1, 1), (1, 2)]


@pytest.mark.parametrize("checkpoints", [False, True])
def test_training_gives_up_when_it_should(
    trainer: Trainer, mlp: MLP, tmp_path: Path, checkpoints: bool
) -> None:
    evaluator = trainer(
        recipe=Recipe(epochs=100_000), checkpoints=tmp_path if checkpoints else None
    )
    context = Context(should_stop=lambda: True)
    with pytest.raises(KeyboardInterrupt):
        evaluator.evaluate_batch(
            [Proposal(mlp(60)), Proposal(mlp(50))], seeds=[0, 1], context=context
        )


def test_an_interrupted_training_goes_on_from_its_checkpoint(
    trainer: Trainer, mlp: MLP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import archwright.train.single as single

    # A checkpoint after every epoch, instead of every few seconds.
    original = single.Training.run
    monkeypatch.setattr(
        single.Training,
        "run",
        lambda self, **how: original(self, **{**how, "checkpoint_seconds": 0.0}),
    )
    recipe = Recipe(epochs=4, batch_size=32)
    proposal = Proposal(mlp(60))
    heard: list[int] = []

    def interrupt(index: int, epoch: int, metrics: Mapping[str, float]) -> None:
        heard.append(epoch)
        if len(heard) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(recipe=recipe, checkpoints=tmp_path / "kept").evaluate(
            proposal, seed=0, context=Context(report=interrupt)
        )
    assert len(list((tmp_path / "kept").iterdir())) == 1
    measured = trainer(recipe=recipe, checkpoints=tmp_path / "kept").evaluate(
        proposal, seed=0, context=Context(report=interrupt)
    )
    assert heard == [1, 2, 3, 3, 4], "epoch 3 was not kept, 1 and 2 were"
    assert measured.metrics == trainer(recipe=recipe).evaluate(proposal, seed=0).metrics
    assert list((tmp_path / "kept").iterdir()) == [], "a finished training needs no checkpoint"


def test_checkpoints_of_other_fidelities_do_not_collide(
    trainer: Trainer, mlp: MLP, tmp_path: Path
) -> None:
    evaluator = trainer(checkpoints=tmp_path, replicates=2)
    proposals = [Proposal(mlp(60), Fidelity(fraction=f)) for f in (0.5, 0.25)]
    kept = evaluator.evaluate_batch(proposals, seeds=[0, 0])
    plain = trainer(replicates=2).evaluate_batch(proposals, seeds=[0, 0])
    for one, other in zip(kept, plain, strict=True):
        assert one.measurement is not None, one.error
        assert other.measurement is not None
        assert one.measurement.metrics == pytest.approx(other.measurement.metrics, rel=TOLERANCE)


def test_the_validation_metrics_are_those_of_the_returned_network(
    trainer: Trainer, mlp: MLP, wine: Dataset
) -> None:
    evaluator = trainer()
    _, [run] = evaluator._prepare(0, Proposal(mlp(60)), 0)
    [fitted] = evaluator._fit([run], Context())
    assert not isinstance(fitted, Exception)
    again = measure(fitted.network, wine.validation, task=wine.task)
    assert fitted.metrics["val_accuracy"] == pytest.approx(again["accuracy"])
