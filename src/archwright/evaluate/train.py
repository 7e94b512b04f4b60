"""The evaluator that trains: build, check, fit, measure on the validation split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from archwright import cost, network, train
from archwright.canonical import digest
from archwright.data import Dataset, load
from archwright.errors import ConstraintError, EvaluationError, UnknownNameError
from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator, outcome_of
from archwright.evaluate.feasibility import Feasibility, counts_of
from archwright.evaluate.folds import Fold, default_folds, folds_of
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space
from archwright.trial import Constraint, Fidelity, Measurement, MetricInfo, Outcome, Proposal

__all__ = ["TrainEvaluator", "from_spec", "target_scale"]


def _metrics_of(data: Dataset) -> tuple[MetricInfo, ...]:
    if data.task.kind == "classification":
        quality = [
            ("accuracy", "max", "fraction"),
            ("balanced_accuracy", "max", "fraction"),
            ("f1_macro", "max", "fraction"),
            ("loss", "min", "nats"),
        ]
        if data.task.outputs == 2:
            quality.append(("auc", "max", "fraction"))
    else:
        quality = [
            ("r2", "max", "fraction"),
            ("rmse", "min", "target"),
            ("mae", "min", "target"),
            ("loss", "min", "standardised target squared"),
        ]
    return (
        *(MetricInfo(f"val_{name}", way, unit, "val") for name, way, unit in quality),
        MetricInfo("train_loss", "min", "", "train"),
        MetricInfo("parameters", "min", "count"),
        MetricInfo("macs", "min", "count"),
        MetricInfo("size_bytes", "min", "bytes"),
        MetricInfo("latency_ms", "min", "ms"),
    )


class RefusedError(ConstraintError):
    """A hard constraint is broken; carries what was counted before any training."""

    def __init__(self, message: str, measurement: Measurement) -> None:
        super().__init__(message)
        self.measurement = measurement


@dataclass(frozen=True)
class _Run:
    """One training of one candidate."""

    candidate: _Candidate
    network: nn.Module
    seed: int
    fold: int


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A proposal that may be trained, and what was counted."""

    index: int
    proposal: Proposal
    counted: dict[str, float]


