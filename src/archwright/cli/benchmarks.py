"""benchmark list, info, query, top: what reads tables; the rest of the group is added to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archwright.cli import converting
from archwright.cli.building import build
from archwright.cli.options import (
    BenchmarkArgument,
    DatasetOption,
    JsonOption,
    PathOption,
)
from archwright.cli.tables import COLUMN_HEADS, column_row, print_rows
from archwright.cli.values import UsageError, shown_path
from archwright.errors import OutOfDomainError

if TYPE_CHECKING:
    from archwright.benchmark import Table
    from archwright.trial import Measurement

__all__ = ["app"]

app = typer.Typer(help="Benchmark tables: published ones and your own.", no_args_is_help=True)

EpochsOption = Annotated[
    int | None, typer.Option("--epochs", min=1, help="The budget; the full one by default.")
]


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
        COLUMN_HEADS,
        [column_row(column) for column in table.columns],
    )
    for note in table.header["notes"]:
        typer.echo(f"note: {note}")
    for fact, value in table.header["provenance"].items():
        typer.echo(f"{fact}: {value if isinstance(value, str) else json.dumps(value)}")


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


def _opened(benchmark: str, path: Path | None, dataset: str | None) -> Table:
    from archwright.benchmark import load_benchmark

    return load_benchmark(benchmark, path, dataset=dataset)


app.command("convert")(converting.convert)
app.command("import")(converting.import_file)
app.command("join")(converting.join)
app.command("build")(build)
