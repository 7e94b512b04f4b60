from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import Architecture, Space, space_named
from archwright.space.catalog.darts import OPERATIONS, Genotype, darts
from archwright.space.catalog.nasbench201 import nasbench201
from archwright.testing.spaces import check_space

CELLS = darts()
SEEDS = st.integers(0, 2**32 - 1)
PREFIX = "NetworkSelectorDatasetInfo:darts:"

# The second-order result of the DARTS paper, in the line breaks and the order of its authors.
DARTS_V2 = """Genotype(
  normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
          ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
  normal_concat=[2, 3, 4, 5],
  reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
          ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
  reduce_concat=[2, 3, 4, 5])
"""


def drawn(seed: int) -> Architecture:
    return CELLS.sample(rng=np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(2))
def test_contract(seed: int) -> None:
    check_space(CELLS, np.random.default_rng(seed))


def test_size() -> None:
    assert CELLS.size == 1_037_664_180**2 == 1_076_746_950_455_072_400
    assert CELLS.size_is_exact
    assert len(CELLS.slots) == 2 * (8 + 3)
    assert Space.from_json(json.loads(json.dumps(CELLS.to_json()))) == CELLS == space_named("darts")


def test_every_architecture_has_a_number() -> None:
    last = np.array([[size - 1 for size in CELLS.program.sizes]])
    assert CELLS.numbers(last).tolist() == [CELLS.size - 1]


def test_published_genotype() -> None:
    a = CELLS.parse(DARTS_V2)
    genotype = CELLS.genotype(a)
    assert genotype.normal[4:6] == [("skip_connect", 0), ("sep_conv_3x3", 1)]  # in order of input
    assert genotype.reduce[2:4] == [("max_pool_3x3", 1), ("skip_connect", 2)]
    assert genotype.normal_concat == genotype.reduce_concat == [2, 3, 4, 5]
    assert a["reduce.node_5.inputs"] == "1_2"
    assert a["reduce.node_5.operation_1"] == "max_pool_3x3"
    assert a["normal.node_5.operation_2"] == "dil_conv_3x3"
    assert a.get("normal.node_2.inputs") is None
    assert CELLS.format(a) == repr(genotype)
    assert CELLS.format(a).startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ")
    assert CELLS.format(a).endswith("('skip_connect', 2)], reduce_concat=[2, 3, 4, 5])")


@given(SEEDS)
def test_round_trips(seed: int) -> None:
    a = drawn(seed)
    assert CELLS.parse(CELLS.format(a)) == a
    assert CELLS.of_genotype(CELLS.genotype(a)) == a
    assert CELLS.of_config(CELLS.config(a)) == a
    assert CELLS.of_compact(CELLS.compact(a)) == a


