"""Every registered space, and every toy space, keeps the contract of a space."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from archwright.errors import SpaceError
from archwright.space import SPACES, Architecture, Choice, Space, space_named
from archwright.testing.spaces import check_space, toy_spaces


@pytest.mark.parametrize("name", SPACES.names())
@pytest.mark.parametrize("seed", range(3))
def test_registered_space(name: str, seed: int) -> None:
    check_space(space_named(name), np.random.default_rng(seed))


@pytest.mark.parametrize("name", toy_spaces())
@pytest.mark.parametrize("seed", range(3))
def test_toy_space(name: str, seed: int) -> None:
    check_space(toy_spaces()[name], np.random.default_rng(seed))


class _Broken(Space):
    """A space of which one operator breaks the contract."""

    def __init__(self, fault: str) -> None:
        super().__init__(a=Choice(*range(6)), b=Choice(*range(6)))
        self.fault = fault

    def sample(self, *, rng: np.random.Generator) -> Architecture:
        made = super().sample(rng=rng)
        return Architecture(self, (made.codes[0], 9)) if self.fault == "sample" else made

    def mutate(self, architecture: Architecture, *, rng: np.random.Generator) -> Architecture:
        if self.fault == "identity":
            return architecture
        if self.fault == "two decisions":
            return Architecture(self, tuple((code + 1) % 6 for code in architecture.codes))
        return super().mutate(architecture, rng=rng)

    def sample_many(self, n: int, *, rng: np.random.Generator) -> list[Architecture]:
        made = super().sample_many(n, rng=rng)
        return made[::-1] if self.fault == "order" else made

    def neighbors(self, architecture: Architecture) -> Iterator[Architecture]:
        near = super().neighbors(architecture)
        return itertools.chain(near, [architecture]) if self.fault == "neighbor" else near

    def enumerate(self) -> Iterator[Architecture]:
        every = super().enumerate()
        return itertools.islice(every, 30) if self.fault == "enumerate" else every

    def format(self, architecture: Architecture) -> str:
        return '{"a": 1, "b": 1}' if self.fault == "text" else super().format(architecture)

    def encode(self, architectures: Sequence[Architecture], kind: str = "ordinal") -> Any:
        return super().encode(architectures, kind) * (0 if self.fault == "encode" else 1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("identity", "mutate gave .* back"),
        ("two decisions", "not one decision"),
        ("order", "sample_many must give"),
        ("neighbor", "is its own neighbour"),
        ("enumerate", "enumerated 30, but size is 36"),
        ("text", "must be read back"),
        ("encode", "different architectures, equal rows"),
    ],
)
def test_the_suite_notices(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(_Broken(fault), np.random.default_rng(0))


def test_the_suite_notices_what_is_not_valid() -> None:
    with pytest.raises(SpaceError, match="b must be a whole code from 0 to 5; got 9"):
        check_space(_Broken("sample"), np.random.default_rng(0))


def test_the_suite_passes_without_fault() -> None:
    check_space(_Broken(""), np.random.default_rng(0))
