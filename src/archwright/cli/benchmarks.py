"""benchmark list, info, query, top, convert, import, join (and build, in its own file)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

from archwright.cli.building import build
from archwright.cli.tables import print_rows
from archwright.cli.values import UsageError, settings, shown_path
from archwright.errors import OutOfDomainError

if TYPE_CHECKING:
    from archwright.benchmark import Column, Table
    from archwright.space import Space
    from archwright.trial import Measurement

__all__ = ["app"]

app = typer.Typer(help="Benchmark tables: published ones and your own.", no_args_is_help=True)
app.command("build")(build)

BenchmarkArgument = Annotated[
    str, typer.Argument(metavar="BENCHMARK", help="A known benchmark, or a .table file.")
]
PathOption = Annotated[Path | None, typer.Option("--path", help="The benchmark's file.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="Which of the benchmark's data sets.")
]
EpochsOption = Annotated[
    int | None, typer.Option("--epochs", min=1, help="The budget; the full one by default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("list")
def list_benchmarks(as_json: JsonOption = False) -> None:
    """List the benchmarks that can be opened by name."""
    from archwright.benchmark import BENCHMARKS

    rows = []
    for entry in BENCHMARKS:
        benchmark = BENCHMARKS.get(entry.name)
        made_of = benchmark.files[0].name if benchmark.files else "built in"
        rows.append({"benchmark": entry.name, "what it holds": entry.summary, "made of": made_of})
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_rows(list(rows[0]), [list(row.values()) for row in rows])


@app.command("info")
def info(
    benchmark: BenchmarkArgument,
    path: PathOption = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the whole file and check its checksum.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a table holds, and where its numbers come from."""
    table = _opened(benchmark, path, None)
    if verify:
        table.verify()
    if as_json:
        facts = {**table.header, "path": str(table.path), "sha256": table.sha256}
        typer.echo(json.dumps(facts | {"verified": verify}))
        return
    size = table.path.stat().st_size
    typer.echo(f"{table.name}: {table.domain}")
    typer.echo(f"file: {shown_path(table.path)} ({size:,} bytes, SHA-256 {table.sha256})")
    if verify:
        typer.echo("verified: the content is what was written")
    print_rows(
        ["metric", "unit", "better", "split", "epochs", "repeats"],
        [_column_row(column) for column in table.columns],
    )
    for note in table.header["notes"]:
        typer.echo(f"note: {note}")
    for fact, value in table.header["provenance"].items():
        typer.echo(f"{fact}: {value if isinstance(value, str) else json.dumps(value)}")


def _column_row(column: Column) -> list[Any]:
    name = column.full_name + ("" if column.moment == "final" else f" ({column.moment})")
    epochs = ", ".join(map(str, column.epochs)) or None
    return [
        name,
        column.unit,
        column.direction,
        column.split or None,
        epochs,
        column.repeats or None,
    ]


