"""The ablations of a proxy as one call: score a few networks again and again, and while they train.

    found = ablate("nasbench201", "cifar10", draws=20, out="ablation")

Every score is kept in a file at once, so the same call goes on where a killed one stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archwright import train
from archwright.canonical import digest
from archwright.errors import EvaluationError
from archwright.evaluate.journal import Journal
from archwright.frontdoor.ablation_plan import PARTS, Floats, Job, Key, Plan, chosen, recorded
from archwright.frontdoor.places import made_folders
from archwright.report import Ablation
from archwright.report.ablation import DRAWS
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space

if TYPE_CHECKING:
    from archwright.benchmark import Table

__all__ = ["ABLATION_FILES", "PARTS", "ablate", "save_ablation"]

ABLATION_FILES = ("ablation.csv", "scores.csv", "ablation.png", "report.html")
"""What `save_ablation` writes."""

OnScore = Callable[[int, int], None]
Emit: TypeAlias = Callable[[Mapping[str, Any]], None]


def ablate(
    space: str | Space,
    data: Any,
    proxy: str = "naswot",
    *,
    architectures: int | Sequence[Architecture] = 10,
    draws: int = 20,
    parts: Sequence[str] = PARTS,
    table: Table | None = None,
    metric: str = "val_accuracy",
    progress: str | Path | None = None,
    on_score: OnScore | None = None,
    **settings: Any,
) -> Ablation:
    """Score the same architectures under changes of batch, inputs, weights and training.

    Args:
        space: Name in the catalog, "file.py:NAME", or a `Space`.
        data: What `archwright.data.load` takes, or a loaded `Dataset`.
        proxy: Which one.
        architectures: These, or how many: from ascending bands of what the table recorded between
            its median and its best, or drawn from the space without a table.
        draws: Scores of each architecture in each part.
        parts: Some of `PARTS`.
        table: What is recorded of the architectures, to name and order them by.
        metric: Of the table.
        progress: File in which every score is kept; None keeps them in memory only.
        on_score: Hears of the progress: done, in all.
        **settings: Any of

            - batch_size: rows (the published number of the proxy);
            - sizes: batch sizes of the part "sizes" (16, 32, 64, 128, 256);
            - epochs: of the part "training" (10);
            - recipe: how to train, single settings that differ from the default;
            - options: of the proxy;
            - seed: root of all randomness (0);
            - space_options, skeleton, data_options.

    Raises:
        UnknownNameError: If a name or an option is not known.
        ProxyError: If a number is out of range, or the proxy needs labels and gets noise.
        BenchmarkError: If the table is of another space, or the progress of another ablation.
    """
    plan = Plan.make(space, data, proxy, draws, parts, settings)
    networks = chosen(plan, architectures, table, metric)
    jobs = list(plan.jobs(len(networks)))
    found: dict[Key, Mapping[str, Any]] = {}

    def note(record: Mapping[str, Any]) -> None:
        part, architecture, draw, size = record["key"]
        found[part, architecture, draw, size] = record
        if on_score is not None:
            on_score(len(found), len(jobs))

    if progress is None:
        _score(plan, networks, jobs, found, note)
    else:
        identity = digest([plan.facts, [list(a.codes) for a in networks]])
        what = "another ablation (networks, data, proxy, draws, sizes or training differ)"
        with Journal(Path(progress), identity, what=what) as journal:
            for record in journal.records:
                note(record)

            def keep(record: Mapping[str, Any]) -> None:
                journal.append(record)
                note(record)

            _score(plan, networks, jobs, found, keep, Path(progress))
    return _collected(plan, networks, found, table, metric)


def _score(
    plan: Plan,
    networks: Sequence[Architecture],
    jobs: Sequence[Job],
    done: Mapping[Key, Any],
    emit: Emit,
    progress: Path | None = None,
) -> None:
    """Compute what is still missing; a training goes on from its checkpoint beside `progress`."""
    left = [job for job in jobs if job.key not in done]
    for job in left:
        if job.part != "training":
            draw = job.draw if job.part == "initialisations" else 0
            emit(plan.scored(plan.build(networks[job.architecture], draw), job))
    trained = [job for job in left if job.part == "training"]
    for place in dict.fromkeys(job.architecture for job in trained):
        own = {job.draw: job for job in trained if job.architecture == place}
        file = None if progress is None else Path(f"{progress}.{place}.training")
        _train(plan, networks[place], own, emit, file)


def _train(
    plan: Plan,
    architecture: Architecture,
    jobs: dict[int, Job],
    emit: Emit,
    checkpoint: Path | None,
) -> None:
    """Score a network before training and after each epoch that is still missing."""
    if (job := jobs.pop(0, None)) is not None:
        emit(plan.scored(plan.build(architecture), job, accuracy=None))
    built, data = plan.build(architecture), plan.data
    metric = "val_accuracy" if data.task.is_classification else "val_r2"

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        if (job := jobs.pop(epoch, None)) is not None:
            copy = plan.build(architecture)  # the one in training is not to be touched
            copy.load_state_dict(built.state_dict())
            emit(plan.scored(copy, job, accuracy=metrics[metric]))

    try:
        train.fit(
            built,
            data.train,
            data.validation,
            plan.recipe,
            task=data.task,
            seed=derive_seed(plan.seed, "ablation", "training", *architecture.codes),
            checkpoint=checkpoint,
            checkpoint_seconds=0.0,
            on_epoch=on_epoch,
        )
    except EvaluationError as error:  # it diverged: there are no more scores
        for job in jobs.values():
            emit({"key": list(job.key), "value": None, "status": str(error), "accuracy": None})
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def _collected(
    plan: Plan,
    networks: Sequence[Architecture],
    found: Mapping[Key, Mapping[str, Any]],
    table: Table | None,
    metric: str,
) -> Ablation:
    count = len(networks)

    def values(part: str, size: int, draws: int, name: str = "value") -> Floats:
        cells = [[found[part, a, d, size].get(name) for d in range(draws)] for a in range(count)]
        return np.array([[math.nan if v is None else v for v in row] for row in cells])

    drawn = [part for part in DRAWS if part in plan.parts]
    trained = "training" in plan.parts
    epochs = plan.epochs + 1
    results, measured = recorded(networks, table, metric)
    return Ablation(
        plan.proxy.name,
        plan.space.name,
        tuple(a.space.format(a) for a in networks),
        {part: values(part, plan.batch_size, plan.draws) for part in drawn},
        {n: values("sizes", n, plan.draws) for n in plan.sizes if "sizes" in plan.parts},
        values("training", plan.batch_size, epochs) if trained else None,
        values("training", plan.batch_size, epochs, "accuracy") if trained else None,
        results,
        measured,
        plan.facts,
    )


def save_ablation(ablation: Ablation, folder: str | Path) -> Path:
    """Write tables, figure and page of an ablation to a folder, and return it.

    Raises:
        EnvironmentProblem: If the folder cannot be made or written.
    """
    from archwright import report

    place = Path(folder)
    table, scores, figure, page = ABLATION_FILES
    with made_folders(place):
        report.write_csv(report.ablation_frame(ablation), place / table)
        report.write_csv(report.ablation_values(ablation), place / scores)
        report.save_figure(report.ablation_figure(ablation), place / figure)
        report.write_ablation_html(ablation, place / page)
    return place
