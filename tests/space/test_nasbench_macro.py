from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Space, space_named
from archwright.space.catalog.nasbench_macro import BLOCKS, nasbench_macro
from archwright.testing.spaces import check_space

STRINGS = nasbench_macro()
DISTINCT = nasbench_macro(equivalence="isomorphism")
TEXTS = st.text(alphabet="012", min_size=8, max_size=8)


@pytest.mark.parametrize("equivalence", ["none", "isomorphism"])
def test_contract(equivalence: str) -> None:
    check_space(nasbench_macro(equivalence=equivalence), np.random.default_rng(1))


def test_size() -> None:
    assert STRINGS.size == 6_561
    assert DISTINCT.size == 3_969
    assert DISTINCT.size_is_exact
    assert STRINGS.parse("01200000").values["layer_2"] == BLOCKS[1]


def test_options() -> None:
    with pytest.raises(UnknownNameError, match="equivalence of space nasbench-macro 'yes'; allow"):
        nasbench_macro(equivalence="yes")
    for space in (STRINGS, DISTINCT):
        assert Space.from_json(space.to_json()) == space
    assert space_named("nasbench-macro") == STRINGS != DISTINCT


@given(TEXTS)
def test_text_round_trip(text: str) -> None:
    a = STRINGS.parse(text)
    assert STRINGS.format(a) == text
    assert STRINGS.index(a) == int(text, 3)
    assert STRINGS.at(int(text, 3)) == a


@given(TEXTS)
def test_canonical_form(text: str) -> None:
    made = DISTINCT.format(DISTINCT.parse(text))
    for start, stop in ((0, 2), (2, 5), (5, 8)):
        assert made[start] == text[start]
        assert made[start + 1 : stop].rstrip("0").count("0") == 0
        blocks = [stage[start + 1 : stop].replace("0", "") for stage in (made, text)]
        assert blocks[0] == blocks[1]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("22212202", "22212220"),
        ("00000000", "00000000"),
        ("01001002", "01010020"),
        ("12021202", "12021220"),
        ("11111111", "11111111"),
    ],
)
def test_identities_move_to_the_end_of_a_stage(text: str, canonical: str) -> None:
    assert DISTINCT.format(DISTINCT.parse(text)) == canonical
    assert DISTINCT.parse(text).key == DISTINCT.parse(canonical).key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01230000", "architecture, at character 3: expected '0' or '1' or '2'; got '30000'"),
        ("0123", "at character 3: expected"),
        ("0120000", "at character 7: expected '0' or '1' or '2'; got the end"),
        ("012000000", "at character 8: expected the end of the text; got '0'"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        STRINGS.parse(text)


def test_no_such_index() -> None:
    with pytest.raises(SpaceError, match="NAS-Bench-Macro architecture is 0 to 6560; got -1"):
        STRINGS.at(-1)


def test_another_spaces_architecture_is_refused() -> None:
    with pytest.raises(SpaceError, match="belongs to another space"):
        STRINGS.format(DISTINCT.at(0))


@pytest.mark.shared_data
def test_equal_architectures_have_equal_records(shared_data: Path) -> None:
    with np.load(shared_data / "nas_bench_macro_cifar10.npz") as table:
        columns = [table[name] for name in ("test_acc", "params", "flops")]
        assert np.array_equal(table["arch"], STRINGS.codes_by_index())
    canonical = [STRINGS.parse(DISTINCT.format(DISTINCT.at(i))) for i in range(6_561)]
    rows = [STRINGS.index(a) for a in canonical]
    assert len(set(rows)) == 3_969
    assert all(np.array_equal(column, column[rows]) for column in columns)
    # And no two distinct ones have the same three accuracies, parameters and operations.
    records = zip(*(column[sorted(set(rows))].tolist() for column in columns), strict=True)
    assert max(Counter(str(record) for record in records).values()) == 1
