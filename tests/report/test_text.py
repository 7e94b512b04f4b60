"""Numbers, durations and names read well."""

from __future__ import annotations

import pytest

from archwright.report._text import (
    axis_label,
    duration,
    metric_text,
    number,
    shorten,
    unit,
    value_text,
)
from archwright.trial import Objective


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.98333, "0.9833"),
        (48210, "48,210"),
        (12345.6, "12,346"),
        (3.14159, "3.142"),
        (1.5e-7, "1.5e-07"),
        (-0.25, "-0.2500"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (1e20, "100,000,000,000,000,000,000"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0.9 s"),
        (1.0, "1.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 0 s"),
        (3599.9, "1 h 0 min"),
        (5e6, "57 d 20 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("val_accuracy", 1, "1.0000"),
        ("parameters", 48210.0, "48,210"),
        ("latency_ms", 0.12345, "0.123 ms"),
        ("latency_ms", 1234.5, "1,234 ms"),
        ("size_bytes", 1024.0, "1,024 bytes"),
        ("val_loss", 0.5, "0.5000"),
    ],
)
def test_metric_text(metric: str, value: float, text: str) -> None:
    assert metric_text(metric, value) == text


def test_shorten_keeps_both_ends_on_one_line() -> None:
    assert shorten("a\nb  c") == "a b c"
    text = shorten("x" * 50 + "end", 20)
    assert len(text) == 20
    assert text.startswith("xxx")
    assert text.endswith("end")


def test_value_text_of_nested_values() -> None:
    stages = ({"depth": 1, "residual": True}, {"depth": 2, "residual": False})
    assert value_text(stages) == "depth 1, residual yes | depth 2, residual no"
    assert value_text(()) == "empty"
    assert value_text(0.1) == "0.1"


def test_units_are_read_from_names() -> None:
    names = ["parameters", "latency_ms", "val_balanced_accuracy", "size_bytes", "val_loss"]
    assert [unit(name) for name in names] == ["count", "ms", "fraction", "bytes", ""]
    goal = Objective("val_loss", "min")
    assert axis_label("val_loss", goal) == "val_loss (lower is better)"
    assert axis_label("val_loss") == "val_loss"
