from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from archwright.cost import count
from archwright.errors import NetworkError
from archwright.network import build, parameters
from archwright.network.nasbench101 import (
    Cell,
    build_nasbench101,
    cell_parameters,
    nasbench101_parameters,
    vertex_channels,
)
from archwright.network.operations import TruncatedNormalConv2d
from archwright.network.skeleton import Skeleton
from archwright.space import Architecture, Choice, Space, space_named
from archwright.space.catalog._nasbench101 import bit, shapes

SPACE = space_named("nasbench101")
SMALL = Skeleton(stem=8, cells=1)
CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = {"3": CONV3, "1": CONV1, "p": POOL}

INCEPTION = "0111010/0000001/0000001/0000100/0000001/0000001/0000000"
BEST = "0110011/0000010/0001000/0000100/0000010/0000001/0000000"
RESNET = "0101/0010/0001/0000"

# Cells of the published hashes, and the parameters stored with them or recomputed by the authors'
# own rule.
PUBLISHED = [
    ("01/00", "", 882_570),
    ("010/001/000", "3", 10_177_674),
    ("010/001/000", "1", 1_920_138),
    ("010/001/000", "p", 882_570),
    ("0110/0001/0001/0000", "1p", 1_143_306),
    (RESNET, "33", 20_346_506),
    ("01111/00110/00010/00001/00000", "333", 31_389_066),
    ("010011/001110/000100/000010/000001/000000", "3113", 23_295_370),
    (INCEPTION, "1333p", 2_694_282),
    (BEST, "13p33", 32_426_634),
]


def rows(text: str) -> list[list[int]]:
    return [[int(digit) for digit in row] for row in text.split("/")]


def of(text: str, operations: str) -> Architecture:
    named = [OPERATIONS[letter] for letter in operations]
    return SPACE.of_cell(rows(text), ["input", *named, "output"])


def small(architecture: Architecture, skeleton: Skeleton = SMALL) -> Architecture:
    space = SPACE.bind(partial(build_nasbench101, skeleton=skeleton))
    return space.from_codes(architecture.codes)


@pytest.mark.parametrize(("text", "operations", "expected"), PUBLISHED)
def test_published_parameters(text: str, operations: str, expected: int) -> None:
    assert parameters(of(text, operations), (3, 32, 32), 10) == expected


def test_parameters_of_the_smaller_resnet() -> None:
    narrow = small(of(RESNET, "33"), Skeleton(stem=16, cells=3))
    assert parameters(narrow, (3, 32, 32), 10) == 321_242
    assert count(build(narrow, (3, 32, 32), 10, seed=0), (3, 32, 32)).parameters == 321_242


def test_range_of_all_published_cells() -> None:
    """Per graph, each operation adds its own parameters: all labels follow from a few counts."""
    counts = [_all_counts(vertices) for vertices in range(2, 8)]
    assert [len(found) for found in counts] == [1, 6, 84, 2_441, 62_010, 359_082]
    everything = np.concatenate(counts)
    assert (everything.min(), everything.max()) == (227_274, 49_979_274)


def _all_counts(vertices: int) -> np.ndarray:
    graphs = shapes(vertices)
    bits, ranks = graphs.cells
    distinct, rows_of_bits = np.unique(bits, return_inverse=True)
    labels = graphs.labels(ranks)  # (cells, interior), in the order of 3x3, 1x1, pool
    tables = np.array([_counts(int(one), vertices) for one in distinct])
    picked = tables[rows_of_bits[:, None], 1 + np.arange(vertices - 2), labels]
    return tables[rows_of_bits, 0, 0] + picked.sum(axis=1)


