"""Benchmark tables: recorded evaluations of a whole search space, opened in milliseconds.

A `Table` is one memory-mapped file of typed columns. It answers which numbers are recorded for an
architecture, an epoch budget and a repeat, and says of each number its unit, direction and split.
`write_table` makes one of arrays, `load_benchmark` opens a published one, `Spent` keeps account.

    table = load_benchmark("nasbench101-mini")
    architecture = table.space.sample(rng=rng)
    measurement = table.query(architecture, epochs=36, repeat="drawn", rng=rng)
    accuracies = table.values("val_accuracy")  # of all rows, in the order of the file
    row, optimum = table.best("test_accuracy")
"""

from archwright.benchmark.catalog import BENCHMARKS, Benchmark, KnownFile, load_benchmark
from archwright.benchmark.columns import Column
from archwright.benchmark.converting import READERS, convert
from archwright.benchmark.importing import ALL_OTHERS, IN_ORDER, Imported, import_table
from archwright.benchmark.joining import join_tables
from archwright.benchmark.spent import Spent
from archwright.benchmark.table import Row, Table, open_table
from archwright.benchmark.writing import write_table

__all__ = [
    "ALL_OTHERS",
    "BENCHMARKS",
    "IN_ORDER",
    "READERS",
    "Benchmark",
    "Column",
    "Imported",
    "KnownFile",
    "Row",
    "Spent",
    "Table",
    "convert",
    "import_table",
    "join_tables",
    "load_benchmark",
    "open_table",
    "write_table",
]
