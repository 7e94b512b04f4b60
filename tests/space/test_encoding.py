from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Choice, Integer, List, Real, Space, Subset

SPACE = Space(
    op=Choice("skip", "conv", "pool"),
    width=Integer(10, 50, 10),
    extras=Subset("se", "shuffle"),
    rate=Real(1e-2, 1, log=True, when={"op": "conv"}),
    kernel=Choice(3, 5, when={"op": "conv"}),
    hidden=List(Integer(1, 5), 1, 2),
)
CLOSED = SPACE.architecture({"op": "pool", "width": 40, "extras": ["shuffle"], "hidden": [2]})
OPEN = SPACE.architecture(
    {"op": "conv", "width": 10, "extras": [], "rate": 0.1, "kernel": 5, "hidden": [5, 1]}
)


def test_ordinal() -> None:
    assert SPACE.feature_names() == (
        "op",
        "width",
        "extras.se",
        "extras.shuffle",
        "rate",
        "kernel",
        "hidden.length",
        "hidden.0",
        "hidden.1",
    )
    assert SPACE.encode([CLOSED, OPEN]).tolist() == [
        [2, 3, 0, 1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0.1, 1, 1, 4, 0],
    ]


def test_one_hot() -> None:
    columns = dict(
        zip(
            SPACE.feature_names("one-hot"),
            SPACE.encode([CLOSED, OPEN], "one-hot").T.tolist(),
            strict=True,
        )
    )
    assert columns == {
        "op=skip": [0, 0],
        "op=conv": [0, 1],
        "op=pool": [1, 0],
        "width": [0.75, 0],
        "extras.se": [0, 0],
        "extras.shuffle": [1, 0],
        "rate": [0, pytest.approx(0.5)],
        "rate is open": [0, 1],
        "kernel=3": [0, 0],
        "kernel=5": [0, 1],
        "hidden.length": [0, 1],
        "hidden.0": [0.25, 1],
        "hidden.1": [0, 0],
        "hidden.1 is open": [0, 1],
    }


def test_decode_rounds_to_the_nearest_code() -> None:
    array = SPACE.encode([CLOSED, OPEN])
    array[0, 1] += 0.4
    array[1, 7] -= 0.4
    assert SPACE.decode(array) == [CLOSED, OPEN]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((1, 3)), r"must have the shape \(architectures, 9\); got \(1, 3\)"),
        (np.zeros(9), r"got \(9,\)"),
        (np.full((1, 9), np.nan), "must be finite"),
        (np.full((1, 9), 7.0), "op must be a whole code from 0 to 2; got 7"),
    ],
)
def test_bad_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SPACE.decode(array)


def test_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match="unknown kind of encoding 'onehot'"):
        SPACE.encode([OPEN], "onehot")
    with pytest.raises(UnknownNameError, match="unknown kind of encoding 'onehot'"):
        SPACE.feature_names("onehot")