def _counts(bits: int, vertices: int) -> np.ndarray:
    """Parameters `(1 + interior, 3)`: first with pools only, then what each operation adds."""
    matrix = [
        [int(x < y and bits >> bit(x, y) & 1) for y in range(vertices)] for x in range(vertices)
    ]
    interior = vertices - 2

    def whole(operations: list[str]) -> int:
        stacks = ((128, 128), (128, 256), (256, 512))
        first = [cell_parameters(matrix, operations, *stack) for stack in stacks]
        others = [cell_parameters(matrix, operations, b, b) for _, b in stacks]
        return 29 * 128 + sum(first) + 2 * sum(others) + 513 * 10

    table = np.zeros((1 + interior, 3), dtype=np.int64)
    table[0] = pools = whole([POOL] * interior)
    for vertex in range(interior):
        for label, operation in enumerate((CONV3, CONV1)):
            operations = [POOL] * interior
            operations[vertex] = operation
            table[1 + vertex, label] = whole(operations) - pools
    return table


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["7v_params_energy", "ecnas_4epoch"])
def test_parameters_of_published_tables(shared_data, name: str) -> None:  # type: ignore[no-untyped-def]
    with np.load(shared_data / f"nasbench101_{name}_half.npz") as table:
        sizes, matrices = table["num_vertices"].tolist(), table["matrix"]
        names, operations = table["op_names"].tolist(), table["ops"].tolist()
        expected = table["trainable_parameters"]
    found = [
        parameters(
            SPACE.of_cell(matrix[:size, :size], [names[code] for code in codes[:size]]),
            (3, 32, 32),
            10,
        )
        for size, matrix, codes in zip(sizes, matrices, operations, strict=True)
    ]
    assert len(found) > 1000
    np.testing.assert_array_equal(found, expected)


@pytest.mark.shared_data
def test_parameters_of_documented_records(shared_data) -> None:  # type: ignore[no-untyped-def]
    records = json.loads((shared_data / "nasbench101_documented_examples.json").read_text())
    for record in records:
        chosen = SPACE.of_cell(record["module_adjacency"], record["module_operations"])
        assert parameters(chosen, (3, 32, 32), 10) == record["trainable_parameters"]


@pytest.mark.parametrize(
    ("text", "inputs", "outputs", "expected"),
    [
        ("01/00", 8, 15, (8, 15)),
        ("0110/0001/0001/0000", 8, 8, (8, 4, 4, 8)),
        ("0110/0001/0001/0000", 8, 15, (8, 8, 7, 15)),
        ("0110/0001/0001/0000", 16, 8, (16, 4, 4, 8)),
        ("01110/00001/00001/00001/00000", 8, 8, (8, 3, 3, 2, 8)),
        ("01110/00001/00001/00001/00000", 8, 15, (8, 5, 5, 5, 15)),
        ("01000/00110/00001/00001/00000", 8, 9, (8, 5, 5, 4, 9)),
        ("01010/00101/00010/00001/00000", 8, 15, (8, 8, 7, 7, 15)),
        (INCEPTION, 128, 256, (128, 64, 64, 64, 64, 64, 256)),
        (BEST, 128, 256, (128, 256, 256, 256, 256, 256, 256)),
    ],
)
def test_channels(text: str, inputs: int, outputs: int, expected: tuple[int, ...]) -> None:
    assert vertex_channels(rows(text), inputs, outputs) == expected


def test_channels_of_every_graph() -> None:
    for vertices in range(3, 8):
        for bits in shapes(vertices).bits.tolist()[::5]:
            matrix = [
                [int(x < y and bits >> bit(x, y) & 1) for y in range(vertices)]
                for x in range(vertices)
            ]
            channels = vertex_channels(matrix, 8, 13)
            end = vertices - 1
            feeding = [x for x in range(1, end) if matrix[x][end]]
            assert sum(channels[x] for x in feeding) == 13 * bool(feeding)
            assert min(channels) > 0
            for x in range(1, end):
                for y in range(x + 1, end):
                    # What a vertex cuts off its input is one channel at most.
                    assert not matrix[x][y] or 0 <= channels[x] - channels[y] <= 1