@given(SEEDS, st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_order_within_a_node_does_not_count(seed: int, swaps: list[bool]) -> None:
    a = drawn(seed)
    genotype = CELLS.genotype(a)
    cells = [
        [
            pair
            for node, swap in zip(range(4), swapped, strict=True)
            for pair in cell[2 * node : 2 * node + 2][:: -1 if swap else 1]
        ]
        for cell, swapped in ((genotype.normal, swaps[:4]), (genotype.reduce, swaps[4:]))
    ]
    again = Genotype(cells[0], [2, 3, 4, 5], cells[1], [2, 3, 4, 5])
    assert CELLS.of_genotype(again) == a
    assert CELLS.parse(repr(again)).key == a.key


@given(SEEDS, st.integers(0, 500))
def test_the_arrow_is_where_the_damage_is(seed: int, place: int) -> None:
    text = CELLS.format(drawn(seed))
    place = min(place, len(text))
    with pytest.raises(SpaceError, match="DARTS genotype, at character ") as caught:
        CELLS.parse(f"{text[:place]}!{text[place:]}")
    said = int(str(caught.value).split("character ")[1].split(":")[0])
    assert place - len("reduce_concat") <= said <= place  # at the start of the damaged word


def test_other_ways_to_write_it() -> None:
    text = CELLS.format(drawn(0))
    same = text.replace("'", '"').replace("[2, 3, 4, 5]", "range(2, 6)").replace(")]", "),\n]")
    assert CELLS.parse(f"\n {same.replace('=', ' = ').replace('(', '( ')} ") == drawn(0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Genotype", "Gene", r"genotype, at character 0: expected 'Genotype'; got .Gene\("),
        ("sep_conv_3x3', 0", "sep_conv_7x7', 0", r"at character 19: expected an operation, one of"),
        ("sep_conv_3x3', 0", "none', 0", "an operation that computes something; .*'none' is for"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)", "an input of node 5, one of 1, 2, 3, 4;"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "an input of node 5, one of 1, 2, 3, 4;"),
        ("('sep_conv_3x3', 0)", "('sep_conv_3x3', 2)", "an input of node 2, one of 0, 1; got .2"),
        (", ('dil_conv_3x3', 2)", "", "expected ','; got "),
        ("[2, 3, 4, 5]", "[3, 4, 5]", r"expected \[2, 3, 4, 5\], since all four nodes .*got .\[3"),
        ("[2, 3, 4, 5]", "range(2, 7)", r"expected \[2, 3, 4, 5\], since all four"),
        ("[2, 3, 4, 5]", "[2, 3, 4, 5, 6]", r"expected '\]'; got .6\]"),
        ("reduce_concat", "red_concat", "expected 'reduce_concat'; got 'red_concat"),
        ("5])", "5]) + 1", r"expected the end of the text; got '\+ 1"),
    ],
)
def test_messages_point_at_the_place(old: str, new: str, message: str) -> None:
    text = " ".join(DARTS_V2.split()).replace("( normal", "(normal")
    assert old in text
    with pytest.raises(SpaceError, match=message) as caught:
        CELLS.parse(text.replace(old, new, 1) if old != "5])" else text[:-1] + ") + 1")
    assert caught.value.args[0].endswith("^")


def test_nothing_is_executed() -> None:
    with pytest.raises(SpaceError, match=r"expected 'Genotype'; got .__import__"):
        CELLS.parse("__import__('os').abort()")


def test_genotypes_of_other_projects() -> None:
    cell = [["skip_connect", np.int64(i)] for i in (1, 0, 2, 0, 3, 1, 4, 0)]
    other = SimpleNamespace(
        normal=cell, normal_concat=range(2, 6), reduce=cell, reduce_concat=range(2, 6)
    )
    a = CELLS.of_genotype(other)
    assert CELLS.genotype(a).normal[2:4] == [("skip_connect", 0), ("skip_connect", 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal_concat": [4, 5]}, r"normal_concat: must be \[2, 3, 4, 5\]; got \[4, 5\]"),
        ({"reduce": []}, r"genotype, reduce: needs eight pairs .* nodes 2, 3, 4, 5; got 0"),
        ({"reduce": None}, "needs `reduce`, eight pairs"),
        ({"normal": [("none", 0), ("skip_connect", 1)] * 4}, "normal, node 2: .*'none' is for"),
        ({"normal": [("skip_connect", 1)] * 8}, "normal, node 2: needs two different inputs from"),
        ({"normal": [("skip_connect", 0), ("skip_connect", 2)] * 4}, "node 2: .* from 0 to 1; got"),
        (
            {"normal": [("skip", 0), ("skip", 1)] * 4},
            r"normal.node_2.operation_1 must be one of .* got 'skip'",
        ),
    ],
)
def test_bad_genotypes(change: dict[str, Any], message: str) -> None:
    genotype = CELLS.genotype(drawn(0))._replace(**change)
    with pytest.raises(SpaceError, match=message):
        CELLS.of_genotype(genotype)


def test_configuration() -> None:
    config = CELLS.config(CELLS.parse(DARTS_V2))
    assert len(config) == 2 * (8 + 3)
    assert config[f"{PREFIX}edge_normal_0"] == "sep_conv_3x3"
    assert config[f"{PREFIX}edge_normal_11"] == "dil_conv_3x3"  # node 5: edges 9 to 13
    assert config[f"{PREFIX}inputs_node_normal_5"] == "0_2"
    assert config[f"{PREFIX}inputs_node_reduce_3"] == "1_2"
    assert f"{PREFIX}inputs_node_normal_2" not in config
    full = {**config, "OptimizerSelector:sgd:weight_decay": 3e-4, f"{PREFIX}layers": 8}
    assert CELLS.of_config(full) == CELLS.parse(DARTS_V2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"edge_normal_11": None},
            "configuration, normal, node 5: .* edges from 0 and inputs '0_2",
        ),
        ({"edge_normal_12": "skip_connect"}, "normal, node 5: .*got edges from 0_2_3 and"),
        ({"inputs_node_reduce_3": "0_1"}, "reduce, node 3: .*got edges from 1_2 and inputs '0_1'"),
        ({"edge_reduce_0": None, "edge_reduce_1": None}, "node 2: .*got edges from nowhere"),
        ({"edge_reduce_0": "conv"}, "reduce.node_2.operation_1 must be one of"),
    ],
)
def test_bad_configurations(change: dict[str, str | None], message: str) -> None:
    config: dict[str, Any] = dict(CELLS.config(CELLS.parse(DARTS_V2)))
    config.update({PREFIX + name: value for name, value in change.items()})
    with pytest.raises(SpaceError, match=message):
        CELLS.of_config({name: value for name, value in config.items() if value is not None})


def test_compact() -> None:
    normal, reduce = CELLS.compact(CELLS.parse(DARTS_V2))
    assert normal == ((0, 3), (1, 3), (0, 3), (1, 3), (0, 2), (1, 3), (0, 2), (2, 5))
    assert reduce == ((0, 0), (1, 0), (1, 0), (2, 2), (0, 0), (2, 2), (1, 0), (2, 2))
    assert OPERATIONS[5] == "dil_conv_3x3"
    assert CELLS.of_compact([list(normal), [list(pair) for pair in reduce]]) == CELLS.parse(
        DARTS_V2
    )


@pytest.mark.parametrize(
    "compact",
    [[], [[(0, 0)] * 8], [[(0,)] * 8] * 2, [[(0, 7)] * 8] * 2, [[(0, "skip")] * 8] * 2, 3],
)
def test_bad_compact_cells(compact: Any) -> None:
    with pytest.raises(
        SpaceError, match=r"two lists of eight pairs .*, operation number from 0 to 6"
    ):
        CELLS.of_compact(compact)


def test_another_spaces_architecture_is_refused() -> None:
    for method in (CELLS.format, CELLS.genotype, CELLS.config, CELLS.compact):
        with pytest.raises(SpaceError, match="belongs to another space"):
            method(nasbench201().at(0))


def test_inputs_are_drawn_uniformly() -> None:
    rng = np.random.default_rng(0)
    drawn_inputs = [a["normal.node_5.inputs"] for a in CELLS.sample_many(5000, rng=rng)]
    counts = np.unique(drawn_inputs, return_counts=True)[1]
    # 500 expected of each of ten pairs: standard deviation 21.
    assert len(counts) == 10
    assert counts.min() > 400
    assert counts.max() < 600
