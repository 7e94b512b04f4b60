"""space list, space describe."""

from __future__ import annotations

import typer

from archwright.cli.options import SpaceArgument
from archwright.cli.tables import print_rows

__all__ = ["app", "describe", "list_spaces"]

app = typer.Typer(help="The catalog of search spaces, and your own.", no_args_is_help=True)


@app.command("list")
def list_spaces() -> None:
    """List the spaces of the catalog."""
    from archwright.space import SPACES

    print_rows(["space", "what it holds"], [[entry.name, entry.summary] for entry in SPACES])


@app.command("describe")
def describe(space: SpaceArgument) -> None:
    """Show the decisions of SPACE and how many architectures it holds."""
    from archwright.network import load_space

    found = load_space(space)
    size = f"{found.size:,}" if isinstance(found.size, int) else "infinitely many"
    typer.echo(f"{found.name}: {size} architectures")
    rows = found.describe()
    print_rows(list(rows[0]), [list(row.values()) for row in rows])
