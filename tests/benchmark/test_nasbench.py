from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Table, nasbench, write_table
from archwright.benchmark.nasbench import (
    ALLOWED_OPS,
    CONV1X1,
    CONV3X3,
    INPUT,
    MAXPOOL3X3,
    OUTPUT,
    ModelSpec,
    NASBench,
)
from archwright.errors import BenchmarkError, OutOfDomainError, SpaceError
from archwright.space import space_named
from archwright.testing.benchmarks import synthetic_columns, synthetic_table


def matrix(*rows: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in rows])


CHAIN = ModelSpec(matrix("010", "001", "000"), [INPUT, CONV3X3, OUTPUT])
RESNET = ModelSpec(matrix("0101", "0010", "0001", "0000"), [INPUT, CONV3X3, CONV3X3, OUTPUT])
INCEPTION = ModelSpec(
    matrix("0111010", "0000001", "0000001", "0000100", "0000001", "0000001", "0000000"),
    [INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT],
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Return made-up numbers for all cells of up to five vertices."""
    path = tmp_path_factory.mktemp("nasbench") / "cells.table"
    return synthetic_table(space_named("nasbench101", max_vertices=5), path)


@pytest.fixture
def bench(table: Table) -> NASBench:
    return NASBench(table, seed=0)


def test_constants() -> None:
    assert (nasbench.NUM_VERTICES, nasbench.MAX_EDGES) == (7, 9)
    assert (nasbench.EDGE_SPOTS, nasbench.OP_SPOTS) == (21, 5)
    assert nasbench.ALLOWED_OPS == ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    assert nasbench.ALLOWED_EDGES == [0, 1]
    assert (
        "input",
        "output",
        *nasbench.ALLOWED_OPS,
    ) == (INPUT, OUTPUT, CONV3X3, CONV1X1, MAXPOOL3X3)


def test_config_has_the_published_defaults(bench: NASBench) -> None:
    published = nasbench.Config().to_dict()
    assert published["module_vertices"] == 7
    assert published["available_ops"] == ALLOWED_OPS
    assert published["learning_rate"] == 0.1
    assert published["intermediate_evaluations"] == ["0.5"]
    assert len(published) == 21
    assert bench.config == published | {"module_vertices": 5}
    assert bench.valid_epochs == {4, 12, 36, 108}
    assert bench.history == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CHAIN, "b49ac8c578b4561d79ac7087988f1c61"),
        (RESNET, "b5fb4f6193360330b6ff6a52cbf0cad7"),
        (INCEPTION, "28cfc7874f6d200472e1a9dcd8650aa0"),
        (
            ModelSpec(matrix("0110", "0000", "0001", "0000"), [INPUT, CONV3X3, CONV1X1, OUTPUT]),
            "d1269d9156ddc027c40473008192958a",
        ),
        (ModelSpec(matrix("01", "00"), [INPUT, OUTPUT]), "043721b9c7fe8c5fad811d47d83132ec"),
    ],
)
def test_published_hashes(spec: ModelSpec, expected: str) -> None:
    assert spec.hash_spec(ALLOWED_OPS) == expected


@pytest.mark.parametrize(
    ("rows", "vertices"),
    [
        (("0110", "0000", "0001", "0000"), 3),
        (("0010", "0001", "0001", "0000"), 3),
        (("0100", "0000", "0001", "0000"), None),
        (("0",), None),
    ],
)
def test_pruning_examples(rows: tuple[str, ...], vertices: int | None) -> None:
    ops = ["input", "a", "b", "output"][: len(rows)]
    spec = ModelSpec(matrix(*rows), ops)
    assert spec.valid_spec == (vertices is not None)
    assert (spec.matrix is None) == (spec.ops is None) == (vertices is None)
    if spec.matrix is not None:
        assert spec.matrix.shape == (vertices, vertices)
        assert len(spec.ops or ()) == vertices
    assert np.array_equal(spec.original_matrix, matrix(*rows))
    assert spec.original_ops == ops


def test_spec_takes_copies() -> None:
    given, ops = matrix("010", "001", "000"), [INPUT, CONV3X3, OUTPUT]
    spec = ModelSpec(given, ops)
    given[0, 2], ops[1] = 1, MAXPOOL3X3
    assert spec.original_matrix[0, 2] == 0
    assert spec.original_ops[1] == CONV3X3


@pytest.mark.parametrize("kind", [np.int8, np.int64, bool, np.float32, np.float64, list])
def test_any_type_of_matrix_has_the_same_hash(kind: type) -> None:
    rows = matrix("010", "001", "000")
    spec = ModelSpec(
        rows.tolist() if kind is list else rows.astype(kind), np.array([INPUT, CONV3X3, OUTPUT])
    )
    assert spec.hash_spec(ALLOWED_OPS) == "b49ac8c578b4561d79ac7087988f1c61"


@pytest.mark.parametrize(
    ("rows", "ops", "message"),
    [
        ([[0, 1]], [INPUT, OUTPUT], "must be square"),
        (matrix("01", "00"), [INPUT], "length of ops must be 2; got 1"),
        (matrix("01", "10"), [INPUT, OUTPUT], "must be upper triangular"),
        (matrix("1"), [INPUT], "must be upper triangular"),
        (matrix("02", "00"), [INPUT, OUTPUT], "must be 0 or 1; got 2"),
    ],
)
def test_what_is_no_cell_is_refused(rows: object, ops: list[str], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        ModelSpec(rows, ops)
    with pytest.raises(ValueError, match=message):  # as the original says
        ModelSpec(rows, ops)


def test_hash_of_what_has_none() -> None:
    with pytest.raises(SpaceError, match=r"without a path .* has no hash"):
        ModelSpec(matrix("00", "00"), [INPUT, OUTPUT]).hash_spec(ALLOWED_OPS)
    with pytest.raises(SpaceError, match="must be of conv1x1-bn-relu; got 'conv3x3-bn-relu'"):
        CHAIN.hash_spec([CONV1X1])


def test_visualize_is_a_graph_in_text() -> None:
    assert CHAIN.visualize().splitlines() == [
        "digraph {",
        '  0 [label="input"];',
        '  1 [label="conv3x3-bn-relu"];',
        '  2 [label="output"];',
        "  0 -> 1;",
        "  1 -> 2;",
        "}",
    ]
    assert "ModelSpec([[0, 1, 0]" in repr(CHAIN)


def chain(vertices: int) -> ModelSpec:
    return ModelSpec(np.eye(vertices, k=1), [INPUT, *[CONV1X1] * (vertices - 2), OUTPUT])


FULL = np.triu(np.ones((5, 5), int), 1)  # ten edges
OUTSIDE = [
    (ModelSpec(matrix("00", "00"), [INPUT, OUTPUT]), "disconnected"),
    (chain(8), "too many vertices: at most 5 after pruning; got 8"),
    (
        ModelSpec(FULL, [INPUT, CONV1X1, CONV1X1, CONV1X1, OUTPUT]),
        "too many edges: at most 9 after pruning; got 10",
    ),
    (ModelSpec(matrix("01", "00"), [OUTPUT, OUTPUT]), "first operation must be 'input'"),
    (ModelSpec(matrix("01", "00"), [INPUT, INPUT]), "last operation must be 'output'"),
    (
        ModelSpec(matrix("010", "001", "000"), [INPUT, "conv5x5", OUTPUT]),
        "unsupported operation 'conv5x5'; available are: conv3x3-bn-relu, conv1x1",
    ),
    # Of two faults the first one is told.
    (ModelSpec(np.triu(np.ones((8, 8)), 1), ["x"] * 8), "too many vertices"),
    (ModelSpec(FULL, ["x"] * 5), "too many edges"),
    (ModelSpec(matrix("010", "001", "000"), ["x", "y", "z"]), "first operation"),
]


@pytest.mark.parametrize(("spec", "message"), OUTSIDE)
def test_outside_the_domain(bench: NASBench, spec: ModelSpec, message: str) -> None:
    assert not bench.is_valid(spec)
    for ask in (bench.query, bench.get_metrics_from_spec):
        with pytest.raises(OutOfDomainError, match=message):
            ask(spec)
    assert bench.get_budget_counters() == (0.0, 0)


@pytest.mark.parametrize("epochs", [50, 0, "108"])
def test_epochs_outside_the_domain(bench: NASBench, epochs: int) -> None:
    with pytest.raises(OutOfDomainError, match="must be one of 4, 12, 36, 108; got"):
        bench.query(CHAIN, epochs=epochs)
    assert bench.get_budget_counters() == (0.0, 0)


def test_query_has_the_published_shape(bench: NASBench) -> None:
    assert bench.is_valid(RESNET)
    answer = bench.query(RESNET)
    assert list(answer) == [
        "module_adjacency",
        "module_operations",
        "trainable_parameters",
        "training_time",
        "train_accuracy",
        "validation_accuracy",
        "test_accuracy",
    ]
    assert answer["module_adjacency"].dtype == np.int8
    assert answer["module_operations"][0] == INPUT
    assert isinstance(answer["trainable_parameters"], int)
    row = bench.table.row(RESNET.hash_spec(ALLOWED_OPS))
    every = bench.table.values("val_accuracy", [row], repeat="all")[0].tolist()
    assert answer["validation_accuracy"] in every
    again = ModelSpec(answer["module_adjacency"], answer["module_operations"])
    assert again.hash_spec(ALLOWED_OPS) == RESNET.hash_spec(ALLOWED_OPS)


def test_counters_count_final_and_halfway_queries(bench: NASBench) -> None:
    final = bench.query(CHAIN, epochs=108)
    halfway = bench.query(CHAIN, epochs=36, stop_halfway=True)
    seconds = final["training_time"] + halfway["training_time"]
    assert bench.get_budget_counters() == (seconds, 126)
    assert (bench.training_time_spent, bench.total_epochs_spent) == (seconds, 126)
    assert bench.spent.queries == 2
    bench.get_metrics_from_spec(CHAIN)
    bench.is_valid(CHAIN)
    assert bench.get_budget_counters() == (seconds, 126)
    bench.reset_budget_counters()
    assert bench.get_budget_counters() == (0.0, 0)


@pytest.mark.parametrize(("epochs", "counted"), [(4, 2), (12, 6), (36, 18), (108, 54)])
def test_halfway_counts_half_of_the_epochs(bench: NASBench, epochs: int, counted: int) -> None:
    bench.query(CHAIN, epochs, True)
    assert bench.total_epochs_spent == counted


def test_repeats_may_be_chosen(bench: NASBench) -> None:
    every = bench.query(CHAIN, 36, repeat="all")
    assert bench.total_epochs_spent == 3 * 36
    for number, answer in enumerate(every):
        one = bench.query(CHAIN, 36, repeat=number)
        assert {k: v for k, v in one.items() if k != "module_adjacency"} == {
            k: v for k, v in answer.items() if k != "module_adjacency"
        }
    mean = bench.query(CHAIN, 36, repeat="mean")
    for name in ("training_time", "validation_accuracy"):
        assert mean[name] == pytest.approx(np.mean([answer[name] for answer in every]))
    times = [answer["training_time"] for answer in every]
    assert bench.training_time_spent == pytest.approx(2 * sum(times) + mean["training_time"])
    with pytest.raises(BenchmarkError, match="from 0 to 2; got 3"):
        bench.query(CHAIN, repeat=3)


def drawn(bench: NASBench, queries: int = 20) -> list[float]:
    return [bench.query(CHAIN)["validation_accuracy"] for _ in range(queries)]


def test_draws_belong_to_the_object(table: Table) -> None:
    random.seed(5)
    state = random.getstate()
    first, second = drawn(NASBench(table, seed=3)), drawn(NASBench(table, seed=3))
    assert random.getstate() == state
    assert first == second
    assert len(set(first)) == 3
    assert drawn(NASBench(table, seed=4)) != first


def test_reference_rng_is_the_global_one(table: Table) -> None:
    bench = NASBench(table, seed=3, reference_rng=True)
    every = [bench.query(CHAIN, repeat=i)["validation_accuracy"] for i in range(3)]
    values = drawn(bench)
    random.seed(3)
    assert values == [every[random.randint(0, 2)] for _ in range(20)]


def test_statistics_by_hash_are_copies(bench: NASBench) -> None:
    hashes = list(bench.hash_iterator())
    assert hashes == sorted(hashes)
    assert len(set(hashes)) == len(bench.fixed_statistics) == 2532
    assert list(bench.computed_statistics) == hashes
    fixed, computed = bench.get_metrics_from_hash(RESNET.hash_spec(ALLOWED_OPS))
    assert list(fixed) == ["module_adjacency", "module_operations", "trainable_parameters"]
    assert {epochs: len(repeats) for epochs, repeats in computed.items()} == dict.fromkeys(
        (4, 12, 36, 108), 3
    )
    assert set(computed[4][0]) == {
        f"{moment}_{name}"
        for moment in ("halfway", "final")
        for name in ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    }
    by_spec = bench.get_metrics_from_spec(RESNET)
    assert by_spec[1] == computed == bench.computed_statistics[RESNET.hash_spec(ALLOWED_OPS)]
    fixed["module_adjacency"][:] = 7
    computed[4][0].clear()
    again = bench.get_metrics_from_hash(RESNET.hash_spec(ALLOWED_OPS))
    assert again[0]["module_adjacency"].max() == 1
    assert len(again[1][4][0]) == 8
    assert (
        bench.query(RESNET, 4, repeat=0)["test_accuracy"] == again[1][4][0]["final_test_accuracy"]
    )


@pytest.mark.parametrize("text", ["0" * 32, "no hash at all", "00"])
def test_unknown_hash_is_a_key_error(bench: NASBench, text: str) -> None:
    for error in (KeyError, OutOfDomainError):
        with pytest.raises(error, match=r"^(no architecture of|table) "):
            bench.get_metrics_from_hash(text)
    with pytest.raises(KeyError):
        bench.fixed_statistics[text]


def test_whole_space_of_seven_vertices(tmp_path: Path) -> None:
    space = space_named("nasbench101")
    best = ModelSpec(
        matrix("0110011", "0000010", "0001000", "0000100", "0000010", "0000001", "0000000"),
        [INPUT, CONV1X1, CONV3X3, MAXPOOL3X3, CONV3X3, CONV3X3, OUTPUT],
    )
    specs = [CHAIN, RESNET, INCEPTION, best]
    codes = [space.of_cell(spec.original_matrix, spec.original_ops).codes for spec in specs]
    path = tmp_path / "four.table"
    write_table(path, space, np.array(codes), synthetic_columns(4), name="four")
    bench = NASBench(str(path))
    assert set(bench.hash_iterator()) == {spec.hash_spec(ALLOWED_OPS) for spec in specs}
    answer = bench.query(INCEPTION)
    rows = ["".join(map(str, row)) for row in answer["module_adjacency"].tolist()]
    assert rows == ["0111100", "0000001", "0000001", "0000001", "0000010", "0000001", "0000000"]
    assert answer["module_operations"][1:-1] == [CONV3X3, CONV1X1, MAXPOOL3X3, CONV3X3, CONV3X3]
    with pytest.raises(OutOfDomainError, match=r"too many vertices: at most 7 .* got 8"):
        bench.query(chain(8))
    assert bench.is_valid(chain(4))
    with pytest.raises(OutOfDomainError, match="covers 4 architectures of 'nasbench101'"):
        bench.query(chain(4))


def test_table_without_halfway_values(tmp_path: Path) -> None:
    space = space_named("nasbench101", max_vertices=3)
    codes = np.array([architecture.codes for architecture in space.enumerate()])
    columns = [pair for pair in synthetic_columns(len(codes)) if pair[0].moment == "final"]
    bench = NASBench(write_table(tmp_path / "t.table", space, codes, columns, name="t"))
    assert set(bench.get_metrics_from_spec(CHAIN)[1][4][0]) == {
        "final_training_time",
        "final_train_accuracy",
        "final_validation_accuracy",
        "final_test_accuracy",
    }
    with pytest.raises(BenchmarkError, match="has no halfway values of 'training_seconds'"):
        bench.query(CHAIN, stop_halfway=True)


def random_spec(bench: NASBench, rng: np.random.Generator, vertices: int = 7) -> ModelSpec:
    while True:
        drawn = np.triu(rng.integers(0, 2, (vertices, vertices)), 1)
        ops = rng.choice(nasbench.ALLOWED_OPS, vertices).tolist()
        ops[0], ops[-1] = INPUT, OUTPUT
        spec = ModelSpec(matrix=drawn, ops=ops)
        if bench.is_valid(spec):
            return spec


def mutate_spec(old: ModelSpec, bench: NASBench, rng: np.random.Generator) -> ModelSpec:
    vertices = len(old.original_ops)
    while True:
        flips = np.triu(rng.random((vertices, vertices)) < 1 / vertices, 1)
        ops = list(old.original_ops)
        for vertex in range(1, vertices - 1):
            if rng.random() < 1 / (vertices - 2):
                others = [op for op in bench.config["available_ops"] if op != ops[vertex]]
                ops[vertex] = others[rng.integers(2)]
        spec = ModelSpec(old.original_matrix ^ flips, ops)
        if bench.is_valid(spec):
            return spec


def test_a_program_for_the_original_library_runs(bench: NASBench) -> None:
    """The authors' evolution: a population of ten, the oldest dies, until the budget is spent."""
    rng = np.random.default_rng(0)
    budget, population, best = 5e3, [], [0.0]
    while bench.get_budget_counters()[0] < budget:
        if len(population) < 10:
            spec = random_spec(bench, rng)
        else:
            tournament = [population[i] for i in rng.choice(10, 4, replace=False)]
            spec = mutate_spec(max(tournament, key=lambda member: member[0])[1], bench, rng)
            population.pop(0)
        found = bench.query(spec)
        population.append((found["validation_accuracy"], spec))
        best.append(max(best[-1], found["validation_accuracy"]))
    seconds, epochs = bench.get_budget_counters()
    assert seconds >= budget
    assert epochs == 108 * bench.spent.queries == 108 * (len(best) - 1)
    assert best[-1] > best[1]


def test_share_of_random_specs_in_the_domain(tmp_path: Path) -> None:
    """Published: 0.734 of 20,000; of 3,000 within three standard errors."""
    space = space_named("nasbench101")
    codes = np.array([space.of_cell(CHAIN.original_matrix, CHAIN.original_ops).codes])
    path = write_table(tmp_path / "one.table", space, codes, synthetic_columns(1), name="one")
    bench, rng = NASBench(path), np.random.default_rng(0)
    valid = sum(
        bench.is_valid(
            ModelSpec(np.triu(rng.integers(0, 2, (7, 7)), 1), [INPUT, *[CONV1X1] * 5, OUTPUT])
        )
        for _ in range(3000)
    )
    assert valid / 3000 == pytest.approx(0.734, abs=3 * (0.734 * 0.266 / 3000) ** 0.5)


def test_evaluate_trains_with_what_was_given(table: Table) -> None:
    with pytest.raises(BenchmarkError, match="make NASBench with trainer="):
        NASBench(table).evaluate(CHAIN, "folder")
    names = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    bench = NASBench(table, trainer=lambda spec: dict.fromkeys(names, 0.5))
    answer = bench.evaluate(chain(8))
    assert answer["module_operations"] == chain(8).ops
    assert [answer[name] for name in names] == [0.5] * 4
    assert bench.get_budget_counters() == (0.0, 0)


def test_tables_of_other_spaces_are_refused(cells: Table) -> None:
    with pytest.raises(BenchmarkError, match="needs a table of the space 'nasbench101'; <table"):
        NASBench(cells)
    with pytest.raises(BenchmarkError, match="nasbench101 is a benchmark of the space"):
        NASBench(cells.path)
    with pytest.raises(
        BenchmarkError, match=r"there is no 'none.tfrecord'. It is made of nasbench"
    ):
        NASBench("none.tfrecord")
