"""How texts on the command line become values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archwright.errors import ArchwrightError, StudyNotFoundError

__all__ = [
    "SECONDS",
    "UsageError",
    "duration_seconds",
    "existing_store",
    "name_and_options",
    "settings",
    "shown_path",
    "size_bytes",
    "store_or_default",
    "times",
]

SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
"""Units of time."""
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20}
_BYTES |= {"gib": 2**30, "k": 10**3, "m": 10**6, "g": 10**9}
_WORDS = {"True": "true", "False": "false"}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")

DEFAULT_STORE = "runs/archwright.db"
"""Where the commands keep studies unless told otherwise."""


class UsageError(ArchwrightError, ValueError):
    """A text on the command line is not understood."""


def _quantity(text: str, units: dict[str, int], what: str, example: str) -> float:
    match = _QUANTITY.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None or float(match[1]) == 0:
        raise UsageError(f"{what} must look like {example}; got {text!r}")
    return float(match[1]) * factor


def duration_seconds(text: str | None, option: str) -> float | None:
    """Read "90", "90s", "10m", "1.5h".

    Raises:
        ValueError: If the text has another form.
    """
    if text is None:
        return None
    return _quantity(text, SECONDS, option, "90s, 10m or 1.5h")


def size_bytes(text: str | None, option: str) -> int | None:
    """Read "500MB", "2GB", "1.5GiB".

    Raises:
        ValueError: If the text has another form.
    """
    if text is None:
        return None
    return round(_quantity(text, _BYTES, option, "500MB or 2GiB"))


def settings(
    texts: Iterable[str] | None, option: str, *, form: str = "NAME=VALUE", shown: str = ""
) -> dict[str, Any]:
    """Read "NAME=VALUE" texts; a value that is JSON, True or False is taken as such, else as text.

    Args:
        texts: What was typed; None is nothing.
        option: After which option.
        form: How it must look.
        shown: All that was typed, where the texts are parts of it.

    Raises:
        UsageError: If a text has no equals sign.
    """
    read: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} must look like {form}; got {shown or text!r}")
        try:
            read[name.strip()] = json.loads(_WORDS.get(value, value))
        except json.JSONDecodeError:
            read[name.strip()] = value
    return read


def name_and_options(text: str, option: str) -> tuple[str, dict[str, Any]]:
    """Read "NAME" or "NAME:OPTION=VALUE,OPTION=VALUE", values as `settings` does.

    Raises:
        UsageError: If an option has no equals sign.
    """
    name, _, tail = text.partition(":")
    form = "NAME or NAME:OPTION=VALUE,OPTION=VALUE"
    return name.strip(), settings(filter(None, tail.split(",")), option, form=form, shown=text)


def store_or_default(store: str | None) -> str:
    """Return the store that was named, or that of ARCHWRIGHT_STORE, or the default one."""
    return store or os.environ.get("ARCHWRIGHT_STORE") or DEFAULT_STORE


def existing_store(store: str | None) -> str:
    """Return the store to read from; a file that is not there is not made.

    Raises:
        StudyNotFoundError: If the store would be a file, and there is none.
    """
    where = store_or_default(store)
    file = where.removeprefix("sqlite:///")
    if "://" not in file and not Path(file).exists():
        raise StudyNotFoundError(
            f"there is no store {file!r}, so there are no studies in it; name the store with "
            "--store, or make a study with: archwright search DATA"
        )
    return where


def shown_path(path: Path) -> Path:
    """Return a path as short as it can be typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def times(count: int) -> str:
    """Return "once", "2 times" ..."""
    return "once" if count == 1 else f"{count} times"
