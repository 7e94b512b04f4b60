"""The space of NAS-Bench-101: canonical form, hash, order, operators, encodings."""

from __future__ import annotations

import hashlib
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Architecture, Space, space_named
from archwright.space.catalog._nasbench101 import shapes
from archwright.space.catalog.nasbench101 import (
    OPERATIONS,
    NASBench101,
    graph_hash,
    hashes_of,
    nasbench101,
    prune,
)
from archwright.testing.spaces import check_space

SPACE = nasbench101()
SMALL = nasbench101(max_vertices=5)
LABELS = {"3": OPERATIONS[0], "1": OPERATIONS[1], "p": OPERATIONS[2]}

# Rows of the matrix, interior operations, hash.
PUBLISHED = [
    ("01/00", "", "043721b9c7fe8c5fad811d47d83132ec"),
    ("010/001/000", "3", "b49ac8c578b4561d79ac7087988f1c61"),
    ("010/001/000", "1", "d1269d9156ddc027c40473008192958a"),
    ("010/001/000", "p", "53cee42601ad14d661bb6878031d6acb"),
    ("0110/0001/0001/0000", "1p", "ac9bd0e2514c031187b612db767fb038"),
    ("0110/0001/0001/0000", "p1", "ac9bd0e2514c031187b612db767fb038"),
    ("0110/0000/0001/0000", "31", "d1269d9156ddc027c40473008192958a"),
    ("0101/0010/0001/0000", "33", "b5fb4f6193360330b6ff6a52cbf0cad7"),
    ("01111/00110/00010/00001/00000", "333", "a05c0efdac251392b3299fdadd52ccc1"),
    ("010011/001110/000100/000010/000001/000000", "3113", "f64f10d574d456cffeb6b3f1034d072f"),
    (
        "0111010/0000001/0000001/0000100/0000001/0000001/0000000",
        "1333p",
        "28cfc7874f6d200472e1a9dcd8650aa0",
    ),
    (
        "0110011/0000010/0001000/0000100/0000010/0000001/0000000",
        "13p33",
        "02e5a0247bbdcf2860b7e96f74961594",
    ),
]


def _name(space: NASBench101) -> str:
    return f"{space.max_vertices} vertices"


def cell_of(rows: str, ops: str) -> tuple[list[list[int]], list[str]]:
    matrix = [[int(digit) for digit in row] for row in rows.split("/")]
    return matrix, ["input", *(LABELS[op] for op in ops), "output"]


