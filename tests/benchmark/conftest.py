from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.space import Choice, Space, space_named
from archwright.testing.benchmarks import synthetic_table


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Return made-up numbers for all cells of NAS-Bench-201; four budgets, three repeats."""
    path = tmp_path_factory.mktemp("tables") / "cells.table"
    return synthetic_table(space_named("nasbench201"), path)


@pytest.fixture
def toy() -> Space:
    return Space(a=Choice("x", "y", "z"), b=Choice(1, 2), name="toy")


MakeTable = Callable[..., Table]


@pytest.fixture
def make_table(toy: Space, tmp_path: Path) -> MakeTable:
    """Return a function that writes the six architectures of `toy` with the given columns."""

    def make(*columns: tuple[Column, object], rows: int = 6, **options: object) -> Table:
        codes = np.array([architecture.codes for architecture in toy.enumerate()])[:rows]
        exact = [(column, np.asarray(values)) for column, values in columns]
        path = write_table(tmp_path / "toy.table", toy, codes, exact, name="toy", **options)
        return open_table(path)

    return make
