"""What every benchmark table must hold, and a table of made-up numbers for tests.

table = synthetic_table(space_named("nasbench201"), tmp_path / "toy.table", rows=500)
check_table(table)
"""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from archwright.benchmark import Column, Row, Table, open_table, write_table
from archwright.errors import BenchmarkError, OutOfDomainError, UnknownNameError
from archwright.space import Choice, Space
from archwright.trial import MetricInfo

__all__ = ["check_table", "synthetic_columns", "synthetic_table"]

_CHECKED = 30  # rows that are looked at one by one
_SPLITS = ("train", "val", "test")


def synthetic_table(
    space: Space,
    path: str | Path,
    *,
    seed: int = 0,
    rows: int | None = None,
    epochs: Sequence[int] = (4, 12, 36, 108),
    repeats: int = 3,
    name: str = "synthetic",
) -> Table:
    """Write a table of made-up numbers with halfway values, and open it.

    Accuracies are fractions and grow with the epochs; the repeats differ; training takes
    longer for more epochs; float32 holds all of it. `parameters` depends on the architecture only.

    Args:
        space: The space; all of it is in the table, in its order of enumeration.
        path: The file.
        seed: Root of all numbers.
        rows: Take the first so many architectures only.
        epochs: Budgets.
        repeats: Trainings of each.
        name: The benchmark's name.
    """
    listed = itertools.islice(space.enumerate(), rows)
    codes = np.array([architecture.codes for architecture in listed])
    columns = synthetic_columns(len(codes), seed=seed, epochs=epochs, repeats=repeats)
    write_table(path, space, codes, columns, name=name, provenance={"card": "made up"})
    return open_table(path)


def synthetic_columns(
    rows: int, *, seed: int = 0, epochs: Sequence[int] = (4, 12, 36, 108), repeats: int = 3
) -> list[tuple[Column, np.ndarray]]:
    """Return the columns of `synthetic_table` for a number of rows."""
    rng = np.random.default_rng(seed)
    grid = np.array(epochs, dtype=np.float64)
    trained = partial(Column, epochs=tuple(epochs), repeats=repeats)
    columns: list[tuple[Column, np.ndarray]] = [
        (Column("parameters", "count", "min"), rng.integers(10**5, 10**8, rows))
    ]
    speed = rng.uniform(0.5, 3.0, (rows, 1, 1))  # seconds of an epoch
    quality = rng.beta(8, 2, (rows, 1, 1))
    for moment, part in (("final", 1.0), ("halfway", 0.5)):
        done = (part * grid)[None, :, None]
        noise = rng.normal(0, 0.01, (rows, len(grid), repeats))
        learnt = quality * (1 - np.exp(-done / 12)) + noise
        for place, split in enumerate(_SPLITS):
            column = trained(f"{split}_accuracy", "fraction", "max", split, moment=moment)
            values = np.clip(learnt - 0.02 * place, 0, 1).astype(np.float32)
            columns.append((column, values.astype(np.float64)))
        column = trained("training_seconds", "seconds", "min", moment=moment)
        seconds = (speed * done * rng.uniform(0.98, 1.02, noise.shape)).astype(np.float32)
        columns.append((column, seconds.astype(np.float64)))
    return columns


def check_table(table: Table) -> None:
    """Check the whole contract of a table, on each of its datasets.

    Raises:
        AssertionError: If it breaks one of its promises.
    """
    table.verify()
    assert len(table) == len(table.codes) > 0
    assert table.name
    assert len(set(table.datasets)) == len(table.datasets)
    rng = np.random.default_rng(0)
    rows = sorted({0, len(table) - 1, *rng.integers(len(table), size=_CHECKED).tolist()})
    _check_names(table, rows)
    for dataset in table.datasets or ("",):
        view = table.with_dataset(dataset) if dataset else table
        assert view.dataset == dataset
        _check_metrics(view.metrics)
        for info in view.metrics:
            _check_values(view, info, rows)
        _check_queries(view, rows, rng)
        _check_refusals(view)
    _check_equal(table, pickle.loads(pickle.dumps(table)))


def _check_names(table: Table, rows: Sequence[int]) -> None:
    """Every way to name an architecture leads to its row, and codes are valid and canonical."""
    space = table.space
    assert np.array_equal(table.rows_of(table.codes), np.arange(len(table)))
    for row in rows:
        architecture = table.architecture(row)
        space.validate(architecture)
        assert space.from_codes(architecture.codes) == architecture
        names: list[Row] = [architecture, architecture.key, space.format(architecture), row]
        published = getattr(space, "hash", lambda _: None)(architecture)
        if isinstance(published, str):
            names.append(published)
        assert [table.row(name) for name in names] == [row] * len(names)


