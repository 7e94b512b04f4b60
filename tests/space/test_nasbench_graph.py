from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Architecture, Space, space_named
from archwright.space.catalog.nasbench_graph import LINKS, OPERATIONS, SUBSETS, nasbench_graph
from archwright.testing.spaces import check_space

GRAPHS = nasbench_graph()
PROTEINS = nasbench_graph(operations="proteins")
ALL_LINKS = list(itertools.product(range(1), range(2), range(3), range(4)))
OPERATION_LISTS = st.lists(st.sampled_from(OPERATIONS), min_size=4, max_size=4).filter(
    lambda operations: set(operations) != {"skip"}
)


def of(links: str, operations: str) -> Architecture:
    return GRAPHS.of_lists([int(link) for link in links], operations.split())


@pytest.mark.parametrize("operations", SUBSETS)
def test_contract(operations: str) -> None:
    check_space(nasbench_graph(operations=operations), np.random.default_rng(2))


def test_size_is_that_of_the_enumeration() -> None:
    for space, size in ((GRAPHS, 26_206), (PROTEINS, 2_021)):
        assert space.size == size
        assert space.size_is_exact
        assert len({space.hash(a) for a in space.enumerate()}) == size


@pytest.mark.parametrize(
    ("links", "operations", "number"),
    [
        ("0121", "gcn gin fc cheb", 61237),
        ("0112", "gcn cheb gin fc", 61327),
        ("0113", "gcn cheb gin fc", 61237),
        ("0123", "gcn gcn gcn gcn", 81111),
        ("0000", "gcn gcn gcn gcn", 1111),
        ("0000", "fc gin gcn gat", 127),
    ],
)
def test_published_hashes(links: str, operations: str, number: int) -> None:
    a = of(links, operations)
    assert GRAPHS.hash(a) == number
    assert GRAPHS.format(a) == str(number)
    assert GRAPHS.of_hash(number) == a == GRAPHS.parse(str(number))


@given(st.sampled_from(ALL_LINKS), OPERATION_LISTS)
def test_round_trips(links: tuple[int, ...], operations: list[str]) -> None:
    a = GRAPHS.of_lists(links, operations)
    assert GRAPHS.of_lists(*GRAPHS.lists(a)) == a
    assert GRAPHS.of_hash(GRAPHS.hash(a)) == a
    assert GRAPHS.lists(a)[0] in LINKS


@given(st.sampled_from(ALL_LINKS), OPERATION_LISTS)
def test_equal_architectures_compute_the_same(
    links: tuple[int, ...], operations: list[str]
) -> None:
    """Follow the names of the operations from input to leaves, for both forms."""
    form = GRAPHS.lists(GRAPHS.of_lists(links, operations))
    assert _outputs(*form) == _outputs(links, operations)


def _outputs(links: tuple[int, ...], operations: list[str] | tuple[str, ...]) -> set[str]:
    """Return what each leaf computes, skips left out: they only pass on.

    By the published rule it does not count whether the raw features reach the output too.
    """
    computed = ["x"]
    for link, operation in zip(links, operations, strict=True):
        source = computed[link]
        computed.append(source if operation == "skip" else f"{operation}({source})")
    return {computed[node] for node in range(1, 5) if node not in links} - {"x"}


def test_permutations_of_alike_nodes_are_one_architecture() -> None:
    for links, alike in (("0000", range(4)), ("0001", (1, 2)), ("0111", (1, 2, 3))):
        first = ["gat", "gcn", "gin", "fc"]
        made = set()
        for order in itertools.permutations(alike):
            operations = first.copy()
            for place, source in zip(alike, order, strict=True):
                operations[place] = first[source]
            made.add(of(links, " ".join(operations)))
        assert len(made) == 1


def test_chains_are_sorted() -> None:
    assert of("0012", "gin gcn fc gat") == of("0012", "gcn gin gat fc")
    assert of("0012", "gcn gcn fc gat") == of("0012", "gcn gcn gat fc")
    assert of("0012", "gcn gin fc gat") != of("0012", "gcn gin gat fc")


