"""predict: use an exported network on new data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archwright.cli.tables import print_leaderboard

__all__ = ["predict"]

_SHOWN = 20


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of an exported model.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="New data of the same form; the label may be missing."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV file to write; without it, rows are shown.")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option("--space", help="file.py:NAME, if the network is from a space of your own."),
    ] = None,
) -> None:
    """Predict with an exported MODEL on DATA."""
    from archwright import export

    frame = export.predict_file(model, data, out=out, space=space)
    if out is not None:
        typer.echo(f"{len(frame)} predictions in {out}")
        return
    print_leaderboard(frame.head(_SHOWN))
    if len(frame) > _SHOWN:
        typer.echo(f"... {len(frame) - _SHOWN} more; write all with --out FILE.csv")
