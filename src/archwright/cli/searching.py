"""search, resume, worker: the commands that evaluate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.options import (
    ConstraintOption,
    DataArgument,
    DataOptions,
    ExecutorOption,
    JsonOption,
    RecipeOption,
    SeedOption,
    StoreOption,
    StudyArgument,
    WorkersOption,
    data_options,
    with_options,
)
from archwright.cli.tables import print_leaderboard
from archwright.cli.values import (
    duration_seconds,
    existing_store,
    settings,
    shown_path,
    size_bytes,
    store_or_default,
    times,
)
from archwright.cli.waiting import Said, resumable

if TYPE_CHECKING:
    from archwright.frontdoor import Search, SearchResult
    from archwright.run import Result
    from archwright.trial import Budget, Trial

__all__ = ["resume", "search", "worker"]


@with_options(data_options)
def search(
    data: DataArgument,
    data_options: DataOptions,
    space: Annotated[
        str | None,
        typer.Option("--space", help="Catalog name or file.py:NAME. Default suits the data."),
    ] = None,
    strategy: Annotated[str, typer.Option("--strategy", help="How to propose.")] = "evolution",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Candidates to try [default: 20].")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", help="Wall time: 90s, 10m, 1.5h.")
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", help="max:val_accuracy; may be given several times."),
    ] = None,
    constraint: ConstraintOption = None,
    workers: WorkersOption = 1,
    executor: ExecutorOption = None,
    store: StoreOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the study. Default: made up.")
    ] = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report and model [default: runs/NAME]."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs of one training.")
    ] = None,
    recipe: RecipeOption = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Strategy option NAME=VALUE.")
    ] = None,
    trial_time: Annotated[
        str | None, typer.Option("--trial-time", help="Time limit for one trial: 90s, 10m.")
    ] = None,
    trial_memory: Annotated[
        str | None, typer.Option("--trial-memory", help="Memory limit for one trial: 2GB.")
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="Folder in which a killed training is kept to go on."),
    ] = None,
    replicates: Annotated[
        int, typer.Option("--replicates", min=1, help="Trainings per candidate, averaged.")
    ] = 1,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=1,
            help="Trainings per candidate, each validated on another part of the rows; 1 "
            "validates on one split. Default suits the number of rows.",
        ),
    ] = None,
    prescreen: Annotated[
        str | None,
        typer.Option(
            "--prescreen",
            help="Score first, train the best first: naswot:100 scores 100 candidates, "
            "naswot:100:10 keeps 10 of them.",
        ),
    ] = None,
    guide: Annotated[
        str | None,
        typer.Option(
            "--guide",
            help="Proxies that the strategy looks at before it proposes: naswot or "
            "naswot+synflow+jacob_cov; with --strategy filtered, guided-evolution or predictor.",
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option(help="With several workers: a history that depends on the seed alone."),
    ] = False,
    finalize: Annotated[
        bool, typer.Option(help="Train the winner once more and read the test split.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Search a network for DATA, train it, test it, report and export it."""
    from archwright import frontdoor
    from archwright.cli.progress import Display
    from archwright.run import Limits

    limits = Limits(
        duration_seconds(trial_time, "--trial-time"), size_bytes(trial_memory, "--trial-memory")
    )
    ready = frontdoor.prepare(
        data,
        space=space,
        strategy=strategy,
        trials=trials,
        seconds=duration_seconds(max_time, "--max-time"),
        objective=objective or None,
        constraints=constraint or (),
        recipe=_recipe(recipe, epochs),
        seed=seed,
        store=store_or_default(store),
        name=name,
        out=out,
        runs="runs",
        strategy_options=settings(option, "--option"),
        data_options=data_options,
        replicates=replicates,
        folds=folds,
        checkpoints=checkpoints,
        limits=limits,
        deterministic=workers if deterministic else None,
        prescreen=prescreen,
        guide=guide,
        on_scored=Said("prescreen: {done} of {total} candidates scored", seconds=5)
        if prescreen
        else None,
    )
    job = ready.study.job
    with (
        Display(job.objectives, job.constraints, title=_title(ready)) as display,
        resumable(ready.study.name, store),
    ):
        found = ready.run(workers=workers, executor=executor, finalize=finalize, callback=display)
    _show(found, as_json=as_json)