def test_more_vertices_than_channels() -> None:
    wide = of("011110/000001/000001/000001/000001/000000", "3333")
    message = r"4 vertices of the cell share its output of 3 channels.*a wider stem"
    narrow = small(wide, Skeleton(stem=3, cells=1))
    for attempt in (
        lambda: build(narrow, (1, 8, 8), 10, seed=0),
        lambda: parameters(narrow, (1, 8, 8), 10),
    ):
        with pytest.raises(NetworkError, match=message):
            attempt()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 6), (3, 32, 32)])
@pytest.mark.parametrize("skeleton", [SMALL, Skeleton(stem=5, cells=2, stacks=2)])
def test_formula_counts_what_is_built(shape: tuple[int, ...], skeleton: Skeleton) -> None:
    for architecture in SPACE.sample_many(12, rng=np.random.default_rng(0)):
        chosen = small(architecture, skeleton)
        network = build(chosen, shape, 7, seed=0)
        assert network(torch.zeros(2, *shape)).shape == (2, 7)
        assert count(network, shape).parameters == parameters(chosen, shape, 7)
        assert parameters(chosen, shape, 7) == nasbench101_parameters(
            architecture, shape, 7, skeleton=skeleton
        )


def test_paths_carry_the_decisions() -> None:
    network = build(of(INCEPTION, "1333p"), (3, 32, 32), 10, seed=0)
    cell = network.stacks[2].cell_1
    architecture = of(INCEPTION, "1333p")
    names = {name for name, _ in cell.named_children()}
    assert names == {
        *(f"operation_{vertex}" for vertex in range(1, 6)),
        *(f"edge_0_{vertex}" for vertex in range(1, 7) if architecture[f"edge_0_{vertex}"]),
    }
    for vertex in range(1, 6):
        operation = getattr(cell, f"operation_{vertex}")
        if architecture[f"operation_{vertex}"] == POOL:
            assert isinstance(operation, nn.MaxPool2d)
        else:
            size = 3 if architecture[f"operation_{vertex}"] == CONV3 else 1
            assert operation.convolution.kernel_size == (size, size)
    assert [[name for name, _ in stack.named_children()] for stack in network.stacks] == [
        ["cell_1", "cell_2", "cell_3"],
        ["downsample", "cell_1", "cell_2", "cell_3"],
        ["downsample", "cell_1", "cell_2", "cell_3"],
    ]
    shortest = build(small(of("01/00", "")), (1, 8, 8), 10, seed=0)
    assert [name for name, _ in shortest.stacks[0].cell_1.named_children()] == ["edge_0_6"]
    fewer = space_named("nasbench101", max_vertices=5)
    fewer = fewer.bind(partial(build_nasbench101, skeleton=SMALL))
    shortest = build(fewer.of_cell(rows("01/00"), ["input", "output"]), (1, 8, 8), 10, seed=0)
    assert [name for name, _ in shortest.stacks[0].cell_1.named_children()] == ["edge_0_4"]


def test_normalization_and_initial_weights() -> None:
    network = build(of(RESNET, "33"), (3, 32, 32), 10, seed=0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.momentum, module.eps, module.affine) == (0.003, 1e-5, True)
        if isinstance(module, nn.Conv2d):
            assert type(module) is TruncatedNormalConv2d
        if isinstance(module, nn.ReLU):
            assert not module.inplace
    assert not network.head.bias.any()
    limit = (6 / (512 + 10)) ** 0.5
    largest = float(network.head.weight.detach().abs().max())
    assert 0.99 * limit < largest <= limit
    last = network.stacks[2].cell_3.operation_1.convolution.weight.detach()
    assert float(last.std()) == pytest.approx((9 * 512) ** -0.5, rel=0.01)


