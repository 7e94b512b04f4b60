"""Between values and the text that a store keeps: JSON, names, and messages about names."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from archwright.errors import StoreError, StudyExistsError, StudyNotFoundError
from archwright.space import Space
from archwright.trial import Measurement, Outcome, Proposal, Status, Trial

_PACKAGES = ("archwright", "torch", "numpy", "pandas", "scikit-learn", "SQLAlchemy")
_STATUS = {status.value: status for status in Status}
_MAX_NAME = 200


def _plain(value: object) -> object:
    """Turn numpy scalars into Python numbers; floats keep every bit."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    raise TypeError(f"{type(value).__name__} is not a JSON type: {value!r:.80}")


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
loads = json.loads


def dumps(value: object, what: str) -> str:
    """Write JSON; floats round-trip bit for bit.

    Raises:
        StoreError: If the value is not made of JSON types; says what it was.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} cannot be written as JSON: {error}") from error


def outcome_text(number: int, outcome: Outcome) -> str:
    """Write an outcome without its status, which has a column of its own."""
    data: dict[str, Any] = {"cost_seconds": outcome.cost_seconds}
    if outcome.measurement is not None:
        data["measurement"] = outcome.measurement.to_json()
    if outcome.error:
        data["error"] = outcome.error
    if outcome.traceback:
        data["traceback"] = outcome.traceback
    return dumps(data, f"trial {number}: the outcome")


def _outcome(status: Status, text: str) -> Outcome:
    data = loads(text)
    measurement = data.get("measurement")
    return Outcome(
        status,
        None if measurement is None else Measurement.from_json(measurement),
        data.get("error", ""),
        data.get("traceback", ""),
        data["cost_seconds"],
    )


def trial_from_row(row: tuple[Any, ...], space: Space, proposal: Proposal | None = None) -> Trial:
    """Rebuild a trial from a row of `statements.TRIAL_COLUMNS`.

    Args:
        row: The row.
        space: The study's space.
        proposal: The proposal, where it is known already; spares reading its JSON.
    """
    number, seed, proposal_text, status_text, told, attempt, worker, order, outcome_json = row[:9]
    status = _STATUS[status_text]
    if proposal is None:
        proposal = Proposal.from_json(loads(proposal_text), space)
    outcome = None if outcome_json is None else _outcome(status, outcome_json)
    return Trial(
        number,
        proposal,
        seed,
        status,
        told,
        attempt,
        order,
        outcome,
        worker,
        row[9],
        row[10],
        row[11],
    )


def died(times: int) -> Outcome:
    """Return the outcome of a trial that nobody survived."""
    return Outcome(Status.CRASHED, error=f"worker died {times} times")


def environment() -> dict[str, Any]:
    """Return what results may depend on besides the study: Python, platform, packages."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: found for name in _PACKAGES if (found := _installed(name))},
    }


@cache
def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_name(name: str) -> None:
    """Refuse a study name that could not be typed or printed again."""
    if not name or name != name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise StoreError(
            f"a study name must be 1 to {_MAX_NAME} printable characters without spaces around; "
            f"got {name!r:.80}"
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that no column can hold."""
    if not 0 <= seed < 2**63:
        raise StoreError(f"seed must be in [0, 2**63); got {seed!r}")


def check_space(name: str, stored: Mapping[str, Any], space: Space) -> None:
    """Refuse a space that is not the study's own."""
    theirs = Space.from_json(stored)
    if theirs.fingerprint != space.fingerprint:
        raise StoreError(
            f"study {name!r} was made for another space: expected {theirs.name!r} with "
            f"fingerprint {theirs.fingerprint}; got {space.name!r} with {space.fingerprint}. "
            "Use the space it was made with, or start a new study"
        )


def exists(name: str, label: str) -> StudyExistsError:
    """Return the error for a name that is taken."""
    return StudyExistsError(
        f"study {name!r} exists already in {label}; continue it with `archwright resume {name}`, "
        "or choose another name"
    )


def not_found(name: str, names: Iterable[str], label: str) -> StudyNotFoundError:
    """Return the error for a name that is not there."""
    known = list(names)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listing = ", ".join(known) if known else "none"
    return StudyNotFoundError(f"no study {name!r} in {label}{hint}; studies there: {listing}")


def unusable(label: str, process: int | None) -> StoreError:
    """Return the error for a store that is closed, or that came along in a fork."""
    if process is None:
        return StoreError(f"the store {label} is closed; open it again with open_store")
    return StoreError(
        f"the store {label} was opened in process {process} and cannot be used in its forked child "
        f"{os.getpid()}; open it there again with open_store"
    )


def nested(name: str) -> StoreError:
    """Return the error for a transaction inside a transaction."""
    return StoreError(
        f"study {name!r}: this thread is inside a transaction of this store already; "
        "leave that one first"
    )


def deleted(name: str, label: str) -> StudyNotFoundError:
    """Return the error for a study that was there when its record was read."""
    return StudyNotFoundError(f"study {name!r} was deleted from {label}; nothing can be written")
