"""Numbers, durations and names as a reader wants them; shared by tables, figures and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from archwright.trial import Objective

__all__ = [
    "axis_label",
    "duration",
    "metric_text",
    "moment",
    "number",
    "shorten",
    "unit",
    "value_text",
]

_COUNTS = ("parameters", "macs", "flops")
_UNITS = {"_ms": "ms", "_seconds": "s", "_bytes": "bytes"}
_FRACTIONS = ("accuracy", "f1_macro", "auc")


def number(value: float) -> str:
    """Return a number with thousands separators and at most four significant decimals.

    Example:
        >>> number(48210), number(0.98333), number(12.0), number(1.5e-7)
        ('48,210', '0.9833', '12', '1.5e-07')
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) < 1e-3 or abs(value) >= 1 else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Return a span of time in the two units that matter.

    Example:
        >>> duration(0.25), duration(83.2), duration(7260)
        ('0.25 s', '1 min 23 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours < 48:
        return f"{hours:,} h {minutes} min"
    return f"{hours // 24:,} d {hours % 24} h"


def moment(at: float) -> str:
    """Return a time given in seconds since the epoch as a UTC date and time.

    Example:
        >>> moment(0)
        '1970-01-01 00:00:00 UTC'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def shorten(text: object, length: int = 28) -> str:
    """Cut the middle out of a text that is too long, on one line.

    Example:
        >>> shorten("a_very_long_decision_name", 11)
        'a_ver…_name'
    """
    line = " ".join(str(text).split())
    if len(line) <= length:
        return line
    tail = (length - 1) // 2
    return f"{line[: length - 1 - tail]}…{line[len(line) - tail :]}"


def value_text(value: Any) -> str:
    """Return one decision's value, or a nest of them, as short text.

    Example:
        >>> value_text((120, 80)), value_text({"depth": 2, "kernel": 3}), value_text(None)
        ('120 · 80', 'depth 2, kernel 3', 'none')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(part)}" for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        nested = any(isinstance(part, Mapping) for part in value)
        return (" | " if nested else " · ").join(value_text(part) for part in value) or "empty"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return number(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def unit(metric: str) -> str:
    """Return the unit that a metric's name states, or nothing."""
    if metric in _COUNTS:
        return "count"
    if metric.endswith(_FRACTIONS):
        return "fraction"
    return next((unit for ending, unit in _UNITS.items() if metric.endswith(ending)), "")


def metric_text(metric: str, value: float) -> str:
    """Return a metric's value as its name wants it: fractions alike, times with their unit.

    Example:
        >>> metric_text("val_accuracy", 1.0), metric_text("latency_ms", 0.12345)
        ('1.0000', '0.123 ms')
    """
    if unit(metric) == "fraction":
        return f"{value:.4f}"
    suffix = unit(metric).replace("count", "")
    text = f"{value:.3g}" if suffix == "ms" and abs(value) < 100 else number(value)
    return f"{text} {suffix}".rstrip()


def axis_label(metric: str, objective: Objective | None = None) -> str:
    """Return a metric's name with its unit and, for an objective, which way is better."""
    notes = [unit(metric)] if unit(metric) else []
    if objective is not None:
        notes.append("higher is better" if objective.direction == "max" else "lower is better")
    name = shorten(metric, 32)
    return f"{name} ({', '.join(notes)})" if notes else name
