"""doctor: what this machine offers, and what it lacks."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import typer

from archwright.cli.tables import print_rows
from archwright.cli.values import store_or_default

__all__ = ["doctor"]

_PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "sqlalchemy", "matplotlib")
_EXTRAS = {"postgres": "psycopg", "parquet": "pyarrow"}


def doctor() -> None:
    """Show versions, devices and optional parts; exit 3 if something needed is missing."""
    import torch

    rows: list[list[str]] = [
        ["python", platform.python_version(), ""],
        *([name, metadata.version(name), ""] for name in _PACKAGES),
        ["processor", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads", ""],
        ["cuda", _cuda(), ""],
        ["sqlite", sqlite3.sqlite_version, ""],
    ]
    for extra, package in _EXTRAS.items():
        present = find_spec(package) is not None
        remedy = "" if present else f"pip install 'archwright[{extra}]'"
        rows.append([f"extra {extra}", "installed" if present else "not installed", remedy])
    folder, writable = _store_folder()
    free = shutil.disk_usage(folder).free / 1e9
    rows.append(["disk", f"{free:.1f} GB free", ""])
    rows.append(
        [
            "store",
            store_or_default(None),
            "" if writable else f"cannot write in {folder}; name another place with --store",
        ]
    )
    print_rows(["part", "found", "remedy"], rows)
    if not writable:
        raise typer.Exit(3)


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none; training runs on the processor"
    return ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))


def _store_folder() -> tuple[Path, bool]:
    """Return the nearest existing folder of the default store and whether it can be written."""
    folder = Path(store_or_default(None).removeprefix("sqlite:///")).absolute().parent
    while not folder.exists():
        folder = folder.parent
    return folder, os.access(folder, os.W_OK)