class TrainEvaluator(Evaluator):
    """Trains every candidate from fresh weights and measures it on the validation split.

    Hard constraints on parameters, MACs, size and latency are checked before any training.
    The test split cannot be reached from here.

    Args:
        space: Where the architectures come from; must have a network builder.
        data: The task. Its test split is put out of reach.
        recipe: How to train; a proposal's fidelity overrides its epochs.
        constraints: Hard bounds, on any declared metric.
        replicates: Independent trainings a candidate; metrics are their mean.
        folds: 1 validates on the validation split. More deal the training and validation rows
            into so many folds, train once for each and validate on it; metrics are the means at
            the epoch that is best for all. None suits the data, see `default_folds`.
        latency: Whether to measure latency at batch 1 on this machine.
        checkpoints: Folder for training checkpoints. When given, candidates are trained one at a
            time and a killed training continues where it was.
        batch_size: How many candidates to train as one population.

    Raises:
        UnknownNameError: If a constraint names a metric that is not measured.
        EvaluationError: If `replicates` or `batch_size` is below 1.
    """

    def __init__(
        self,
        space: Space,
        data: Dataset,
        recipe: train.Recipe | None = None,
        *,
        constraints: Sequence[Constraint | str] = (),
        replicates: int = 1,
        folds: int | None = None,
        latency: bool = True,
        checkpoints: str | Path | None = None,
        batch_size: int = 32,
    ) -> None:
        for name, value in (("replicates", replicates), ("batch_size", batch_size)):
            if value < 1:
                raise EvaluationError(f"{name} must be at least 1; got {value!r}", status="invalid")
        self.space = space
        self.data = data.for_search()
        self.recipe = recipe or train.Recipe()
        self.constraints = tuple(Constraint.parse(constraint) for constraint in constraints)
        self.replicates = replicates
        self.folds = default_folds(data) if folds is None else folds
        self._folds = folds_of(self.data, self.folds)
        self.latency = latency or any(c.metric == "latency_ms" for c in self.constraints)
        self.checkpoints = None if checkpoints is None else Path(checkpoints).absolute()
        self.batch_size = batch_size if checkpoints is None else 1
        self.metrics = tuple(
            metric for metric in _metrics_of(data) if self.latency or metric.name != "latency_ms"
        )
        for constraint in self.constraints:
            if self.metric(constraint.metric) is None:
                raise UnknownNameError(
                    "metric in a constraint", constraint.metric, [m.name for m in self.metrics]
                )
        self._feasibility = Feasibility(
            space, data.input_shape, data.task.outputs, self.constraints, self.metrics
        )

    def rules(self) -> Sequence[tuple[str, Callable[[Architecture], bool]]]:
        """Return the bounds on parameters, MACs and size: exact, so never worth a trial."""
        return self._feasibility.rules()

    def check(self) -> None:
        """Refuse a device that is not there, and what `Feasibility.check` refuses."""
        self.recipe.torch_device()
        self._feasibility.check()

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Train one candidate; see `evaluate_batch`.

        Raises:
            ConstraintError: If it breaks a constraint that is known before training.
            EvaluationError: If training diverged or failed.
        """
        candidate, runs = self._prepare(0, proposal, seed)
        return self._measurement(candidate, self._fit(runs, context))

    def evaluate_batch(
        self, proposals: Sequence[Proposal], *, seeds: Sequence[int], context: Context = NO_CONTEXT
    ) -> list[Outcome]:
        """Train several candidates as one population, each as if it were alone."""
        outcomes: dict[int, Outcome] = {}
        groups: dict[Fidelity, list[_Run]] = {}
        for index, (proposal, seed) in enumerate(zip(proposals, seeds, strict=True)):
            started = time.perf_counter()
            try:
                _, runs = self._prepare(index, proposal, seed)
            except Exception as error:  # noqa: BLE001 - a failed trial is data, whatever it raised
                outcomes[index] = outcome_of(error, time.perf_counter() - started)
            else:
                groups.setdefault(proposal.fidelity, []).extend(runs)
        for runs in groups.values():
            results: dict[_Candidate, list[train.Fitted | Exception]] = {}
            for run, fitted in zip(runs, self._fit(runs, context), strict=True):
                results.setdefault(run.candidate, []).append(fitted)
            for candidate, own in results.items():
                outcomes[candidate.index] = self._outcome(candidate, own)
        return [outcomes[index] for index in range(len(proposals))]

    def describe(self) -> dict[str, Any]:
        """Return the data's name, hashes and sizes, and the recipe."""
        return {
            "data": self.data.summary(),
            "hashes": dict(self.data.hashes),
            "recipe": self.recipe.to_json(),
            "replicates": self.replicates,
            "folds": self.folds,
        }

    def _prepare(self, index: int, proposal: Proposal, seed: int) -> tuple[_Candidate, list[_Run]]:
        """Build the networks of a candidate and check what can be known before training."""
        if proposal.fidelity.resolution is not None:
            raise EvaluationError(
                "the train evaluator has no fidelity 'resolution'; it has: epochs, fraction",
                status="invalid",
            )
        shape = self.data.input_shape
        first = self._build(proposal.architecture, derive_seed(seed, "replicate", 0, 0))
        counted = counts_of(first, shape)
        if self.latency:
            counted["latency_ms"] = cost.latency(first, shape).median_ms
        for constraint in self.constraints:
            if constraint.metric in counted and constraint.violation(counted) > 0:
                raise RefusedError(
                    f"{constraint.metric} is {counted[constraint.metric]:g}, outside "
                    f"{constraint}; not trained",
                    Measurement(counted),
                )
        candidate = _Candidate(index, proposal, counted)
        runs: list[_Run] = []
        for replicate in range(self.replicates):
            for fold in range(self.folds):
                own = derive_seed(seed, "replicate", replicate, fold)
                built = first if not runs else self._build(proposal.architecture, own)
                runs.append(_Run(candidate, built, derive_seed(own, "training"), fold))
        return candidate, runs

    def _build(self, architecture: Architecture, seed: int) -> nn.Module:
        return network.build(
            architecture,
            self.data.input_shape,
            self.data.task.outputs,
            seed=derive_seed(seed, "weights"),
        )

    def _fit(self, runs: Sequence[_Run], context: Context) -> list[train.Fitted | Exception]:
        """Train networks of equal fidelity, fold by fold."""
        fidelity = runs[0].candidate.proposal.fidelity
        recipe = self.recipe
        if fidelity.epochs is not None:
            recipe = recipe.replace(epochs=fidelity.epochs)
        if self.folds > 1:
            # The epoch is chosen for all folds together, so each must go all the way.
            recipe = recipe.replace(patience=None)
        fitted: dict[int, train.Fitted | Exception] = {}
        for fold, (rows, held) in enumerate(self._folds):
            places = [place for place, run in enumerate(runs) if run.fold == fold]
            some = [runs[place] for place in places]
            split = rows.fraction(fidelity.fraction or 1.0, seed=0)
            if self.checkpoints is not None:
                found = [self._fit_kept(run, (split, held), recipe, context) for run in some]
            else:
                found = self._fit_together(some, (split, held), recipe, context)
            fitted |= zip(places, found, strict=True)
        return [fitted[place] for place in range(len(runs))]

    def _fit_together(
        self, runs: Sequence[_Run], fold: Fold, recipe: train.Recipe, context: Context
    ) -> list[train.Fitted | Exception]:
        def report(position: int, epoch: int, metrics: Mapping[str, float]) -> None:
            context.report(runs[position].candidate.index, epoch, metrics)

        return train.fit_many(
            [run.network for run in runs],
            *fold,
            recipe,
            task=self.data.task,
            seeds=[run.seed for run in runs],
            scale=target_scale(self.data),
            on_epoch=report,
            should_stop=context.should_stop,
        )

    def _fit_kept(
        self, run: _Run, fold: Fold, recipe: train.Recipe, context: Context
    ) -> train.Fitted | Exception:
        """Train one network with a checkpoint, which goes when there is a result."""
        assert self.checkpoints is not None
        proposal = run.candidate.proposal
        how = [recipe.to_json(), proposal.fidelity.to_json(), run.seed, run.fold]
        name = f"{proposal.architecture.key}-{digest(how, length=16)}.safetensors"
        fitted: train.Fitted | Exception
        try:
            fitted = train.fit(
                run.network,
                *fold,
                recipe,
                task=self.data.task,
                seed=run.seed,
                scale=target_scale(self.data),
                checkpoint=self.checkpoints / name,
                on_epoch=lambda epoch, metrics: context.report(run.candidate.index, epoch, metrics),
                should_stop=context.should_stop,
            )
        except Exception as error:  # noqa: BLE001 - becomes the outcome of this candidate
            fitted = error
        (self.checkpoints / name).unlink(missing_ok=True)
        return fitted

    def _outcome(
        self, candidate: _Candidate, fitted: Sequence[train.Fitted | Exception]
    ) -> Outcome:
        try:
            return Outcome.completed(self._measurement(candidate, fitted))
        except Exception as error:  # noqa: BLE001 - a failed trial is data, whatever it raised
            spent = sum(f.duration_seconds for f in fitted if isinstance(f, train.Fitted))
            return outcome_of(error, spent)

    def _measurement(
        self, candidate: _Candidate, fitted: Sequence[train.Fitted | Exception]
    ) -> Measurement:
        good = []
        for one in fitted:
            if isinstance(one, Exception):
                raise one
            good.append(one)
        curve = {name: good[0].curve[name] for name in good[0].curve}
        if self.folds == 1:
            best = round(fmean(one.best_epoch for one in good))
            metrics = {name: fmean(one.metrics[name] for one in good) for name in curve}
        else:
            curve = _mean_curve(good)
            best = _best_epoch(curve)
            metrics = {name: values[best - 1] for name, values in curve.items()}
        return Measurement(
            {**metrics, **candidate.counted},
            cost_seconds=sum(one.duration_seconds for one in good),
            step=good[0].epochs_run,
            curve=curve,
            info={"engine": good[0].engine, "best_epoch": best},
        )