def resume(
    study: StudyArgument,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="New limit: trials in all.")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", help="New limit: wall time in all.")
    ] = None,
    workers: WorkersOption = 1,
    executor: ExecutorOption = None,
    store: StoreOption = None,
    finalize: Annotated[
        bool, typer.Option(help="Train the winner once more and read the test split.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Go on with an interrupted STUDY, or search on with a larger budget."""
    from archwright import frontdoor
    from archwright.cli.progress import Display
    from archwright.trial import Budget

    seconds = duration_seconds(max_time, "--max-time")
    budget = Budget(trials, seconds) if trials or seconds else None
    where = existing_store(store)
    if not _has_data(study, where):
        with resumable(study, store):
            looked_up = _resume_without_data(study, where, budget, workers, executor)
        _show_without_data(looked_up, as_json=as_json)
        return
    found = frontdoor.recorded(study, where)
    with (
        Display(found.objectives, found.constraints, before=found.trials) as display,
        resumable(study, store),
    ):
        found = found.resume(
            budget=budget,
            workers=workers,
            executor=executor,
            finalize=finalize,
            callback=display,
        )
    _show(found, as_json=as_json)


def _has_data(study: str, where: str) -> bool:
    """Return whether a study trains networks on data, and does not look its trials up."""
    from archwright.store import open_store

    with open_store(where, create=False) as opened:
        return "data" in opened.study(study).spec


def _resume_without_data(
    study: str, where: str, budget: Budget | None, workers: int, executor: str | None
) -> Result:
    from archwright.cli.progress import Display
    from archwright.run import execute, load_study

    opened, record, job = load_study(study, where, budget=budget)
    before = opened.trials(record)
    with Display(job.objectives, job.constraints, before=before) as display:
        return execute(opened, record, job, workers=workers, executor=executor, callback=display)


def worker(
    study: StudyArgument,
    store: StoreOption = None,
) -> None:
    """Join STUDY as one more worker, from this or another machine, until it is done."""
    from archwright.cli.progress import Display
    from archwright.run import load_study

    opened, record, job = load_study(study, existing_store(store))
    before = opened.finished(record)
    with (
        opened,
        Display(job.objectives, job.constraints, before=before) as display,
        resumable(study, store),
    ):
        display.on_start(len(before), job.budget.trials)
        reason = job.worker(opened, record, callback=display).run()
        display.on_stop(f"{reason}; {display.heard} trials finished here")


def _recipe(texts: list[str] | None, epochs: int | None) -> dict[str, Any]:
    recipe = settings(texts, "--recipe")
    if epochs is not None:
        recipe["epochs"] = epochs
    return recipe


def _title(ready: Search) -> str:
    job = ready.study.job
    goals = ", ".join(str(goal) for goal in (*job.objectives, *job.constraints))
    return (
        f"study {ready.study.name}: {ready.data.name} with the space {ready.study.space.name} "
        f"and {job.strategy}; {goals}"
    )


def _show(found: SearchResult, *, as_json: bool) -> None:
    """Print the leaderboard and where everything is; or the same as JSON."""
    best, out = found.best, found.out and shown_path(found.out)
    if as_json:
        typer.echo(_summary(found, best.trial, best.metrics, out))
        return
    print_leaderboard(found.leaderboard(10))
    typer.echo(f"best: trial {best.trial.number}, {best.architecture}")
    if found.test_metrics:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in found.test_metrics.items())
        typer.echo(
            f"test, read {times(found.readings)}, after training on training and validation data: "
            f"{shown}"
        )
    if out:
        typer.echo(f"report: {out / 'report.html'}")
        if (out / "model").exists():
            typer.echo(f"model:  {out / 'model'}    (archwright predict {out / 'model'} DATA)")


def _show_without_data(found: Result, *, as_json: bool) -> None:
    from archwright import report

    if as_json:
        typer.echo(_summary(found, found.best, found.best.metrics, None))
        return
    print_leaderboard(report.leaderboard(found.trials, found.objectives, found.constraints, n=10))
    typer.echo(f"best: trial {found.best.number}, {found.best.architecture}")


def _summary(
    found: SearchResult | Result, best: Trial, metrics: Mapping[str, float], out: Path | None
) -> str:
    return json.dumps(
        {
            "study": found.study.name,
            "trials": len(found.trials),
            "stopped": found.reason,
            "best": {
                "trial": best.number,
                "architecture": dict(best.architecture.values),
                "metrics": dict(metrics),
            },
            "out": str(out) if out else None,
        }
    )
