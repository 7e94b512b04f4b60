from __future__ import annotations

from pathlib import Path

import pytest

from archwright.cli.values import (
    duration_seconds,
    existing_store,
    name_and_options,
    settings,
    shown_path,
    size_bytes,
    store_or_default,
    times,
)
from archwright.errors import ArchwrightError, StudyNotFoundError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5 h", 5400), ("2d", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text, "--max-time") == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-5s", "1w", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ArchwrightError, match=r"--max-time must look like 90s, 10m or 1\.5h; got"):
        duration_seconds(text, "--max-time")


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("500MB", 500_000_000), ("2GiB", 2**31), ("1.5k", 1500)]
)
def test_sizes(text: str, size: int) -> None:
    assert size_bytes(text, "--trial-memory") == size


def test_nothing_given_is_nothing() -> None:
    assert duration_seconds(None, "") is None
    assert size_bytes(None, "") is None


def test_settings_are_json_or_text() -> None:
    texts = ["a=1", "b=0.5", "c=true", "d=null", "e=[1, 2]", "f=adam", "g=x=y", "h="]
    assert settings(texts, "--recipe") == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": [1, 2], "f": "adam", "g": "x=y", "h": "",
    }  # fmt: skip
    with pytest.raises(ArchwrightError, match="--recipe must look like NAME=VALUE; got '=3'"):
        settings(["=3"], "--recipe")


def test_a_switch_is_true_or_false_in_either_spelling() -> None:
    texts = ["a=True", "b=False", "c=true", "d=TRUE"]
    assert settings(texts, "--option") == {"a": True, "b": False, "c": True, "d": "TRUE"}


def test_a_name_may_bring_options() -> None:
    assert name_and_options("ga", "--strategy") == ("ga", {})
    assert name_and_options("random:repeats=True", "--strategy") == ("random", {"repeats": True})
    assert name_and_options(" x:a=1, b=2.5,c=word,d=false", "--strategy") == (
        "x",
        {"a": 1, "b": 2.5, "c": "word", "d": False},
    )
    with pytest.raises(ArchwrightError, match=r"--proxy must look like NAME or .*; got 'x:a'"):
        name_and_options("x:a", "--proxy")


def test_the_store_is_named_or_in_the_environment_or_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert store_or_default(None) == "runs/archwright.db"
    monkeypatch.setenv("ARCHWRIGHT_STORE", "mine.db")
    assert store_or_default(None) == "mine.db"
    assert store_or_default("other.db") == "other.db"
    with pytest.raises(StudyNotFoundError, match=r"there is no store 'mine\.db'"):
        existing_store(None)
    (tmp_path / "mine.db").touch()
    assert existing_store(None) == "mine.db"
    assert existing_store("postgresql://host/db") == "postgresql://host/db"


def test_paths_are_shown_as_they_would_be_typed(tmp_path: Path) -> None:
    assert shown_path(tmp_path / "runs" / "x") == Path("runs/x")
    assert shown_path(Path("runs/x")) == Path("runs/x")
    assert shown_path(tmp_path.parent) == tmp_path.parent


def test_times() -> None:
    assert [times(n) for n in (1, 2)] == ["once", "2 times"]
