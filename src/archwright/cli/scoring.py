"""score: untrained networks scored by proxies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.options import (
    BatchOption,
    ConstraintOption,
    DataOptions,
    JsonOption,
    SeedOption,
    SkeletonOption,
    SpaceOptionsOption,
    data_options,
    with_options,
)
from archwright.cli.tables import print_rows
from archwright.cli.values import (
    UsageError,
    name_and_options,
    settings,
    shown_path,
    store_or_default,
)
from archwright.cli.waiting import resumable

if TYPE_CHECKING:
    from archwright.trial import Scores

__all__ = ["app", "read_proxies", "score"]

_SHOWN = 10

app = typer.Typer(invoke_without_command=True)


@app.callback()
@with_options(data_options)
def score(
    context: typer.Context,
    data_options: DataOptions,
    space: Annotated[
        str | None, typer.Option("--space", help="Catalog name or file.py:NAME of the networks.")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            help="NAME,NAME or NAME:OPTION=VALUE,OPTION=VALUE; may be given several times "
            "[default: naswot].",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="What the networks are for, as for search.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="Architectures to draw. Default: all of the space."),
    ] = None,
    batch_size: BatchOption = None,
    noise: Annotated[
        bool, typer.Option("--noise", help="Random inputs in the place of the data's rows.")
    ] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Initialisations of each network.")
    ] = 1,
    seed: SeedOption = 0,
    constraint: ConstraintOption = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Scoring processes.")] = 1,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            help="Where scores are kept: a file, sqlite:/// or postgresql:// URL. Default: "
            "$ARCHWRIGHT_STORE or runs/archwright.db.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the scores in the store. Default: from what is scored."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV file for the scores, for score correlate.")
    ] = None,
    space_option: SpaceOptionsOption = None,
    skeleton: SkeletonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score untrained networks of a space by proxies; run again to go on, or for more samples."""
    if context.invoked_subcommand is not None:
        return
    for option, given in (("--space NAME", space), ("--data DATA", data)):
        if given is None:
            raise UsageError(f"score needs {option}")
    assert space is not None
    from archwright.frontdoor import score_files, scoring
    from archwright.frontdoor.places import made_folders, store_file

    where = store_or_default(store)
    study = scoring.prepare_scoring(
        space,
        data,
        read_proxies(proxy),
        samples=samples,
        batch_size=batch_size,
        noise=noise,
        seeds=seeds,
        seed=seed,
        constraints=constraint or (),
        store=where,
        name=name,
        space_options=settings(space_option, "--space-option"),
        skeleton=settings(skeleton, "--skeleton"),
        data_options=data_options,
    )
    file = store_file(where)
    with made_folders(*([file.parent] if file else [])):
        _run(study, workers, resumable(study.name, store))
    scores = scoring.scores_of(study, samples)
    if out is not None:
        score_files.write_scores(scores, out)
    _show(scores, study.name, out, as_json=as_json)


def read_proxies(texts: list[str] | None) -> list[tuple[str, dict[str, Any]]]:
    """Read "NAME,NAME" and "NAME:OPTION=VALUE,OPTION=VALUE".

    Raises:
        UsageError: If an option has no equals sign.
    """
    read: list[tuple[str, dict[str, Any]]] = []
    for text in texts or ["naswot"]:
        if ":" in text:
            read.append(name_and_options(text, "--proxy"))
        else:
            read += [(name.strip(), {}) for name in text.split(",") if name.strip()]
    return read


def _run(study: Any, workers: int, resumable: Any) -> None:
    from archwright.cli.progress import Display

    job = study.job
    title = f"scores {study.name}: {', '.join(proxy.name for proxy in job.evaluator.proxies)}"
    with Display(job.objectives, job.constraints, title=title) as display, resumable:
        study.run(workers=workers, resume=True, callback=display)


def _show(scores: Scores, name: str, out: Path | None, *, as_json: bool) -> None:
    """Print the best by the first proxy with sizes beside, and what to mind; or all as JSON."""
    sizes, proxies = scores.proxies[:2], scores.proxies[2:]
    means = {proxy: scores.mean(proxy) for proxy in scores.proxies}
    if as_json:
        typer.echo(json.dumps(_summary(scores, name, means, out)))
        return
    first = means[(proxies or sizes)[0]]
    order = sorted(range(len(scores)), key=lambda n: -first[n] if first[n] == first[n] else 1e308)
    columns = ["rank", *proxies, *sizes, "architecture"]
    rows = []
    for rank, n in enumerate(order[:_SHOWN], start=1):
        counts = [int(means[s][n]) if means[s][n] == means[s][n] else None for s in sizes]
        values = [float(means[p][n]) for p in proxies]
        rows.append([rank, *values, *counts, scores.architectures[n]])
    print_rows(columns, rows)
    for proxy in proxies:
        lacking = ", ".join(f"{count} {status}" for status, count in scores.reasons(proxy).items())
        if lacking:
            typer.echo(f"{proxy}: without a score, {lacking}")
        if proxy in scores.notes:
            typer.echo(f"{proxy}: {scores.notes[proxy]}")
    where = f", written to {shown_path(out)}" if out else ""
    typer.echo(f"{len(scores):,} architectures scored, kept as {name}{where}")


def _summary(scores: Scores, name: str, means: Any, out: Path | None) -> dict[str, Any]:
    return {
        "name": name,
        "space": scores.space,
        "seeds": scores.seeds,
        "out": str(out) if out else None,
        "architectures": [
            {
                "architecture": text,
                **{p: None if (v := float(means[p][n])) != v else v for p in scores.proxies},
            }
            for n, text in enumerate(scores.architectures)
        ],
    }
