"""From what a user says to a search that is ready to run: defaults, options, checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright import network, train
from archwright.data import Dataset, LoadOptions, load
from archwright.errors import EvaluationError, StrategyError, UnknownNameError
from archwright.evaluate import TrainEvaluator
from archwright.frontdoor.guiding import read_guide
from archwright.frontdoor.places import Places, made_folders
from archwright.frontdoor.prescreening import OnScored, Prescreen, Screened, check_same, screen
from archwright.frontdoor.result import SearchResult
from archwright.run import Callback, Study
from archwright.space import Space
from archwright.store import Store
from archwright.strategy import Guide, make_strategy
from archwright.trial import Budget, Constraint, Objective

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Search", "default_objective", "default_recipe", "default_space", "prepare"]

_TRIALS = 20
# The option that says how many random architectures a strategy starts from, and the fewest.
_STARTS = {
    "evolution": ("population", 4),
    "guided-evolution": ("population", 5),
    "predictor": ("starts", 4),
}
_CNN_PIXELS = 16


def default_space(data: Dataset) -> str:
    """Return the catalog space for data: "cnn" for images of 16 pixels and more, else "mlp"."""
    return "cnn" if data.kind == "image" and min(data.input_shape[-2:]) >= _CNN_PIXELS else "mlp"


def default_recipe(data: Dataset) -> train.Recipe:
    """Return a recipe that suits the amount of data."""
    return train.recipe_for(len(data.train), data.task)


def default_objective(data: Dataset) -> str:
    """Return accuracy for classes, R2 for numbers."""
    return "max:val_accuracy" if data.task.kind == "classification" else "max:val_r2"


@dataclass(frozen=True)
class Search:
    """A search that is ready to run: nothing was trained or written yet.

    Args:
        study: Space, strategy, evaluator and budget.
        data: With its test split.
        places: Store, name and folder.
        resume: Whether the study may exist.
    """

    study: Study
    data: Dataset
    places: Places
    resume: bool = False

    def run(
        self,
        *,
        workers: int = 1,
        executor: str | None = None,
        finalize: bool = True,
        callback: Callback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search, and finish as `search` does; the arguments are described there."""
        with made_folders(*self.places.folders):
            found = self.study.run(
                workers=workers,
                executor=executor,
                resume=self.resume,
                callback=callback,
                should_stop=should_stop,
            )
        result = SearchResult(found, self.data, self.study.job, self.study.store, self.places.out)
        return result.finish(finalize=finalize)


def prepare(
    data: Any,
    *,
    space: str | Space | type[nn.Module] | None = None,
    strategy: str = "evolution",
    trials: int | None = None,
    seconds: float | None = None,
    objective: str | Objective | Sequence[str | Objective] | None = None,
    constraints: Sequence[str | Constraint] = (),
    recipe: train.Recipe | Mapping[str, Any] | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    resume: bool = False,
    prescreen: str | Prescreen | None = None,
    on_scored: OnScored | None = None,
    guide: str | Guide | None = None,
    **more: Any,
) -> Search:
    """Load the data and check everything, without running; see `search` for the arguments."""
    options = _Options.sort(more)
    loaded = data if isinstance(data, Dataset) else load(data, **{"seed": seed, **options.data})
    chosen = default_space(loaded) if space is None else space
    searched = network.load_space(chosen)
    evaluator = TrainEvaluator(
        searched, loaded, _recipe(recipe, loaded), constraints=constraints, **options.evaluator
    )
    budget = Budget(
        trials=_TRIALS if trials is None and seconds is None else trials, seconds=seconds
    )
    guided = read_guide(guide, strategy, searched, loaded, seed=seed)
    stem = f"{loaded.name}-{searched.name}-{strategy}"
    places = Places(store, name, stem, out=out, runs=runs, resume=resume)
    strategy_options = _strategy_options(strategy, budget, options.strategy, places)
    spec = _spec(loaded, chosen, evaluator, places.out)
    before = places.before.spec if places.before else None
    wanted = None if prescreen is None else Prescreen.parse(prescreen)
    if before is not None:  # it was screened when it was made
        check_same(before.get("prescreen"), wanted)
        if wanted is not None:
            strategy_options["initial"] = before["strategy"]["options"]["initial"]
    elif wanted is not None:
        screened = _screened(
            wanted,
            evaluator,
            searched,
            loaded,
            strategy=strategy,
            guide=guided,
            options=strategy_options,
            trials=budget.trials,
            seed=seed,
            on_scored=on_scored,
        )
        strategy_options["initial"] = screened.initial
        spec |= {"prescreen": screened.record, "seconds_before": screened.seconds}
    study = Study(
        searched,
        strategy,
        evaluator,
        objective=default_objective(loaded) if objective is None else objective,
        budget=budget,
        constraints=constraints,
        seed=seed,
        store=places.store,
        name=places.name,
        options=strategy_options,
        guide=guided,
        spec=spec,
        **options.study,
    )
    return Search(study, loaded, places, resume)


