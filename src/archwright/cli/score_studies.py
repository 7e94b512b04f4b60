"""score correlate, score ablate, score kernels: what scores are worth, and what moves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archwright.cli.options import (
    BatchOption,
    DataOptions,
    DatasetOption,
    JsonOption,
    PathOption,
    RecipeOption,
    SeedOption,
    SkeletonOption,
    SpaceOptionsOption,
    data_options,
    with_options,
)
from archwright.cli.scoring import app, read_proxies
from archwright.cli.tables import print_rows
from archwright.cli.values import UsageError, settings, shown_path
from archwright.cli.waiting import Said, interruptible

if TYPE_CHECKING:
    import pandas as pd

    from archwright.benchmark import Table

__all__ = ["ablate", "app", "correlate", "kernels"]

NeededSpaceOption = Annotated[
    str, typer.Option("--space", help="Catalog name or file.py:NAME of the networks.")
]
NeededDataOption = Annotated[
    str, typer.Option("--data", help="What the networks are for, as for search.")
]
BenchmarkOption = Annotated[
    str | None,
    typer.Option("--benchmark", help="A known benchmark, or a .table file, to choose and name by."),
]
MetricOption = Annotated[str, typer.Option("--metric", help="Recorded result to order by.")]


@app.command("correlate")
def correlate(
    scores: Annotated[
        list[Path],
        typer.Option("--scores", help="File of scores; several are joined by architecture."),
    ],
    benchmark: Annotated[
        str, typer.Option("--benchmark", help="A known benchmark, or a .table file.")
    ],
    path: PathOption = None,
    dataset: DatasetOption = None,
    metric: MetricOption = "val_accuracy",
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Length of the recorded trainings.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for table, figure and report.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare scores with recorded results: rank correlations, size beside, figures, report."""
    from archwright.frontdoor.score_studies import CORRELATION_FILES
    from archwright.frontdoor.score_studies import correlate as compare

    found = compare(scores, benchmark, path=path, dataset=dataset, metric=metric, epochs=epochs)
    if out is not None:
        found.save(out)
    frame = found.frame()
    if as_json:
        typer.echo(_json(frame))
        return
    columns = ["proxy", "n", "omitted", "rho", "rho_sd", "tau", "top_overlap", "top_rho"]
    columns += ["partial_rho", "regret", "verdict"]
    print_rows(columns, [list(row) for row in frame[columns].itertuples(index=False)])
    for line in found.summary().splitlines():
        typer.echo(line)
    if out is not None:
        typer.echo(f"{', '.join(CORRELATION_FILES)} in {shown_path(out)}")


@app.command("ablate")
@with_options(data_options)
def ablate(
    space: NeededSpaceOption,
    data: NeededDataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for tables, figure and report.")],
    data_options: DataOptions,
    proxy: Annotated[
        str, typer.Option("--proxy", help="NAME or NAME:OPTION=VALUE,OPTION=VALUE.")
    ] = "naswot",
    architectures: Annotated[
        int, typer.Option("--architectures", min=1, help="How many networks.")
    ] = 10,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Scores of each in each part.")] = 20,
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            help="batches, noise, initialisations, sizes or training; may be given several times "
            "[default: all].",
        ),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option("--size", min=1, help="A batch size [default: 16 32 64 128 256]."),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of the part training.")] = 10,
    recipe: RecipeOption = None,
    batch_size: BatchOption = None,
    benchmark: BenchmarkOption = None,
    path: PathOption = None,
    dataset: DatasetOption = None,
    metric: MetricOption = "val_accuracy",
    seed: SeedOption = 0,
    space_option: SpaceOptionsOption = None,
    skeleton: SkeletonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score the same networks under other batches, inputs, weights, sizes and in training."""
    from archwright import report
    from archwright.frontdoor import score_ablation
    from archwright.frontdoor.places import made_folders

    named = read_proxies([proxy])
    if len(named) != 1:
        raise UsageError(f"score ablate takes one proxy; got {proxy!r}")
    kept = f"every score is kept in {shown_path(out)}. Go on with the same command"
    with made_folders(out), interruptible(kept):
        found = score_ablation.ablate(
            space,
            data,
            named[0][0],
            architectures=architectures,
            draws=draws,
            parts=tuple(part or score_ablation.PARTS),
            table=_table(benchmark, path, dataset),
            metric=metric,
            progress=out / "scores.progress",
            on_score=Said("{done} of {total} scores", seconds=10),
            options=named[0][1],
            sizes=tuple(size or (16, 32, 64, 128, 256)),
            epochs=epochs,
            recipe=settings(recipe, "--recipe"),
            batch_size=batch_size,
            seed=seed,
            space_options=settings(space_option, "--space-option"),
            skeleton=settings(skeleton, "--skeleton"),
            data_options=data_options,
        )
        score_ablation.save_ablation(found, out)
    frame = report.ablation_frame(found)
    if as_json:
        typer.echo(_json(frame))
        return
    print_rows(list(frame.columns), [list(row) for row in frame.itertuples(index=False)])
    for line in report.ablation_sentences(found):
        typer.echo(line)
    typer.echo(f"{', '.join(score_ablation.ABLATION_FILES)} in {shown_path(out)}")


@app.command("kernels")
@with_options(data_options)
def kernels(
    space: NeededSpaceOption,
    data: NeededDataOption,
    out: Annotated[Path, typer.Option("--out", help="The picture: a .png, .svg or .pdf file.")],
    data_options: DataOptions,
    architectures: Annotated[
        int, typer.Option("--architectures", min=1, help="How many networks.")
    ] = 10,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="Rows to look at.")] = 128,
    benchmark: BenchmarkOption = None,
    path: PathOption = None,
    dataset: DatasetOption = None,
    metric: MetricOption = "val_accuracy",
    seed: SeedOption = 0,
    space_option: SpaceOptionsOption = None,
    skeleton: SkeletonOption = None,
) -> None:
    """Draw which samples of a batch switch the same units on, for networks from bad to good."""
    from archwright.frontdoor.score_kernels import draw_kernels

    written = draw_kernels(
        space,
        data,
        out,
        architectures=architectures,
        batch_size=batch_size,
        table=_table(benchmark, path, dataset),
        metric=metric,
        seed=seed,
        space_options=settings(space_option, "--space-option"),
        skeleton=settings(skeleton, "--skeleton"),
        data_options=data_options,
    )
    typer.echo(f"kernels: {shown_path(written)}")


def _table(benchmark: str | None, path: Path | None, dataset: str | None) -> Table | None:
    if benchmark is None:
        if path is not None or dataset is not None:
            raise UsageError("--path and --dataset belong to a benchmark; name it with --benchmark")
        return None
    from archwright.benchmark import load_benchmark

    return load_benchmark(benchmark, path, dataset=dataset or "")


def _json(frame: pd.DataFrame) -> str:
    return json.dumps(json.loads(frame.to_json(orient="records")), indent=1)
