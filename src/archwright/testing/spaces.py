"""What every search space must do, as one function, and toy spaces to try things on.

from archwright.testing.spaces import check_space

def test_my_space():
check_space(my_space(), numpy.random.default_rng(0))
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

import numpy as np

from archwright.space import Architecture, Choice, Group, Integer, List, Real, Space, Subset

__all__ = ["check_space", "toy_spaces"]

_SMALL = 3000  # spaces up to this size are enumerated to the end
_KINDS = ("uniform", "one-point", "blend")


def check_space(space: Space, rng: np.random.Generator, *, samples: int = 25) -> None:
    """Check the whole contract of a space.

    Args:
        space: Any space, of a derived kind too.
        rng: Seeds of the checks are drawn from it.
        samples: How many architectures each check looks at.

    Raises:
        AssertionError: If the space breaks the contract; says where.
    """
    drawn = [space.sample(rng=rng) for _ in range(samples)]
    _check_sampling(space, drawn, int(rng.integers(2**32)))
    _check_identity(space, drawn)
    _check_round_trips(space, drawn)
    _check_encodings(space, drawn)
    if space.size > 1:
        _check_mutation(space, drawn, rng)
    _check_crossover(space, drawn, rng)
    _check_neighbors(space, drawn)
    _check_enumeration(space, drawn)


def toy_spaces() -> dict[str, Space]:
    """Return small spaces by name, each with another combination of decisions and conditions."""
    block = Group(
        kind=Choice("plain", "bottleneck"),
        ratio=Choice(2, 4, 8, when={"kind": "bottleneck"}),
        width=Integer(8, 32, step=8),
    )
    return {
        "one choice": Space(operation=Choice("skip", "conv", "pool")),
        "one architecture": Space(operation=Choice("conv")),
        "six edges": Space({f"cell.edge_{edge}": Choice(0, 1, 2, 3, 4) for edge in range(6)}),
        "conditions": Space(
            pooling=Choice("avg", "max", when={"depth": (2, 3)}),
            depth=Integer(1, 3),
            window=Integer(2, 4, when={"pooling": "max"}),
            bias=Choice(True, False),
        ),
        "reals": Space(
            rate=Real(1e-4, 1e-1, log=True),
            momentum=Real(-1, 1, when={"optimizer": "sgd"}),
            optimizer=Choice("sgd", "adam", None),
        ),
        "subsets": Space(
            extras=Subset("se", "shuffle", "skip", min=1, max=2),
            pair=Subset(1, 2, 3, 4, min=2, max=2, when={"paired": True}),
            paired=Choice(True, False),
        ),
        "list of widths": Space(hidden=List(Integer(4, 7), 0, 3), dropout=Choice(0.0, 0.5)),
        "list of groups": Space(blocks=List(block, 1, 3), head=Group(pool=Choice("avg", "max"))),
        "list of lists": Space(
            stages=List(List(Choice("a", "b"), 0, 2), 1, 2),
            tail=Choice("x", "y", when={"stages.length": 2}),
        ),
        "a rule": Space(
            first=Integer(1, 6),
            second=Integer(1, 6),
            rules=[("second is not below first", lambda v: v["second"] >= v["first"])],
        ),
    }


def _check_sampling(space: Space, drawn: list[Architecture], seed: int) -> None:
    for architecture in drawn:
        _check_member(space, architecture, "sample")
    one_by_one = np.random.default_rng(seed)
    again = [space.sample(rng=one_by_one) for _ in drawn]
    many = space.sample_many(len(drawn), rng=np.random.default_rng(seed))
    assert again == many, "sample_many must give what repeated calls of sample give"


def _check_member(space: Space, architecture: Architecture, origin: str) -> None:
    assert isinstance(architecture, Architecture), f"{origin} made {architecture!r}"
    space.validate(architecture)
    codes = architecture.codes
    assert space.canonical(codes) == codes, f"{origin} made {codes}, which is not canonical"
    assert len(codes) == len(space.slots), f"{origin} made {len(codes)} codes"
    assert all(type(code) in (int, float) for code in codes), f"{origin} made {codes}"


def _check_identity(space: Space, drawn: list[Architecture]) -> None:
    for a, b in itertools.combinations(drawn, 2):
        same = a.codes == b.codes
        assert (a == b) is same, f"{a!r} == {b!r} must be {same}"
        assert (a.key == b.key) is same, f"keys of {a!r} and {b!r} are equal: {not same}"
        assert not same or hash(a) == hash(b), f"hashes of equal {a!r} differ"


def _check_round_trips(space: Space, drawn: list[Architecture]) -> None:
    data = json.loads(json.dumps(space.to_json()))
    rebuilt = Space.from_json(data, rules=space.rules)
    assert rebuilt == space, "from_json(to_json()) must be the same space"
    for a in drawn:
        again = rebuilt.from_json_architecture(json.loads(json.dumps(a.to_json())))
        assert again == a, f"the JSON of {a!r} gave {again!r}"
        assert again.key == a.key, f"the key of {a!r} changed in a round trip"
        assert space.architecture(a.values) == a, f"the values of {a!r} must rebuild it"
        assert space.parse(space.format(a)) == a, f"the text of {a!r} must be read back"


def _check_encodings(space: Space, drawn: list[Architecture]) -> None:
    for kind in ("ordinal", "one-hot"):
        array = space.encode(drawn, kind)
        names = space.feature_names(kind)
        assert array.shape == (len(drawn), len(names)), f"{kind}: {array.shape}, {len(names)} names"
        assert array.dtype == np.float64, f"{kind}: {array.dtype}"
        assert np.isfinite(array).all(), f"{kind} encodings must be finite"
        assert len(set(names)) == len(names), f"{kind}: feature names repeat"
        rows = {row.tobytes() for row in array + 0.0}
        assert len(rows) == len(set(drawn)), f"{kind}: different architectures, equal rows"
        assert space.encode([], kind).shape == (0, len(names)), f"{kind} of no architectures"
    assert space.decode(space.encode(drawn)) == drawn, "decode must undo the ordinal encoding"


def _check_mutation(space: Space, drawn: list[Architecture], rng: np.random.Generator) -> None:
    for parent in drawn:
        before = parent.codes
        child = space.mutate(parent, rng=rng)
        _check_member(space, child, "mutate")
        assert child != parent, f"mutate gave {parent!r} back"
        assert parent.codes == before, "mutate changed its parent"
        if type(space).canonical is Space.canonical:
            changed = _changed(space, parent, child)
            assert len(changed) == 1, f"mutate changed {changed} of {parent!r}, not one decision"


def _changed(space: Space, a: Architecture, b: Architecture) -> list[str]:
    """Return the decisions that are open in both and differ."""
    leaves = [node.path for node in space.program.leaves]
    pairs = ((path, a.get(path, _CLOSED), b.get(path, _CLOSED)) for path in leaves)
    return [path for path, x, y in pairs if x is not _CLOSED and y is not _CLOSED and x != y]


_CLOSED = object()


def _check_crossover(space: Space, drawn: list[Architecture], rng: np.random.Generator) -> None:
    for kind in _KINDS:
        for a, b in itertools.pairwise(drawn):
            child = space.crossover(a, b, rng=rng, kind=kind)
            _check_member(space, child, f"{kind} crossover")
        child = space.crossover(drawn[0], drawn[0], rng=rng, kind=kind)
        same_length = kind != "one-point" or not any(slot.role == "length" for slot in space.slots)
        if kind != "blend" and same_length:
            assert child == drawn[0], f"{kind} crossover of {drawn[0]!r} with itself gave {child!r}"


def _check_neighbors(space: Space, drawn: list[Architecture]) -> None:
    for a in drawn[:5]:
        near = list(itertools.islice(space.neighbors(a), 200))
        assert near == list(itertools.islice(space.neighbors(a), 200)), "neighbors has no order"
        assert len(set(near)) == len(near), f"neighbors of {a!r} repeat"
        assert a not in near, f"{a!r} is its own neighbour"
        for neighbor in near:
            _check_member(space, neighbor, "neighbors")


def _check_enumeration(space: Space, drawn: Iterable[Architecture]) -> None:
    if space.size == float("inf"):
        return
    listed = list(itertools.islice(space.enumerate(), _SMALL + 1))
    for architecture in listed:
        _check_member(space, architecture, "enumerate")
    distinct = {architecture.key for architecture in listed}
    assert len(distinct) == len(listed), "enumerate repeats an architecture"
    if len(listed) <= _SMALL and space.size_is_exact:
        assert len(listed) == space.size, f"enumerated {len(listed)}, but size is {space.size}"
        missing = [a for a in drawn if a.key not in distinct]
        assert not missing, f"sampled but not enumerated: {missing}"
    elif space.size_is_exact:
        assert space.size > _SMALL, f"enumerated more than {_SMALL}, but size is {space.size}"
