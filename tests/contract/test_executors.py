from __future__ import annotations

from pathlib import Path

import pytest

from archwright.run import EXECUTORS
from archwright.testing.executors import check_executor


@pytest.mark.parametrize("name", [entry.name for entry in EXECUTORS])
def test_executor_contract(name: str, tmp_path: Path) -> None:
    check_executor(name, tmp_path, workers=1 if name == "serial" else 2)
