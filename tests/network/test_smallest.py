from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archwright.errors import NetworkError
from archwright.network import counting, parameters, smallest
from archwright.space import Architecture, Choice, Integer, List, Real, Space, space_named


def build_linear(
    architecture: Architecture, input_shape: tuple[int, ...], outputs: int
) -> nn.Module:
    return nn.Sequential(
        nn.Linear(input_shape[0], architecture["width"]),
        nn.Linear(architecture["width"], outputs),
    )


def test_default_spaces() -> None:
    found = smallest(space_named("mlp"), (64,), 10)
    assert found.exact
    assert found.architecture["hidden"] == (50,)
    assert found.parameters == 65 * 50 + 51 * 10
    found = smallest(space_named("cnn"), (1, 8, 8), 10)
    assert found.exact
    assert found.parameters == 9 * 8 + 8 + 9 * 10


_WIDTHS = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True)


@settings(max_examples=25)
@given(
    shape=st.sampled_from([(1, 4, 4), (8, 2, 2)]),
    outputs=st.integers(1, 20),
    width=_WIDTHS,
    kernel=st.permutations([1, 3]),
    stride=st.permutations([1, 2]),
    normalization=st.permutations(["batch", "none"]),
    residual=st.sampled_from([(True, False), (False, True), (False,), (True,)]),
)
def test_way_down_in_cnn_ends_at_the_smallest(
    shape: tuple[int, ...], outputs: int, **options: Any
) -> None:
    space = space_named(
        "cnn",
        max_stages=2,
        max_depth=2,
        activation=("relu",),
        pooling=("avg",),
        dropout=(0.0,),
        **options,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_FEW", 0)  # no exhaustive search
        found = smallest(space, shape, outputs)
    least = min(_buildable(space, shape, outputs))
    assert found.parameters == parameters(found.architecture, shape, outputs) >= least
    if found.exact:
        assert found.parameters == least
    assert found.exact or options["residual"] == (True,) or options["stride"] == [2, 1]


def _buildable(space: Space, shape: tuple[int, ...], outputs: int) -> list[int]:
    counts = []
    for architecture in space.enumerate():
        try:
            counts.append(parameters(architecture, shape, outputs))
        except NetworkError:
            continue
    return counts


@given(
    st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)
)
def test_way_down_in_mlp_ends_at_the_smallest(
    min_layers: int, min_width: int, more: int, features: int, outputs: int
) -> None:
    space = space_named(
        "mlp",
        min_layers=min_layers,
        min_width=min_width,
        max_width=min_width + more,
        activation=("relu",),
        dropout=(0.0,),
        normalization=("batch", "none"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_FEW", 0)
        found = smallest(space, (features,), outputs)
    assert found.exact
    assert found.parameters == min(_buildable(space, (features,), outputs))


def test_small_space_with_own_builder_is_searched_exactly() -> None:
    space = Space(width=Integer(4, 60), other=Choice(1, 2)).bind(build_linear)
    found = smallest(space, (3,), 2)
    assert (found.parameters, found.exact) == (4 * 4 + 5 * 2, True)


def test_large_space_with_own_builder_is_searched_downhill() -> None:
    space = Space(width=Integer(4, 600), rate=Real(0.1, 0.5)).bind(build_linear)
    found = smallest(space, (3,), 2)
    assert (found.parameters, found.exact) == (4 * 4 + 5 * 2, False)


def test_rules_make_the_result_uncertain() -> None:
    space = Space(
        hidden=List(Integer(50, 200), 1, 3),
        name="mlp",
        rules=[("first layer of 60 or more", lambda values: values["hidden"][0] >= 60)],
    )
    found = smallest(space, (64,), 10)
    assert found.architecture["hidden"] == (60,)
    assert not found.exact


def test_nothing_to_build_is_an_error() -> None:
    message = r"no architecture that was tried can be built on inputs of shape \(13,\).*'mlp'"
    with pytest.raises(NetworkError, match=message):
        smallest(space_named("cnn"), (13,), 10)


def test_architectures_that_cannot_be_built_are_passed_over() -> None:
    space = space_named("cnn", stride=(2, 1), min_stages=2)
    found = smallest(space, (1, 2, 2), 10)
    assert found.architecture["stages"][1]["stride"] == 1 or not found.exact
