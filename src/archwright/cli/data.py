"""data check."""

from __future__ import annotations

import typer

from archwright.cli.options import DataArgument, DataOptions, data_options, with_options

__all__ = ["app", "check"]

app = typer.Typer(help="Look at data before a search.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("check")
@with_options(data_options)
def check(data: DataArgument, data_options: DataOptions) -> None:
    """List every problem of DATA with its place and remedy; nothing is trained."""
    from archwright import data as room

    problems = room.check(data, **data_options)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        typer.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found", err=True)
        raise typer.Exit(2)
    for name, value in room.load(data, **data_options).summary().items():
        typer.echo(f"{name}: {value}")
    typer.echo("no problems found")