def test_cell_truncates_projects_adds_and_concatenates() -> None:
    # Vertices 1 and 2 lead to the output (3 and 2 channels of 5); 1 leads to 2; 0 to all.
    cell = Cell(rows("0111/0011/0001/0000"), [CONV3, CONV3], 4, 5, last=6)
    assert cell.channels == (4, 3, 2, 5)
    taken = {}

    def keep(name: str) -> nn.Module:
        module = cell.get_submodule(name)
        module.register_forward_hook(lambda m, inputs, output: taken.update({name: inputs[0]}))
        return module

    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    names = ("edge_0_1", "edge_0_2", "edge_0_6", "operation_1", "operation_2")
    edge_1, edge_2, edge_6, operation_1, operation_2 = (keep(name) for name in names)
    cell.eval()
    y = cell(x)
    first = operation_1(edge_1(x))
    second = operation_2(first[:, :2] + edge_2(x))
    torch.testing.assert_close(y, torch.cat([first, second], dim=1) + edge_6(x))
    assert taken["operation_2"].shape == (2, 2, 3, 3)


def test_cell_of_one_edge_projects() -> None:
    cell = Cell(rows("01/00"), [], 4, 6, last=6).eval()
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cell(x), cell.edge_0_6(x))


def test_pool_is_not_won_by_the_border() -> None:
    cell = Cell(rows("010/001/000"), [POOL], 2, 2, last=6)
    below = torch.full((1, 2, 4, 4), -3.0)
    torch.testing.assert_close(cell.operation_1(below), below)


def test_odd_maps_are_halved_upwards() -> None:
    network = build(small(of("01/00", "")), (1, 5, 4), 3, seed=0)
    x = torch.arange(20.0).view(1, 1, 5, 4)
    halved = network.stacks[1].downsample(x)
    assert halved[0, 0].tolist() == [[5, 7], [13, 15], [17, 19]]
    even = build(small(of("01/00", "")), (1, 8, 8), 3, seed=0)
    assert not even.stacks[1].downsample.ceil_mode


@pytest.mark.parametrize(
    ("text", "operations"), [(INCEPTION, "1333p"), (BEST, "13p33"), ("01/00", "")]
)
def test_every_parameter_gets_a_gradient(text: str, operations: str) -> None:
    network = build(small(of(text, operations)), (1, 8, 8), 3, seed=0)
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(16, 3, generator=rng)
    (network(torch.randn(16, 1, 8, 8, generator=rng)) * weights).sum().backward()
    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


def test_inputs_that_cannot_be_taken() -> None:
    chosen = of(RESNET, "33")
    for attempt in (
        lambda: build(chosen, (64,), 10, seed=0),
        lambda: parameters(chosen, (64,), 10),
    ):
        with pytest.raises(NetworkError, match=r"'nasbench101' needs inputs of shape"):
            attempt()
    for attempt in (
        lambda: build(chosen, (1, 2, 2), 10, seed=0),
        lambda: parameters(chosen, (1, 2, 2), 10),
    ):
        with pytest.raises(NetworkError, match=r"halve the map 2 times .* fewer stacks"):
            attempt()


@pytest.mark.parametrize("subspace", [1, 2, 3])
def test_one_shot_architectures_are_the_cells_of_the_table(subspace: int) -> None:
    space = space_named("nasbench1shot1", subspace=subspace)
    space = space.bind(partial(build_nasbench101, skeleton=SMALL))
    for architecture in space.sample_many(5, rng=np.random.default_rng(0)):
        cell = space.to_nasbench101(architecture)
        network, published = (build(a, (1, 8, 8), 10, seed=0) for a in (architecture, small(cell)))
        assert network.state_dict().keys() == published.state_dict().keys()
        assert parameters(architecture, (1, 8, 8), 10) == parameters(small(cell), (1, 8, 8), 10)


def test_other_spaces_are_refused() -> None:
    space = Space(edge_0_1=Choice(0, 1), name="nasbench101")
    for attempt in (build_nasbench101, nasbench101_parameters):
        with pytest.raises(NetworkError, match=r"'nasbench1shot1'; got one of Space 'nasbench101'"):
            attempt(space.from_codes([0]), (3, 32, 32), 10)
