"""benchmark convert, import, join: tables from files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

from archwright.cli.options import BenchmarkArgument, NameOption, SpaceOptionsOption, TableOption
from archwright.cli.tables import COLUMN_HEADS, column_row, print_rows
from archwright.cli.values import UsageError, settings, shown_path

if TYPE_CHECKING:
    from archwright.benchmark import Table
    from archwright.space import Space

__all__ = ["convert", "import_file", "join"]


def convert(
    source: Annotated[
        Path | None, typer.Argument(metavar="[SOURCE]", help="Official file or folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The table. Default: beside SOURCE.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", help="What SOURCE is; found out from the file by default."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Check every checksum that the format has.")] = True,
    curves: Annotated[
        bool, typer.Option("--curves", help="Keep the values after every epoch too.")
    ] = False,
) -> None:
    """Make a table of the file that a benchmark has published, or that a package brings."""
    from archwright.benchmark import convert as convert_file
    from archwright.benchmark import open_table

    with _progress("reading") as say:
        path = convert_file(
            source, out, benchmark=benchmark, strict=strict, curves=curves, progress=say
        )
    _told(open_table(path))


def import_file(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="CSV, TSV, Parquet or .npz file.")
    ],
    space: Annotated[
        str, typer.Option("--space", help="Catalog name or file.py:NAME of the architectures.")
    ],
    out: TableOption,
    space_option: SpaceOptionsOption = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            help="Column with the published text, codes or published index; found out by default.",
        ),
    ] = None,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Rows stand in the published order of the space.")
    ] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="What a column is: val_accuracy=COLUMN,unit=percent,split=val,direction=max,"
            "dataset=NAME, as far as the names do not tell; '*' for all whose names tell.",
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="Data set of the metrics that do not name one.")
    ] = "",
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="The budget that everything was trained.")
    ] = None,
    epochs_column: Annotated[
        str | None, typer.Option("--epochs-column", help="Column with the budget of each row.")
    ] = None,
    repeat_column: Annotated[
        str | None,
        typer.Option("--repeat-column", help="Column that tells trainings apart, such as seeds."),
    ] = None,
    missing: Annotated[
        list[float] | None,
        typer.Option("--missing", help="A number that means a missing value, such as -1."),
    ] = None,
    name: NameOption = None,
) -> None:
    """Make a table of your own file: a row for each architecture, or each of its trainings."""
    from archwright.benchmark import IN_ORDER, import_table, open_table

    if in_order and architecture is not None:
        raise UsageError("--in-order and --architecture exclude each other; give one of them")
    found = import_table(
        source,
        out,
        _space(space, settings(space_option, "--space-option")),
        architecture=IN_ORDER if in_order else architecture,
        metrics=metric or (),
        dataset=dataset,
        epochs=epochs,
        epochs_column=epochs_column,
        repeat_column=repeat_column,
        missing=missing or (),
        name=name,
    )
    print_rows(
        ["column", *COLUMN_HEADS],
        [[source_column, *column_row(column)] for source_column, column in found.columns],
    )
    for left_out, reason in found.left_out:
        typer.echo(f"left out {left_out!r}: {reason}; take it with --metric", err=True)
    _told(open_table(found.path))


def join(
    first: BenchmarkArgument,
    second: Annotated[str, typer.Argument(metavar="SECOND", help="A table of the same space.")],
    out: TableOption,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="A metric of SECOND to take; default: all of them."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Data set of what is taken; '' for all of BENCHMARK's."),
    ] = None,
) -> None:
    """Add columns of a second table, such as latencies, to a first one, by architecture."""
    from archwright.benchmark import join_tables, load_benchmark

    tables = load_benchmark(first), load_benchmark(second)
    _told(join_tables(*tables, out, metrics=metric, dataset=dataset))


def _space(name: str, options: dict[str, Any]) -> Space:
    """Return a space of the catalog, without loading what builds networks, or one's own."""
    from archwright.space import SPACES, space_named

    if name in SPACES:
        return space_named(name, **options)
    from archwright.network import load_space

    return load_space(name, **options)


def _told(table: Table) -> None:
    size = table.path.stat().st_size
    typer.echo(f"table: {shown_path(table.path)} ({table.domain}, {size:,} bytes)")


@contextmanager
def _progress(what: str) -> Iterator[Any]:
    """Yield what is told (done, all): a bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (what, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
