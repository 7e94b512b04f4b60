from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.cli import main

COMMAND = [sys.executable, "-c", "import sys; from archwright.cli import main; sys.exit(main())"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHWRIGHT_STORE", raising=False)


@pytest.fixture
def command() -> list[str]:
    """Return what starts the command line in another process."""
    return COMMAND


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command and returns exit code, output and errors."""

    def runner(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runner