def _mean_curve(fitted: Sequence[train.Fitted]) -> dict[str, tuple[float, ...]]:
    """Return the mean over trainings of each metric after each epoch."""
    return {
        name: tuple(map(fmean, zip(*(one.curve[name] for one in fitted), strict=True)))
        for name in fitted[0].curve
    }


def _best_epoch(curve: Mapping[str, Sequence[float]]) -> int:
    """Return the epoch, from 1, with the lowest validation loss."""
    losses = curve["val_loss"]
    return 1 + min(range(len(losses)), key=losses.__getitem__)


def target_scale(data: Dataset) -> Sequence[float] | None:
    """Return the deviations of regression targets, so that errors come in the targets' unit."""
    return data.preprocessing.target_scale or None


def from_spec(spec: Mapping[str, Any]) -> tuple[Space, TrainEvaluator]:
    """Rebuild the space and the evaluator of a study; see `build_evaluator`."""
    described = spec["evaluator"]
    space = network.load_space(spec["space"]["reference"], **spec["space"].get("options", {}))
    data = load(spec["data"]["source"], **spec["data"].get("options", {}))
    return space, TrainEvaluator(
        space,
        data,
        train.Recipe.from_json(described["recipe"]),
        constraints=spec.get("constraints", ()),
        replicates=described.get("replicates", 1),
        folds=described.get("folds"),
        latency=described.get("latency", True),
        checkpoints=described.get("checkpoints"),
        batch_size=described.get("batch_size", 32),
    )
