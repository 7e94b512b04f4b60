"""Tables on the terminal, as wide as it is, and complete where it is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from archwright.benchmark import Column

__all__ = ["COLUMN_HEADS", "column_row", "print_leaderboard", "print_rows"]

_WIDE = 160
COLUMN_HEADS = ("metric", "unit", "better", "split", "epochs", "repeats")


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their column names."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(rows) and all(_is_number(row[columns.index(column)]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))  # no markup: [ ] are ours
    console.print(table)


def print_leaderboard(frame: pd.DataFrame) -> None:
    """Print a leaderboard as `archwright.report.leaderboard` returns it."""
    columns = [str(column) for column in frame.columns]
    print_rows(columns, [list(row) for row in frame.itertuples(index=False, name=None)])


def column_row(column: Column) -> list[Any]:
    """Return what a column of a benchmark table is, as a row below COLUMN_HEADS."""
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
