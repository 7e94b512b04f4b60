"""NAS-Bench-101 under the names of its authors' library, over a table.

A program written for that library runs after its import line has become

    from archwright.benchmark import nasbench as api

and `api.NASBench("nasbench_full.tfrecord")` or `api.NASBench("nasbench101-mini")` opens a table in
milliseconds. What is different, on purpose:

* Repeats are drawn from a generator of the object's own; `reference_rng=True` seeds and uses the
  global one of the module `random`, as the original does.
* A cell of too many vertices is outside the domain; the original crashes there.
* Hashes are iterated in ascending order; the original takes that of the file.
* A matrix of floats is one of integers, if its entries are 0 and 1; the original loses such cells.
* `query` takes `repeat`, and without `epochs` it asks for the longest training (108).

C. Ying, A. Klein, E. Christiansen, E. Real, K. Murphy, F. Hutter: NAS-Bench-101: towards
reproducible neural architecture search. ICML 2019. [Ying2019nasbench101]_
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

from archwright.benchmark._nasbench_spec import (
    ALLOWED_EDGES,
    ALLOWED_OPS,
    CONV1X1,
    CONV3X3,
    EDGE_SPOTS,
    INPUT,
    MAX_EDGES,
    MAXPOOL3X3,
    NUM_VERTICES,
    OP_SPOTS,
    OUTPUT,
    Config,
    ModelSpec,
)
from archwright.benchmark.catalog import BENCHMARKS, load_benchmark
from archwright.benchmark.spent import Spent
from archwright.benchmark.table import Table
from archwright.errors import BenchmarkError, OutOfDomainError
from archwright.space.catalog.nasbench101 import NASBench101

__all__ = [
    "ALLOWED_EDGES",
    "ALLOWED_OPS",
    "CONV1X1",
    "CONV3X3",
    "EDGE_SPOTS",
    "INPUT",
    "MAXPOOL3X3",
    "MAX_EDGES",
    "NUM_VERTICES",
    "OP_SPOTS",
    "OUTPUT",
    "Config",
    "ModelSpec",
    "NASBench",
    "OutOfDomainError",
    "UnknownHashError",
]

_METRICS = {
    "training_time": "training_seconds",
    "train_accuracy": "train_accuracy",
    "validation_accuracy": "val_accuracy",
    "test_accuracy": "test_accuracy",
}

Data = dict[str, Any]


class UnknownHashError(OutOfDomainError, KeyError):
    """No cell of the table has this hash."""

    __str__ = Exception.__str__  # that of KeyError shows the message in quotes


class NASBench:
    """The benchmark: which cells are in it, and what is recorded about them.

    Args:
        dataset_file: A table of NAS-Bench-101 cells, the path of one or of an official file, or
            the name of a benchmark ("nasbench101-mini").
        seed: Of the draws among repeats; from the operating system if None.
        reference_rng: Seed the global generator of the module `random` now, and draw from it.
        trainer: What `evaluate` calls: from a cell to training_time, train_accuracy,
            validation_accuracy and test_accuracy.

    Raises:
        BenchmarkError: If there is no such file, or it is a table of another space.
        FormatError: If the file is damaged.
    """

    def __init__(
        self,
        dataset_file: str | Path | Table,
        seed: int | None = None,
        *,
        reference_rng: bool = False,
        trainer: Callable[[ModelSpec], Mapping[str, float]] | None = None,
    ) -> None:
        self.table = _opened(dataset_file)
        if not isinstance(self.table.space, NASBench101):
            raise BenchmarkError(
                f"NASBench needs a table of the space 'nasbench101'; {self.table!r} is one of "
                f"{self.table.space.name!r}"
            )
        self._space: NASBench101 = self.table.space
        self._repeats = max(1, self.table.repeats)
        self._trainer = trainer
        if reference_rng:
            random.seed(seed)
        self._randint = random.randint if reference_rng else random.Random(seed).randint
        self._parameters = self.table.reader(("parameters",))
        self._readers: dict[tuple[int, int | str, bool], Callable[[int], tuple[float, ...]]] = {}
        self.config = replace(
            Config(),
            module_vertices=self._space.max_vertices,
            train_epochs=max(self.table.epochs),
            num_repeats=self._repeats,
        ).to_dict()
        self.valid_epochs = set(self.table.epochs)
        self.history: Data = {}
        self.spent = Spent()

    @property
    def training_time_spent(self) -> float:
        """Recorded training time of all queries since the last reset, in seconds."""
        return self.spent.seconds

    @property
    def total_epochs_spent(self) -> int:
        """Trained epochs of all queries since the last reset."""
        return self.spent.epochs

    @property
    def fixed_statistics(self) -> Mapping[str, Data]:
        """What does not depend on training, by hash; read from the table when asked for."""
        return _ByHash(self, self._fixed)

    @property
    def computed_statistics(self) -> Mapping[str, dict[int, list[Data]]]:
        """The trainings at each number of epochs, by hash; read from the table when asked for."""
        return _ByHash(self, self._computed)

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Return whether a cell is in the benchmark; costs nothing."""
        try:
            self._check_spec(model_spec)
        except OutOfDomainError:
            return False
        return True

    @overload
    def query(
        self,
        model_spec: ModelSpec,
        epochs: int | None = None,
        stop_halfway: bool = False,
        *,
        repeat: Literal["all"],
    ) -> list[Data]: ...
    @overload
    def query(
        self,
        model_spec: ModelSpec,
        epochs: int | None = None,
        stop_halfway: bool = False,
        *,
        repeat: int | Literal["drawn", "mean"] = "drawn",
    ) -> Data: ...
    def query(
        self,
        model_spec: ModelSpec,
        epochs: int | None = None,
        stop_halfway: bool = False,
        *,
        repeat: int | str = "drawn",
    ) -> Data | list[Data]:
        """Return what is recorded about a cell, and count its cost.

        Args:
            model_spec: The cell.
            epochs: The budget, one of `valid_epochs`; the longest if None.
            stop_halfway: Values after half of the epochs; half of them are counted.
            repeat: "drawn" for a random training, the number of one, "mean", or "all" for a list
                of them; each one of the list is counted.

        Returns:
            module_adjacency and module_operations (of the published form of the cell, whose
            vertices may be in another order), trainable_parameters, training_time (seconds),
            train_accuracy, validation_accuracy and test_accuracy (fractions).

        Raises:
            OutOfDomainError: If the cell or the number of epochs is not in the benchmark.
            BenchmarkError: If there is no such repeat, or nothing was recorded halfway.
        """
        budget = self.config["train_epochs"] if epochs is None else epochs
        if budget not in self.valid_epochs:
            raise OutOfDomainError(
                f"epochs must be one of {', '.join(map(str, sorted(self.valid_epochs)))}; "
                f"got {epochs!r}"
            )
        row = self._row(model_spec)
        if repeat == "drawn":
            repeat = self._randint(0, self._repeats - 1)
        chosen = range(self._repeats) if repeat == "all" else [repeat]
        answers = [self._answer(row, budget, one, stop_halfway) for one in chosen]
        for answer in answers:
            self.spent.seconds += answer["training_time"]
            self.spent.epochs += budget // 2 if stop_halfway else budget
            self.spent.queries += 1
        return answers if repeat == "all" else answers[0]

    def get_budget_counters(self) -> tuple[float, int]:
        """Return training time in seconds, and epochs, of all queries since the last reset."""
        return self.spent.seconds, self.spent.epochs

    def reset_budget_counters(self) -> None:
        """Start counting from nothing."""
        self.spent.reset()

    def hash_iterator(self) -> Iterator[str]:
        """Iterate over the hashes of all cells, in ascending order."""
        return iter(self.table.hashes()[0])

    def get_metrics_from_hash(self, module_hash: str) -> tuple[Data, dict[int, list[Data]]]:
        """Return copies of all that is recorded about a cell; costs nothing.

        Returns:
            module_adjacency, module_operations and trainable_parameters; and, by epochs, a list
            of the trainings, each with halfway_ and final_ training_time, train_accuracy,
            validation_accuracy and test_accuracy.

        Raises:
            UnknownHashError: If no cell has this hash; it is a KeyError.
        """
        row = self._row_of_hash(module_hash)
        return self._fixed(row), self._computed(row)

    def get_metrics_from_spec(self, model_spec: ModelSpec) -> tuple[Data, dict[int, list[Data]]]:
        """Return the same for a cell.

        Raises:
            OutOfDomainError: If the cell is not in the benchmark.
        """
        row = self._row(model_spec)
        return self._fixed(row), self._computed(row)

    def evaluate(self, model_spec: ModelSpec, model_dir: str | None = None) -> Data:
        """Train a cell, which need not be in the benchmark, with the trainer of the constructor.

        Args:
            model_spec: The cell.
            model_dir: Kept for the original's sake; not used.

        Raises:
            BenchmarkError: If the object was made without a trainer.
        """
        del model_dir
        if self._trainer is None:
            raise BenchmarkError(
                "evaluate trains a network, and a table has none: make NASBench with "
                "trainer=, or train cells with: archwright benchmark build nasbench101 DATA"
            )
        measured = self._trainer(model_spec)
        return {
            "module_adjacency": model_spec.matrix,
            "module_operations": model_spec.ops,
            **{name: measured[name] for name in _METRICS},
        }

    def _check_spec(self, model_spec: ModelSpec) -> None:
        """Check that a cell is in the domain.

        Raises:
            OutOfDomainError: If not; says the first rule that it breaks.
        """
        matrix, ops = model_spec.matrix, model_spec.ops
        if matrix is None or ops is None:
            raise OutOfDomainError("the cell is disconnected: no path from its input to its output")
        for things, most, got in (
            ("vertices", self.config["module_vertices"], len(ops)),
            ("edges", self.config["max_edges"], int(matrix.sum())),
        ):
            if got > most:
                raise OutOfDomainError(
                    f"too many {things}: at most {most} after pruning; got {got}"
                )
        if ops[0] != INPUT:
            raise OutOfDomainError(f"the first operation must be {INPUT!r}; got {ops[0]!r}")
        if ops[-1] != OUTPUT:
            raise OutOfDomainError(f"the last operation must be {OUTPUT!r}; got {ops[-1]!r}")
        available = self.config["available_ops"]
        for operation in ops[1:-1]:
            if operation not in available:
                raise OutOfDomainError(
                    f"unsupported operation {operation!r}; available are: {', '.join(available)}"
                )

    def _row(self, model_spec: ModelSpec) -> int:
        self._check_spec(model_spec)
        assert model_spec.ops is not None  # it was checked
        return self.table.row(self._space.of_cell(model_spec.matrix, model_spec.ops))

    def _row_of_hash(self, module_hash: str) -> int:
        try:
            return self.table.row(module_hash)
        except OutOfDomainError as error:
            raise UnknownHashError(str(error)) from error

    def _fixed(self, row: int) -> Data:
        cell = self._space.cell(self.table.architecture(row))
        (parameters,) = self._parameters(row)
        return {
            "module_adjacency": cell.matrix.copy(),
            "module_operations": list(cell.ops),
            "trainable_parameters": int(parameters),
        }

    def _computed(self, row: int) -> dict[int, list[Data]]:
        moments = {"halfway": True, "final": False} if self._has_halfway() else {"final": False}
        return {
            epochs: [
                {
                    f"{moment}_{name}": value
                    for moment, halfway in moments.items()
                    for name, value in self._trained(row, epochs, repeat, halfway).items()
                }
                for repeat in range(self._repeats)
            ]
            for epochs in sorted(self.valid_epochs)
        }

    def _has_halfway(self) -> bool:
        return any(column.moment == "halfway" for column in self.table.columns)

    def _answer(self, row: int, epochs: int, repeat: int | str, halfway: bool) -> Data:
        return {**self._fixed(row), **self._trained(row, epochs, repeat, halfway)}

    def _trained(self, row: int, epochs: int, repeat: int | str, halfway: bool) -> Data:
        read = self._readers.get((epochs, repeat, halfway))
        if read is None:
            read = self.table.reader(
                tuple(_METRICS.values()), epochs=epochs, repeat=repeat, halfway=halfway
            )
            self._readers[epochs, repeat, halfway] = read
        return dict(zip(_METRICS, read(row), strict=True))


class _ByHash(Mapping[str, Any]):
    """A view of the table by hash; every look-up makes a fresh copy."""

    def __init__(self, bench: NASBench, read: Callable[[int], Any]) -> None:
        self._bench = bench
        self._read = read

    def __getitem__(self, module_hash: str) -> Any:
        return self._read(self._bench._row_of_hash(module_hash))

    def __iter__(self) -> Iterator[str]:
        return self._bench.hash_iterator()

    def __len__(self) -> int:
        return len(self._bench.table)


def _opened(source: str | Path | Table) -> Table:
    if isinstance(source, Table):
        return source
    if isinstance(source, str) and source in BENCHMARKS and not Path(source).exists():
        return load_benchmark(source)
    return load_benchmark("nasbench101", source)