def test_skips_only() -> None:
    for links in ALL_LINKS:
        with pytest.raises(SpaceError, match="a network of skips only is not in the published"):
            GRAPHS.of_lists(links, ["skip"] * 4)
    with pytest.raises(SpaceError, match="skips only"):
        GRAPHS.of_hash(88888)


def test_lists_that_are_none() -> None:
    with pytest.raises(SpaceError, match=r"has 4 links and 4 operations; got \(0, 1\) and \('gcn"):
        GRAPHS.of_lists((0, 1), ("gcn",))
    with pytest.raises(SpaceError, match="input_2 must be one of 0, 1; got 2"):
        of("0200", "gcn gcn gcn gcn")
    with pytest.raises(SpaceError, match=r"operation_3 must be one of .*\(did you mean gcn\?\)"):
        of("0000", "gcn gcn gcm gcn")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("99999", "hash, at character 0: expected '0' or .* or '8'; got '99999'"),
        ("61297", "at character 3: expected '0' or .* or '8'; got '97'"),
        ("612x7", "at character 3: expected '0' or .* or '8'; got 'x7'"),
        ("612371", "at character 0: expected 1 to 5 digits; got '612371'"),
        ("", "at character 0: expected 1 to 5 digits; got the end"),
        ("-1111", "at character 0: expected '0' or"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        GRAPHS.parse(text)


def test_bad_text_of_proteins() -> None:
    assert PROTEINS.lists(PROTEINS.parse("1111"))[1] == ("gcn",) * 4
    with pytest.raises(SpaceError, match="character 2: expected '1' or '4' or '5' or '7' or '8'"):
        PROTEINS.parse("61237")
    with pytest.raises(SpaceError, match="at character 0: expected 4 to 5 digits; got '111'"):
        PROTEINS.parse("111")


def test_zeros_in_front_are_not_written() -> None:
    a = of("0000", "gat gat gat gin")
    assert GRAPHS.format(a) == "2"
    assert GRAPHS.parse(" 2 ") == GRAPHS.parse("00002") == a


def test_options() -> None:
    with pytest.raises(UnknownNameError, match="operations of space nasbench-graph 'protein'"):
        nasbench_graph(operations="protein")
    for space in (GRAPHS, PROTEINS):
        assert Space.from_json(space.to_json()) == space
    assert space_named("nasbench-graph") == GRAPHS != PROTEINS
    a = PROTEINS.parse("61717")
    assert a.key == GRAPHS.parse("61717").key
    for method in (GRAPHS.hash, GRAPHS.lists, GRAPHS.format):
        with pytest.raises(SpaceError, match="belongs to another space"):
            method(a)


def test_a_restricted_space_is_counted_or_bounded() -> None:
    few = PROTEINS.restricted("a chain", lambda a: PROTEINS.lists(a)[0] == (0, 1, 2, 3))
    assert few.size_is_exact
    assert few.size == sum(1 for _ in few.enumerate()) < 2_021
    many = GRAPHS.restricted("a chain", lambda a: True)
    assert not many.size_is_exact
    assert many.size >= 26_206


@pytest.mark.shared_data
def test_the_keys_of_the_published_tables(shared_data: Path) -> None:
    with np.load(shared_data / "nas_bench_graph_light.npz") as table:
        published = {
            GRAPHS: (table["key"], table["link"], table["ops"]),
            PROTEINS: (table["key_proteins"], table["link_proteins"], table["ops_proteins"]),
        }
    for space, (keys, links, operations) in published.items():
        assert {space.hash(a) for a in space.enumerate()} == set(keys.tolist())
        for key, link, row in zip(*(a.tolist() for a in (keys, links, operations)), strict=True):
            a = space.of_hash(key)
            assert space.hash(a) == key
            assert space.lists(a) == (tuple(link), tuple(OPERATIONS[i] for i in row))