def brute_force(space: NASBench101, codes: tuple[Any, ...]) -> tuple[int, tuple[int, ...]] | None:
    """Return the smallest (bits, labels) over all relabelings, slowly."""
    size = space.max_vertices
    edge = [(x, y) for y in range(size) for x in range(y)]
    matrix = np.zeros((size, size), dtype=int)
    for place, code in zip(edge, codes, strict=False):
        matrix[place] = code
    cell = prune(matrix, [str(code) for code in (9, *codes[len(edge) :], 9)])
    if cell is None or cell.matrix.sum() > 9 or "0" in cell.ops:
        return None
    last = len(cell.ops) - 1
    found = []
    for order in itertools.permutations(range(1, last)):
        kept = [0, *order, last]
        moved = cell.matrix[np.ix_(kept, kept)]
        if not np.tril(moved).any():
            bits = sum(1 << (x + y * (y - 1) // 2) for x, y in np.argwhere(moved).tolist())
            found.append((bits, tuple(int(cell.ops[vertex]) for vertex in order)))
    return min(found)


@pytest.mark.parametrize("vertices", range(3, 8))
def test_contract(vertices: int) -> None:
    check_space(nasbench101(max_vertices=vertices), np.random.default_rng(vertices), samples=12)


@pytest.mark.parametrize(("rows", "ops", "expected"), PUBLISHED)
def test_published_hashes(rows: str, ops: str, expected: str) -> None:
    matrix, names = cell_of(rows, ops)
    architecture = SPACE.of_cell(matrix, names)
    assert SPACE.hash(architecture) == expected
    assert SPACE.of_cell(np.array(matrix, dtype=float), names) == architecture


def test_ten_edges_are_outside_but_have_a_hash() -> None:
    matrix, names = cell_of("0111011/0000001/0000001/0000100/0000001/0000001/0000000", "1333p")
    assert graph_hash(np.array(matrix), [-1, 1, 0, 0, 0, 2, -2]) == (
        "8990de2aa6c16c245b66f633938a95e3"
    )
    with pytest.raises(SpaceError, match="at most 9 edges after pruning; got 10"):
        SPACE.of_cell(matrix, names)


def test_the_representative_is_the_published_one() -> None:
    architecture = SPACE.of_cell(*cell_of(*PUBLISHED[10][:2]))
    cell = SPACE.cell(architecture)
    expected = "0111100/0000001/0000001/0000001/0000010/0000001/0000000"
    assert cell.matrix.tolist() == cell_of(expected, "31p33")[0]
    assert cell.ops == ("input", *(LABELS[op] for op in "31p33"), "output")
    bits = sum(code << bit for bit, code in enumerate(architecture.codes[:21]))
    assert bits == 1_523_787


def test_vertices_that_are_missing_are_the_last() -> None:
    architecture = SPACE.of_cell(*cell_of("0101/0010/0001/0000", "31"))
    assert architecture["operation_1"] == LABELS["3"]
    assert architecture["operation_2"] == LABELS["1"]
    assert architecture["operation_5"] == "none"
    assert [path for path, value in architecture.values.items() if value == 1] == [
        "edge_0_1",
        "edge_1_2",
        "edge_0_6",
        "edge_2_6",
    ]


@pytest.mark.parametrize("space", [SMALL, nasbench101(max_vertices=6), SPACE], ids=_name)
def test_canonical_form_is_the_smallest_of_all_relabelings(space: NASBench101) -> None:
    rng = np.random.default_rng(0)
    edges, width = len(space.slots) - space.max_vertices + 2, len(space.slots)
    codes = np.hstack([rng.random((150, edges)) < 0.4, rng.integers(0, 4, (150, width - edges))])
    codes = codes.astype(np.uint8)
    many = space.canonical_many(codes)
    found = 0
    for row, canonical in zip(codes.tolist(), many.tolist(), strict=True):
        assert space.canonical(row) == tuple(canonical)
        smallest = brute_force(space, tuple(row))
        assert bool(space.reasons(row)) is (smallest is None)
        if smallest is None:
            assert canonical == row
            continue
        found += 1
        assert brute_force(space, tuple(canonical)) == smallest
        cell = space.cell(space.from_codes(row))
        edge = np.argwhere(cell.matrix).tolist()
        assert sum(1 << (x + y * (y - 1) // 2) for x, y in edge) == smallest[0]
        assert cell.ops[1:-1] == tuple(OPERATIONS[label - 1] for label in smallest[1])
    assert found > 10


def test_isomorphic_cells_share_one_key() -> None:
    keys = {SPACE.of_cell(*cell_of(rows, ops)).key for rows, ops, _ in PUBLISHED[4:6]}
    assert len(keys) == 1


def test_golden_keys() -> None:
    keys = [SPACE.of_cell(*cell_of(*PUBLISHED[place][:2])).key for place in (0, 1, 10)]
    assert keys == [
        "f548c629bfdd4b399745b7732e5ae4b5",
        "0868dfebbe552c86a0bb6767cfed9e37",
        "312866104deeb74d030c7cff44c8e220",
    ]
    assert SPACE.fingerprint == "e3ac08475900ee70913118276e06255a"


def test_counts_of_every_size() -> None:
    counted = [shapes(vertices) for vertices in range(2, 8)]
    assert [len(s.bits) for s in counted] == [1, 2, 10, 121, 1_545, 4_793]
    assert sum(s.ranks.size for s in counted) == 1_293_208
    cells = [s.cells[0] for s in counted]
    assert list(map(len, cells)) == [1, 6, 84, 2_441, 62_010, 359_082]
    edges = np.bincount(np.bitwise_count(np.concatenate(cells))).tolist()
    assert edges == [0, 1, 3, 12, 60, 339, 2_134, 13_984, 78_822, 328_269]


@pytest.mark.parametrize("vertices", range(3, 8))
def test_the_size_is_the_number_of_cells_in_published_order(vertices: int) -> None:
    space = nasbench101(max_vertices=vertices)
    codes = space.codes_by_index()
    assert codes.dtype == np.uint8
    assert len(codes) == space.size
    assert np.array_equal(space.canonical_many(codes), codes)
    assert len(np.unique(space.numbers(codes))) == space.size


def test_index_and_at_are_each_others_inverse() -> None:
    codes = SPACE.codes_by_index()
    for index in [0, 1, 6, 7, 90, 91, 2_531, 2_532, 64_541, 64_542, 423_623]:
        architecture = SPACE.at(index)
        assert architecture.codes == tuple(codes[index].tolist())
        assert SPACE.index(architecture) == index
    assert [a.codes for a in SMALL.enumerate()] == list(map(tuple, SMALL.codes_by_index().tolist()))


@pytest.mark.parametrize("index", [-1, 2_532])
def test_there_is_no_other_index(index: int) -> None:
    with pytest.raises(SpaceError, match=f"must be from 0 to 2531; got {index}"):
        SMALL.at(index)


def test_hashes_of_small_cells_differ() -> None:
    hashes = hashes_of(SMALL)
    assert hashes.dtype == "S32"
    assert len(set(hashes.tolist())) == SMALL.size
    for index in (0, 5, 90, 91, 2_531):
        assert hashes[index].decode() == SMALL.hash(SMALL.at(index))


@pytest.mark.slow
def test_hashes_of_all_cells_are_the_published_ones() -> None:
    hashes = sorted(text.decode() for text in hashes_of(SPACE).tolist())
    assert hashes[0] == "00005c142e6f48ac74fdcf73e3439874"
    assert hashes[-1] == "ffff76fafa7b0cdf545fd7feee9c8bf9"
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert digest == "a7f10bf770c1b5b8a221e37824e42b3b1a237a5d21ccf545bbe8e23abd933403"


@pytest.mark.slow
def test_every_cell_is_enumerated() -> None:
    assert sum(1 for _ in SPACE.enumerate()) == SPACE.size


def test_random_graphs_are_as_often_cells_as_published() -> None:
    rng = np.random.default_rng(0)
    drawn = (SPACE._drawn(rng) for _ in range(20_000))
    valid = sum(SPACE._layout.canonical(codes) is not None for codes in drawn)
    assert abs(valid / 20_000 - 0.734) < 0.01  # three deviations


def test_random_graphs_are_uniform() -> None:
    rng = np.random.default_rng(1)
    codes = np.array([SPACE._drawn(rng) for _ in range(4000)])
    assert np.abs(codes[:, :21].mean(axis=0) - 1 / 2).max() < 0.035  # more than four deviations
    for label in (1, 2, 3):
        assert np.abs((codes[:, 21:] == label).mean(axis=0) - 1 / 3).max() < 0.035


@pytest.mark.parametrize("space", [nasbench101(max_vertices=3), SMALL, SPACE], ids=_name)
def test_a_mutation_changes_edges_and_operations_at_the_published_rates(space: NASBench101) -> None:
    rng = np.random.default_rng(2)
    size = space.max_vertices
    full = next(a for a in (space.at(i) for i in range(space.size - 1, 0, -1)) if a.codes[-1])
    edges = len(space.slots) - size + 2
    before = np.array(full.codes)
    after = np.array([space._edited(full.codes, rng) for _ in range(6000)])
    changed = (after != before).mean(axis=0)
    assert np.abs(changed[:edges] - 1 / size).max() < 0.025  # about four deviations
    assert np.abs(changed[edges:] - 1 / (size - 2)).max() < 0.025
    for vertex in range(edges, len(before)):
        shares = np.bincount(after[after[:, vertex] != before[vertex], vertex], minlength=4)
        assert shares[0] == shares[before[vertex]] == 0
        others = [shares[label] for label in (1, 2, 3) if label != before[vertex]]
        assert abs(others[0] / sum(others) - 1 / 2) < 0.06


def test_a_mutation_puts_missing_vertices_back_at_random_places() -> None:
    rng = np.random.default_rng(3)
    chain = SPACE.of_cell(*cell_of("010/001/000", "3")).codes
    after = np.array([SPACE._edited(chain, rng) for _ in range(4000)])
    assert (after[:, 21:] > 0).all()
    # The edge from the input to the only vertex stands in each of five places, else is a flip.
    first = after[:, [x + y * (y - 1) // 2 for x, y in [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]]]
    expected = 1 / 5 * 6 / 7 + 4 / 5 * 1 / 7
    assert np.abs(first.mean(axis=0) - expected).max() < 0.035
    sizes = {SPACE.canonical(codes)[21:].count(0) for codes in after.tolist()}
    assert sizes >= {1, 2, 3, 4}


def test_a_restricted_space_draws_and_edits_alike() -> None:
    free = SPACE.restricted("nothing", lambda a: True)
    ours, theirs = np.random.default_rng(7), np.random.default_rng(7)
    for _ in range(50):
        first, second = SPACE.sample(rng=ours), free.sample(rng=theirs)
        assert first == second
        assert SPACE.mutate(first, rng=ours) == free.mutate(second, rng=theirs)


def test_mutations_reach_larger_and_smaller_cells() -> None:
    rng = np.random.default_rng(4)
    parent = SPACE.of_cell(*cell_of("0101/0010/0001/0000", "33"))
    sizes = {5 - SPACE.mutate(parent, rng=rng).codes[21:].count(0) for _ in range(300)}
    assert {1, 2, 3, 4} <= sizes


@pytest.mark.parametrize("vertices", [3, 4, 5])
def test_every_cell_is_reached_over_neighbors(vertices: int) -> None:
    space = nasbench101(max_vertices=vertices)
    ahead = {a: list(space.neighbors(a)) for a in space.enumerate()}
    back: dict[Architecture, list[Architecture]] = {a: [] for a in ahead}
    for architecture, near in ahead.items():
        for neighbor in near:
            back[neighbor].append(architecture)
    start = space.at(0)
    for way in (ahead, back):
        seen, fresh = {start}, [start]
        while fresh:
            fresh = [b for a in fresh for b in way[a] if b not in seen and not seen.add(b)]
        assert len(seen) == space.size


def test_neighbors_of_the_smallest_cell() -> None:
    near = {SPACE.format(a) for a in SPACE.neighbors(SPACE.at(0))}
    chains = {f"010001000/input,{op},output" for op in OPERATIONS}
    shortcuts = {f"011001000/input,{op},output" for op in OPERATIONS}
    assert near == chains | shortcuts


def test_a_child_has_the_operations_of_vertices_that_one_parent_has() -> None:
    rng = np.random.default_rng(5)
    small = SPACE.of_cell(*cell_of("01/00", ""))
    large = SPACE.of_cell(*cell_of(*PUBLISHED[11][:2]))
    children = [SPACE.crossover(small, large, rng=rng) for _ in range(100)]
    assert len(set(children)) > 5
    for kind in ("one-point", "blend"):
        assert SPACE.crossover(large, large, rng=rng, kind=kind) == large
    with pytest.raises(UnknownNameError, match="unknown kind of crossover 'two-point'"):
        SPACE.crossover(small, large, rng=rng, kind="two-point")


@pytest.mark.parametrize(("rows", "ops", "expected"), PUBLISHED)
def test_text_round_trip(rows: str, ops: str, expected: str) -> None:
    matrix, names = cell_of(rows, ops)
    architecture = SPACE.parse(f"{rows};{','.join(names)}")
    assert SPACE.hash(architecture) == expected
    assert SPACE.parse(SPACE.format(architecture)) == architecture
    assert SPACE.parse(json.dumps({"matrix": matrix, "ops": names})) == architecture


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0100/0000/0001/0000;maxpool3x3,maxpool3x3", "disconnected: no path leads from its inp"),
        ("010001000/input,maxpool3x3,maxpool3x3", "the last operation .* got 'maxpool3x3'"),
        ("010001000/maxpool3x3,maxpool3x3,output", "the first operation .* got 'maxpool3x3'"),
        ("010001000/conv5x5", "must be of conv3x3-bn-relu, .*, maxpool3x3; got 'conv5x5'"),
    ],
)
def test_what_is_no_cell_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SPACE.parse(text)


def test_too_many_vertices_are_refused_after_pruning() -> None:
    chain = np.eye(8, k=1, dtype=int)
    ops = ["input", *[OPERATIONS[0]] * 6, "output"]
    with pytest.raises(SpaceError, match="at most 7 vertices after pruning; got 8"):
        SPACE.of_cell(chain, ops)
    chain[0, 7] = 1
    chain[0, 1] = 0
    assert SPACE.of_cell(chain, ops) == SPACE.at(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge_0_1": 0}, "disconnected"),
        ({"operation_1": "none"}, "a vertex on a path .* must have an operation; got 'none'"),
        ({f"edge_{x}_{y}": 1 for y in range(5) for x in range(y)}, "at most 9 edges .* got"),
    ],
)
def test_values_that_are_no_cell_are_refused(changes: dict[str, Any], message: str) -> None:
    values = dict(SPACE.of_cell(*cell_of("010/001/000", "3")).values)
    filler = {f"operation_{vertex}": OPERATIONS[0] for vertex in range(1, 6)}
    for vertex in range(1, 5):
        filler[f"edge_{vertex}_6"] = 1
    if len(changes) > 1:
        values |= filler
    with pytest.raises(SpaceError, match=message):
        SPACE.architecture(values | changes)


@pytest.mark.parametrize("vertices", [2, 8, True, 5.5, "7"])
def test_max_vertices_is_checked(vertices: Any) -> None:
    with pytest.raises(SpaceError, match=rf"whole number from 3 to 7; got {vertices!r}"):
        nasbench101(max_vertices=vertices)


def test_canonical_many_checks_its_codes() -> None:
    with pytest.raises(SpaceError, match=r"shape \(architectures, 26\)"):
        SPACE.canonical_many(np.zeros((1, 13), dtype=int))
    with pytest.raises(SpaceError, match="slot 0: must be from 0 to 1; got 2"):
        SPACE.canonical_many(np.full((1, 26), 2))
    assert SPACE.canonical_many(np.zeros((0, 26), dtype=int)).shape == (0, 26)


def test_adjacency_encoding() -> None:
    architecture = SPACE.of_cell(*cell_of("0101/0010/0001/0000", "31"))
    array = SPACE.encode([architecture], "adjacency")
    names = SPACE.feature_names("adjacency")
    assert array.shape == (1, 36)
    assert array.dtype == np.float64
    assert [name for name, value in zip(names, array[0], strict=True) if value] == [
        "edge_0_1",
        "edge_1_2",
        "edge_0_6",
        "edge_2_6",
        "operation_1=conv3x3-bn-relu",
        "operation_2=conv1x1-bn-relu",
    ]


def test_path_encoding() -> None:
    architecture = SPACE.of_cell(*cell_of("0111/0011/0001/0000", "3p"))
    array = SPACE.encode([architecture, SPACE.at(0)], "paths")
    names = SPACE.feature_names("paths")
    assert array.shape == (2, 364)
    assert [name for name, value in zip(names, array[0], strict=True) if value] == [
        "input>output",
        "input>conv3x3-bn-relu>output",
        "input>maxpool3x3>output",
        "input>conv3x3-bn-relu>maxpool3x3>output",
    ]
    assert np.flatnonzero(array[1]).tolist() == [0]
    assert all(name.count(">") <= 4 for name in names[:40])
    assert SPACE.encode([], "paths").shape == (0, 364)
    assert SPACE.encode([], "adjacency").shape == (0, 36)


def test_unknown_encodings_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'path' \(did you mean 'paths'\?\); allowed: ord"):
        SPACE.encode([], "path")
    with pytest.raises(UnknownNameError, match="unknown kind of encoding 'graph'"):
        SPACE.feature_names("graph")
    with pytest.raises(SpaceError, match="belongs to another space"):
        SPACE.encode([SMALL.at(0)], "paths")


def test_a_space_survives_pickling() -> None:
    architecture = SPACE.at(423_000)
    again = pickle.loads(pickle.dumps(architecture))
    assert again == architecture
    assert again.space._layout is SPACE._layout
    assert Space.from_json(json.loads(json.dumps(SMALL.to_json()))) == SMALL
    assert space_named("nasbench101", max_vertices=5) == SMALL


def test_a_restricted_space_counts_what_is_left() -> None:
    tiny = nasbench101(max_vertices=3).restricted(
        "no pooling", lambda a: a["operation_1"] != "maxpool3x3"
    )
    assert tiny.size_is_exact
    assert tiny.size == 5
    large = SPACE.restricted("no pooling", lambda a: "maxpool3x3" not in a.values.values())
    assert not large.size_is_exact
    assert large.size == SPACE.size
    rng = np.random.default_rng(0)
    assert all("maxpool3x3" not in large.sample(rng=rng).values.values() for _ in range(20))


RECORDED = ["official_val108", "7v_params_energy", "ecnas_4epoch"]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_cells_have_the_recorded_hash(name: str, shared_data: Path) -> None:
    with np.load(shared_data / f"nasbench101_{name}_half.npz") as table:
        rows = zip(table["num_vertices"], table["matrix"], table["ops"], table["hash"], strict=True)
        names = table["op_names"].tolist()
        for size, matrix, ops, recorded in rows:
            labels = [names[op] for op in ops[:size]]
            architecture = SPACE.of_cell(matrix[:size, :size], labels)
            assert SPACE.hash(architecture) == recorded.decode()


@pytest.mark.shared_data
def test_documented_cells_are_representatives(shared_data: Path) -> None:
    records = json.loads((shared_data / "nasbench101_documented_examples.json").read_text())
    assert records
    for record in records:
        matrix, ops = record["module_adjacency"], record["module_operations"]
        architecture = SPACE.of_cell(matrix, ops)
        assert SPACE.hash(architecture) == record["hash"]
        assert SPACE.cell(architecture).matrix.tolist() == matrix
        assert list(SPACE.cell(architecture).ops) == ops
