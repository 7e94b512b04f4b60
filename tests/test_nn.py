from __future__ import annotations

from archwright import nn
from archwright.network import choices


def test_names_are_those_of_the_room() -> None:
    assert sorted(nn.__all__) == ["Choice", "choice", "integer", "real"]
    assert all(getattr(nn, name) is getattr(choices, name) for name in nn.__all__)
