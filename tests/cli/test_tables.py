from __future__ import annotations

import pytest

from archwright.cli.tables import print_rows


def test_brackets_in_values_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["architecture", "n"], [["stages=([depth=1 width=8], [depth=2])", 1200]])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["architecture", "n"]
    assert row.split("  ") == ["stages=([depth=1 width=8], [depth=2])", "1,200"]