def _screened(
    prescreen: Prescreen,
    evaluator: TrainEvaluator,
    space: Space,
    data: Dataset,
    *,
    guide: Guide | None,
    **settings: Any,
) -> Screened:
    """Score first, after everything else was checked."""
    if settings["options"].get("initial"):
        raise StrategyError(
            "a prescreen chooses what is trained first, and so does the strategy option initial; "
            "give one of them"
        )
    evaluator.check()
    make_strategy(settings["strategy"], space, ["max:score"], guide=guide, **settings["options"])
    return screen(prescreen, evaluator, space, data, **settings)


@dataclass
class _Options:
    """Further keyword arguments of `search`, by the room that understands them."""

    data: dict[str, Any] = field(default_factory=dict)
    evaluator: dict[str, Any] = field(default_factory=dict)
    study: dict[str, Any] = field(default_factory=dict)
    strategy: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def sort(cls, more: Mapping[str, Any]) -> _Options:
        homes = {
            **dict.fromkeys((item.name for item in fields(LoadOptions)), "data"),
            **dict.fromkeys(
                ("replicates", "folds", "latency", "checkpoints", "batch_size"), "evaluator"
            ),
            **dict.fromkeys(("deterministic", "limits", "worker_options"), "study"),
        }
        groups = {"strategy_options": "strategy", "data_options": "data"}
        sorted_options = cls()
        for name, value in more.items():
            if name in groups:
                getattr(sorted_options, groups[name]).update(value or {})
            elif name in homes:
                getattr(sorted_options, homes[name])[name] = value
            else:
                raise UnknownNameError("option of search", name, sorted({*homes, *groups}))
        return sorted_options


def _recipe(recipe: train.Recipe | Mapping[str, Any] | None, data: Dataset) -> train.Recipe:
    if isinstance(recipe, train.Recipe):
        return recipe
    if recipe is not None and not isinstance(recipe, Mapping):
        raise EvaluationError(f"recipe must be a Recipe or a mapping of settings; got {recipe!r}")
    changes = {"device": str(data.train.inputs.device), **(recipe or {})}
    return default_recipe(data).replace(**changes)


def _strategy_options(
    strategy: str, budget: Budget, given: Mapping[str, Any], places: Places
) -> dict[str, Any]:
    """Return the options given, with a random start that leaves room for what it is there for.

    A study that is resumed keeps the start it was made with, whatever its new budget.
    """
    option, least = _STARTS.get(strategy, ("", 0))
    if not option or option in given:
        return dict(given)
    recorded = places.before.spec["strategy"]["options"] if places.before else {}
    if option in recorded:
        return {option: recorded[option], **given}
    if budget.trials is None:
        return dict(given)
    return {option: max(least, min(20, budget.trials // 3)), **given}


def _spec(
    data: Dataset,
    space: str | Space | type[nn.Module],
    evaluator: TrainEvaluator,
    out: Path | None,
) -> dict[str, Any]:
    """Return what another process needs to rebuild the search; less if it cannot."""
    spec: dict[str, Any] = {"out": None if out is None else str(out.absolute())}
    reference = network.reference_of(space)
    if data.spec is None or reference is None:
        return spec
    checkpoints = evaluator.checkpoints
    return spec | {
        "data": dict(data.spec),
        "space": {"reference": reference},
        "evaluator": {
            "kind": "train",
            "recipe": evaluator.recipe.to_json(),
            "replicates": evaluator.replicates,
            "folds": evaluator.folds,
            "latency": evaluator.latency,
            "checkpoints": str(checkpoints) if checkpoints else None,
            "batch_size": evaluator.batch_size,
        },
    }