def _check_metrics(metrics: Sequence[MetricInfo]) -> None:
    names = [info.name for info in metrics]
    assert names
    assert len(set(names)) == len(names)
    for info in metrics:
        first = info.name.partition("_")[0]
        assert info.direction in ("max", "min")
        assert info.unit, f"{info.name} has no unit"
        assert first not in _SPLITS or info.split == first, f"{info.name} is of {info.split!r}"


def _check_values(table: Table, info: MetricInfo, rows: Sequence[int]) -> None:
    """The batch query and the single ones give the same floats; the optimum is the best one."""
    for epochs in _budgets(table, info.name):
        values = table.values(info.name, epochs=epochs)
        assert values.shape == (len(table),)
        assert values.dtype == np.float64
        some = table.values(info.name, rows, epochs=epochs)
        assert np.array_equal(some, values[rows], equal_nan=True)
        each = table.values(info.name, rows, epochs=epochs, repeat="all")
        mean = [_mean(row[~np.isnan(row)].tolist()) for row in each]
        assert np.array_equal(some, mean, equal_nan=True)
        read = table.reader([info.name], epochs=epochs)
        for row, value in zip(rows, some.tolist(), strict=True):
            if math.isfinite(value):
                assert read(row) == read(table.architecture(row)) == (value,)
            else:
                with _refused(BenchmarkError):
                    read(row)
        _check_unit(info, values)
        if not np.isnan(values).all():
            row, best = table.best(info.name, epochs=epochs)
            assert best == (np.nanmax(values) if info.direction == "max" else np.nanmin(values))
            assert row == int(np.flatnonzero(values == best)[0])
        values[:] = -1.0  # a copy: the table does not notice
        assert np.array_equal(table.values(info.name, rows, epochs=epochs), some, equal_nan=True)


def _budgets(table: Table, metric: str) -> Sequence[int | None]:
    found = [
        column.epochs
        for column in table.columns
        if column.name == metric and column.dataset in (table.dataset, "")
    ]
    own = next((epochs for epochs in found if epochs), ())
    return own or (None,)


def _mean(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else math.nan


def _check_unit(info: MetricInfo, values: np.ndarray) -> None:
    known = values[~np.isnan(values)]
    highest = {"fraction": 1.0, "percent": 100.0}.get(info.unit, math.inf)
    if info.name.endswith("accuracy"):
        assert info.unit in ("fraction", "percent"), f"{info.name} is in {info.unit}"
        assert info.direction == "max"
        assert ((known >= 0) & (known <= highest)).all(), f"{info.name} is not in {info.unit}"
    if info.unit in ("seconds", "count"):
        assert (known >= 0).all(), f"{info.name} is negative"


def _check_queries(table: Table, rows: Sequence[int], rng: np.random.Generator) -> None:
    names = {info.name for info in table.metrics}
    for row in rows:
        for epochs in table.epochs or (None,):
            try:
                mean = table.query(row, epochs=epochs)
            except BenchmarkError:
                continue  # nothing recorded
            assert set(mean.metrics) <= names
            assert mean.non_finite() is None
            assert mean.step == (epochs or 0)
            cost = table.cost_metric
            assert mean.cost_seconds == (mean.metrics.get(cost, 0.0) if cost else 0.0)
            for name, value in mean.metrics.items():
                assert value == table.reader([name], epochs=epochs)(row)[0]
            if table.repeats:
                each = table.query(row, epochs=epochs, repeat="all")
                assert 1 <= len(each) <= table.repeats
                assert table.query(row, epochs=epochs, repeat="drawn", rng=rng) in each


def _check_refusals(table: Table) -> None:
    wrong = 1 + max(table.epochs, default=0)
    with _refused(UnknownNameError, "no_such_metric"):
        table.values("no_such_metric")
    with _refused(BenchmarkError, f"no values of {wrong} epochs"):
        table.query(0, epochs=wrong)
    with _refused(OutOfDomainError, "rows of table"):
        table.row(len(table))
    foreign = Space(choice=Choice("a", "b"), name="of no table").sample(
        rng=np.random.default_rng(0)
    )
    with _refused(OutOfDomainError, "another space"):
        table.row(foreign)


def _check_equal(table: Table, other: Table) -> None:
    assert other.sha256 == table.sha256
    assert other.dataset == table.dataset
    name = table.metrics[0].name
    assert np.array_equal(table.values(name), other.values(name), equal_nan=True)


@contextmanager
def _refused(kind: type[Exception], part: str = "") -> Iterator[None]:
    """Check that the block raises this very kind of error, whose message holds the part."""
    message = None
    try:
        yield
    except kind as error:
        message = str(error)
    assert message is not None, f"nothing was raised; expected {kind.__name__}"
    assert part in message, f"{part!r} is not in {message!r}"
