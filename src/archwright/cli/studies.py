"""leaderboard, report, export: what reads a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archwright.cli.options import JsonOption, StoreOption, StudyArgument
from archwright.cli.tables import print_leaderboard, print_rows
from archwright.cli.values import existing_store, times

__all__ = ["export", "leaderboard", "report"]


def leaderboard(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="Name of the study; without one, the studies are listed."
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 10,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the best architectures of STUDY."""
    from archwright import report
    from archwright.store import open_store
    from archwright.trial import Constraint, Objective

    with open_store(existing_store(store)) as opened:
        if study is None:
            rows = []
            for record in opened.studies():
                counts = opened.counts(record)
                rows.append([record.name, counts["finished"], ", ".join(record.spec["objectives"])])
            print_rows(["study", "finished", "objectives"], rows)
            return
        record = opened.study(study)
        frame = report.leaderboard(
            opened.trials(record),
            [Objective.parse(text) for text in record.spec["objectives"]],
            [Constraint.parse(text) for text in record.spec.get("constraints", ())],
            n=n,
        )
    if as_json:
        typer.echo(frame.to_json(orient="records"))
    else:
        print_leaderboard(frame)
        finalized = record.extra.get("finalized")
        if finalized and finalized["metrics"]:
            shown = ", ".join(f"{k} {v:.4g}" for k, v in finalized["metrics"].items())
            read = times(finalized.get("readings", 1))
            typer.echo(f"test of trial {finalized['trial']}, read {read}: {shown}")


def report(
    study: StudyArgument,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    store: StoreOption = None,
) -> None:
    """Write the report of STUDY: one HTML page that needs no network."""
    from archwright import report as pages
    from archwright.store import open_store

    with open_store(existing_store(store)) as opened:
        typer.echo(str(pages.report_study(opened, study, out)))


def export(
    study: StudyArgument,
    out: Annotated[Path, typer.Option("--out", help="Where to write the model.")],
    format: Annotated[str, typer.Option("--format", help="archwright")] = "archwright",
    store: StoreOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is there.")
    ] = False,
) -> None:
    """Train the winner of STUDY on all it may see and write it with its preprocessing."""
    from archwright import frontdoor

    found = frontdoor.recorded(study, existing_store(store))
    typer.echo(str(found.export(format, out, overwrite=overwrite)))
