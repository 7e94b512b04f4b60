"""data check, and the options that say how to read data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from archwright.cli.values import settings
from archwright.errors import DataError

__all__ = [
    "DataArgument",
    "DataDirOption",
    "DataOption",
    "DelimiterOption",
    "EncodingOption",
    "TargetOption",
    "TaskOption",
    "app",
    "check",
    "data_options",
]

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, wine, breast_cancer, diabetes; a CSV, Parquet or .npz file; a folder of "
        "images by class; mnist, fashion_mnist, cifar10, cifar100.",
    ),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Label column, by name or position.")
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="classification or regression. Default: from the labels."),
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", help="Separator of a CSV file, or tab. Default: found out."),
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of a CSV file, such as latin-1.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the known public sets.")
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data-option", help="Further data option NAME=VALUE, such as test=0.3."),
]

app = typer.Typer(help="Look at data before a search.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("check")
def check(
    data: DataArgument,
    target: TargetOption = None,
    task: TaskOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    data_option: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List every problem of DATA with its place and remedy; nothing is trained."""
    from archwright import data as room

    options = data_options(
        data_option,
        target=target,
        task=task,
        delimiter=delimiter,
        encoding=encoding,
        data_dir=data_dir,
    )
    problems = room.check(data, **options)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        typer.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found", err=True)
        raise typer.Exit(2)
    for name, value in room.load(data, **options).summary().items():
        typer.echo(f"{name}: {value}")
    typer.echo("no problems found")


def data_options(
    texts: Sequence[str] | None, *, delimiter: str | None, **given: Any
) -> dict[str, Any]:
    """Return the options of `archwright.data.load` from what was typed.

    Raises:
        UnknownNameError: If there is no such data option.
        DataError: If its value is not allowed.
        ValueError: If a text is not NAME=VALUE.
    """
    from archwright.data import LoadOptions

    options = settings(texts or (), "--data-option")
    given["delimiter"] = {"tab": "\t", r"\t": "\t"}.get(delimiter or "", delimiter)
    options |= {name: value for name, value in given.items() if value is not None}
    try:
        LoadOptions.of(None, options)
    except TypeError as error:
        raise DataError(f"a data option is of the wrong type: {options!r} ({error})") from error
    return options