@app.command("query")
def query(
    benchmark: BenchmarkArgument,
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCHITECTURE",
            help="Published text, key or hash, or else the number of its row.",
        ),
    ],
    path: PathOption = None,
    dataset: DatasetOption = None,
    epochs: EpochsOption = None,
    repeat: Annotated[
        str, typer.Option("--repeat", help="mean, all, or the number of one training.")
    ] = "mean",
    halfway: Annotated[
        bool, typer.Option("--halfway", help="Values after half of the epochs.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is recorded about one architecture."""
    table = _opened(benchmark, path, dataset)
    row = _row(table, architecture)
    found = _measured(table, row, epochs=epochs, repeat=repeat, halfway=halfway)
    text = table.space.format(table.architecture(row))
    if as_json:
        measured = [measurement.to_json() for measurement in found]
        typer.echo(json.dumps({"row": row, "architecture": text, "measurements": measured}))
        return
    typer.echo(f"row {row}: {text}")
    units = {info.name: info.unit for info in table.metrics}
    names = list(dict.fromkeys(name for one in found for name in one.metrics))
    labels = [f"repeat {one.info['repeat']}" if repeat == "all" else "value" for one in found]
    rows = [[name, *(one.metrics.get(name) for one in found), units[name]] for name in names]
    print_rows(["metric", *labels, "unit"], rows)


def _row(table: Table, text: str) -> int:
    """Return the row of a published text, key or hash, or else with this number."""
    try:
        return table.row(text)
    except OutOfDomainError:
        if not text.isdecimal():
            raise
        return table.row(int(text))


def _measured(
    table: Table, row: int, *, epochs: int | None, repeat: str, halfway: bool
) -> tuple[Measurement, ...]:
    if repeat == "all":
        return table.query(row, epochs=epochs, repeat="all", halfway=halfway)
    if repeat == "mean":
        return (table.query(row, epochs=epochs, halfway=halfway),)
    if not repeat.isdecimal():
        raise UsageError(f"--repeat must be mean, all or the number of a training; got {repeat!r}")
    return (table.query(row, epochs=epochs, repeat=int(repeat), halfway=halfway),)


@app.command("top")
def top(
    benchmark: BenchmarkArgument,
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Such as val_accuracy.")],
    path: PathOption = None,
    dataset: DatasetOption = None,
    epochs: EpochsOption = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the best architectures of a table by the mean of METRIC."""
    import numpy as np

    table = _opened(benchmark, path, dataset)
    values = table.values(metric, epochs=epochs)
    direction = {info.name: info.direction for info in table.metrics}[metric]
    order = np.argsort(-values if direction == "max" else values, kind="stable")[:count]
    rows = [
        {
            "row": row,
            metric: values[row].item(),
            "architecture": table.space.format(table.architecture(row)),
        }
        for row in order.tolist()
        if np.isfinite(values[row])
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_rows(["row", metric, "architecture"], [list(row.values()) for row in rows])


@app.command("convert")
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


@app.command("import")
def import_file(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="CSV, TSV, Parquet or .npz file.")
    ],
    space: Annotated[
        str, typer.Option("--space", help="Catalog name or file.py:NAME of the architectures.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The table, by convention NAME.table.")],
    space_option: Annotated[
        list[str] | None,
        typer.Option("--space-option", help="Option of the space NAME=VALUE."),
    ] = None,
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
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the benchmark. Default: the file's.")
    ] = None,
) -> None:
    """Make a table of your own file: a row for each architecture, or each of its trainings."""
    from archwright.benchmark import IN_ORDER, import_table, open_table

    if in_order and architecture is not None:
        raise UsageError("--in-order and --architecture exclude each other; give one of them")
    found = import_table(
        source,
        out,
        _space(space, settings(space_option or (), "--space-option")),
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
        ["column", "metric", "unit", "better", "split", "epochs", "repeats"],
        [[source_column, *_column_row(column)] for source_column, column in found.columns],
    )
    for left_out, reason in found.left_out:
        typer.echo(f"left out {left_out!r}: {reason}; take it with --metric", err=True)
    _told(open_table(found.path))


@app.command("join")
def join(
    first: BenchmarkArgument,
    second: Annotated[str, typer.Argument(metavar="SECOND", help="A table of the same space.")],
    out: Annotated[Path, typer.Option("--out", help="The table, by convention NAME.table.")],
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
    from archwright.benchmark import join_tables

    tables = _opened(first, None, None), _opened(second, None, None)
    _told(join_tables(*tables, out, metrics=metric, dataset=dataset))


def _space(name: str, options: dict[str, Any]) -> Space:
    """Return a space of the catalog, without loading what builds networks, or one's own."""
    from archwright.space import SPACES, space_named

    if name in SPACES:
        return space_named(name, **options)
    from archwright.network import load_space

    return load_space(name, **options)


def _opened(benchmark: str, path: Path | None, dataset: str | None) -> Table:
    from archwright.benchmark import load_benchmark

    return load_benchmark(benchmark, path, dataset=dataset)


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
