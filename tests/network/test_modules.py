from __future__ import annotations

import math
import pickle
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn as tnn

from archwright import nn
from archwright.errors import NetworkError, SpaceError
from archwright.network import build, parameters, space_of
from archwright.space import Choice, Integer, Real, Space


class Plain(tnn.Module):
    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        width = nn.integer("width", 8, 24, step=8)
        self.body = tnn.Sequential(
            *(tnn.Flatten(), tnn.Linear(math.prod(input_shape), width)),
            nn.Choice(relu=tnn.ReLU, gelu=tnn.GELU),
            tnn.Dropout(nn.real("rate", 0.1, 0.4)),
        )
        self.head = tnn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Cell(tnn.Module):
    def __init__(self, channels: int, name: str) -> None:
        super().__init__()
        self.operation = nn.Choice(
            convolution=lambda: tnn.Conv2d(channels, channels, 3, padding=1),
            separable=lambda: tnn.Sequential(
                tnn.Conv2d(
                    *(channels, channels, nn.choice(f"{name}.kernel", 3, 5)),
                    padding="same",
                    groups=channels,
                ),
                nn.Choice(relu=tnn.ReLU, gelu=tnn.GELU),
                tnn.Conv2d(channels, channels, 1),
            ),
            skip=tnn.Identity,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.operation(x)


class Deep(tnn.Module):
    """Decisions within decisions, and a constructor that runs what it has built."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        width = nn.integer("width", 4, 12, step=4)
        self.stem = tnn.Conv2d(input_shape[0], width, 3, padding=1)
        depth = nn.integer("depth", 1, 3)
        self.cells = tnn.Sequential(*(Cell(width, f"cell_{i}") for i in range(depth)))
        features = self.cells(self.stem(torch.zeros(1, *input_shape))).flatten(1).shape[1]
        self.head = tnn.Linear(features, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.stem(x)).flatten(1))


def when(space: Space) -> dict[str, dict[str, Any]]:
    return {path: dict(decision.when) for path, decision in space.decisions.items()}


def test_decisions_are_found_in_the_order_of_asking() -> None:
    space = space_of(Plain)
    assert space.name == "Plain"
    assert dict(space.decisions) == {
        "width": Integer(8, 24, step=8),
        "body.2": Choice("relu", "gelu"),
        "rate": Real(0.1, 0.4),
    }
    assert space_of(Plain, "mine").name == "mine"


def test_network_has_the_chosen_parts_and_no_others() -> None:
    space = space_of(Plain)
    architecture = space.architecture({"width": 16, "body.2": "gelu", "rate": 0.25})
    network = build(architecture, (1, 4, 4), 3, seed=0)
    assert isinstance(network, Plain)
    assert [type(part) for part in network.body] == [
        tnn.Flatten, tnn.Linear, tnn.GELU, tnn.Dropout
    ]  # fmt: skip
    assert network.body[1].weight.shape == (16, 16)
    assert network.body[3].p == 0.25
    assert parameters(architecture, (1, 4, 4), 3) == 17 * 16 + 17 * 3
    assert list(network.state_dict()) == list(Plain((1, 4, 4), 3).state_dict())


def test_dependent_decisions_are_conditional() -> None:
    space = space_of(Deep)
    cells = range(3)
    assert when(space) == {
        "width": {},
        "depth": {},
        "cells.0.operation": {},
        "cells.1.operation": {"depth": (2, 3)},
        "cells.2.operation": {"depth": (3,)},
        **{f"cell_{i}.kernel": {f"cells.{i}.operation": ("separable",)} for i in cells},
        **{
            f"cells.{i}.operation.separable.1": {f"cells.{i}.operation": ("separable",)}
            for i in cells
        },
    }
    per_cell = 2 + 2 * 2
    assert space.size == 3 * (per_cell + per_cell**2 + per_cell**3)


def test_every_architecture_of_a_deep_space_is_what_it_says() -> None:
    space = space_of(Deep)
    for architecture in space.sample_many(20, rng=np.random.default_rng(0)):
        network = build(architecture, (1, 4, 4), 2, seed=0)
        values = architecture.values
        assert isinstance(network, Deep)
        assert len(network.cells) == values["depth"]
        for i, cell in enumerate(network.cells):
            chosen = values[f"cells.{i}.operation"]
            expected = {
                "convolution": tnn.Conv2d,
                "separable": tnn.Sequential,
                "skip": tnn.Identity,
            }
            assert type(cell.operation) is expected[chosen]
            if chosen == "separable":
                assert cell.operation[0].kernel_size[0] == values[f"cell_{i}.kernel"]
                kinds = {"relu": tnn.ReLU, "gelu": tnn.GELU}
                inner = values[f"cells.{i}.operation.separable.1"]
                assert type(cell.operation[1]) is kinds[inner]
        count = sum(p.numel() for p in network.parameters())
        assert parameters(architecture, (1, 4, 4), 2) == count


def test_weights_depend_on_the_seed_only() -> None:
    architecture = space_of(Deep).sample(rng=np.random.default_rng(1))
    first = build(architecture, (1, 4, 4), 2, seed=4).state_dict()
    fresh = space_of(Deep).architecture(architecture.values)  # a builder that remembers nothing
    second = build(fresh, (1, 4, 4), 2, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_reading_a_space_leaves_the_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    space_of(Deep)
    assert torch.equal(torch.rand(3), expected)


def test_candidates_given_as_modules() -> None:
    class Instances(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = tnn.Sequential(nn.Choice(tnn.ReLU(), tnn.GELU()), tnn.Linear(3, 3))
            self.body = nn.Choice(deep=inner, flat=tnn.Linear(3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x)

    space = space_of(Instances)
    assert when(space) == {"body": {}, "body.deep.0": {"body": ("deep",)}}
    assert space.size == 3
    flat, relu, gelu = (
        build(space.architecture(values), (3,), 3, seed=0)
        for values in (
            {"body": "flat"},
            {"body": "deep", "body.deep.0": "ReLU"},
            {"body": "deep", "body.deep.0": "GELU"},
        )
    )
    assert type(flat.body) is tnn.Linear
    assert type(relu.body[0]) is tnn.ReLU
    assert type(gelu.body[0]) is tnn.GELU


def test_same_name_under_both_options_is_one_open_decision() -> None:
    class Shared(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Choice(
                one=lambda: tnn.Linear(3, nn.integer("width", 2, 4)),
                two=lambda: tnn.Linear(3, nn.integer("width", 2, 4), bias=False),
            )

    assert when(space_of(Shared)) == {"body": {}, "width": {}}


def test_either_of_two_answers_brings_it_up() -> None:
    class Either(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            one, two = nn.choice("one", 0, 1), nn.choice("two", 0, 1)
            third = nn.choice("third", 3, 4) if one or two else 3
            self.body = tnn.Linear(third, 1)

    space = space_of(Either)
    assert when(space) == {"one": {}, "two": {}, "third": {}}
    for architecture in space.enumerate():
        with torch.device("meta"):
            build(architecture, (3,), 1, seed=0)


def test_decision_that_two_answers_close() -> None:
    class Both(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            one, two = nn.choice("one", 1, 0), nn.choice("two", 1, 0)
            self.body = tnn.Linear(nn.choice("third", 3, 4) if one and two else 3, 1)

    assert when(space_of(Both))["third"] == {"one": (1,), "two": (1,)}


def test_many_values_are_all_tried_where_others_depend_on_them() -> None:
    class Threshold(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = nn.integer("width", 1, 200)
            self.body = tnn.Linear(width, 1)
            if width == 101:
                self.extra = nn.Choice(a=tnn.ReLU, b=tnn.GELU)
            if width > 150:
                self.more = nn.Choice(a=tnn.ReLU, b=tnn.GELU)

    assert when(space_of(Threshold))["more"] == {"width": tuple(range(151, 201))}


def test_constructor_may_take_what_it_wants() -> None:
    class Nothing(tnn.Module):
        def __init__(self, width: int = 3, **_: Any) -> None:
            super().__init__()
            self.body = tnn.Linear(width, nn.integer("outputs_", 2, 3))

    class Unpacks(tnn.Module):
        def __init__(self, input_shape: tuple[int, ...]) -> None:
            super().__init__()
            (features,) = input_shape
            self.body = tnn.Linear(features, nn.integer("units", 2, 3))

    def make(outputs: int) -> tnn.Module:
        return tnn.Sequential(tnn.Linear(3, outputs), nn.Choice(tnn.ReLU, tnn.GELU))

    assert space_of(Nothing).size == 2
    assert space_of(Unpacks).size == 2
    assert (space_of(make).name, list(space_of(make).decisions)) == ("make", ["1"])
    assert space_of(partial(Cell, 4, "cell")).name == "Cell"


def test_constructor_that_reads_tensors_is_run_for_real() -> None:
    class Reads(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            rates = torch.linspace(0.1, 0.2, nn.integer("depth", 1, 3)).tolist()
            self.body = tnn.Sequential(*(tnn.Dropout(rate) for rate in rates))

    assert space_of(Reads).size == 3


def test_option_that_fails_on_the_stand_in_shape_stays_in_the_space() -> None:
    class Picky(tnn.Module):
        def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
            super().__init__()
            groups = nn.choice("groups", 1, 5)
            self.body = tnn.Conv2d(input_shape[0], 10, 1, groups=groups)

    assert space_of(Picky).size == 2


def test_builders_are_equal_by_constructor_and_can_be_pickled() -> None:
    one, other = space_of(Plain), space_of(Plain)
    assert one.builder == other.builder
    assert pickle.loads(pickle.dumps(one.builder)) == one.builder


def test_threads_do_not_share_their_answers() -> None:
    space = space_of(Deep)
    architectures = space.sample_many(6, rng=np.random.default_rng(3))
    wrong: list[object] = []

    def work(index: int) -> None:
        architecture = architectures[index]
        for _ in range(5):
            network = build(architecture, (1, 4, 4), 2, seed=0)
            if len(network.cells) != architecture["depth"] or len(Deep((1, 4, 4), 2).cells) != 1:
                wrong.append(architecture)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def fails(constructor: Any, message: str, **options: Any) -> None:
    with pytest.raises(SpaceError, match=message):
        space_of(constructor, **options)


def test_name_used_twice_is_an_error() -> None:
    def make() -> tnn.Module:
        return tnn.Sequential(*(tnn.Linear(3, nn.integer("width", 1, 3)) for _ in range(2)))

    fails(make, r"'width' is asked twice by one network; ask once .* such as f'width_\{i\}'")


def test_value_named_like_a_place_is_an_error() -> None:
    def make() -> tnn.Module:
        return tnn.Sequential(nn.Choice(tnn.ReLU, tnn.GELU), tnn.Linear(1, nn.integer("0", 1, 2)))

    fails(make, "'0' is both a value and the place of a Choice; rename one")


def test_same_name_with_another_range_is_an_error() -> None:
    def make() -> tnn.Module:
        depth = nn.integer("depth", 1, 2)
        return tnn.Linear(1, nn.integer("width", 1, depth))

    fails(make, "'width' is asked with 1 to 1 in one case and with 1 to 2 in another")


def test_choice_outside_the_network_is_an_error() -> None:
    class Hidden(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.operations = [nn.Choice(tnn.ReLU, tnn.GELU)]  # a list hides it from torch

    fails(Hidden, "a Choice between ReLU, GELU is not part of the network; assign")


def test_network_that_is_a_choice_is_an_error() -> None:
    fails(lambda: nn.Choice(tnn.ReLU, tnn.GELU), "the whole network is a Choice between ReLU, GELU")


def test_shared_candidate_is_an_error() -> None:
    def make() -> tnn.Module:
        same = tnn.Identity()
        return tnn.Sequential(nn.Choice(same, tnn.ReLU), nn.Choice(same, tnn.GELU))

    fails(make, "'0' is the candidate of two choices; give each Choice modules of its own")


def test_module_without_questions_is_an_error() -> None:
    fails(tnn.ReLU, "ReLU asks nothing in its constructor; use archwright.nn.Choice")


def test_other_arguments_are_an_error() -> None:
    fails(tnn.Linear, "Linear needs the argument 'in_features'; only input_shape and outputs")


def test_module_instead_of_its_class_is_an_error() -> None:
    fails(tnn.ReLU(), r"needs a class of modules .* got ReLU\(\): give its class")
    fails("Net", "needs a class of modules .* got 'Net'")


def test_constructor_that_returns_something_else_is_an_error() -> None:
    fails(lambda: nn.integer("width", 1, 2), "expected a constructor of an nn.Module; it returned")


def test_constructor_that_fails_is_an_error() -> None:
    class Needs(tnn.Module):
        def __init__(self, input_shape: tuple[int, ...]) -> None:
            super().__init__()
            if input_shape != (5, 5, 5, 5):
                raise ValueError("four")
            self.body = tnn.Linear(3, nn.integer("width", 1, 2))

    message = r"Needs fails .* \(3, 32, 32\): ValueError: four; \(16,\).*input_shape=\.\.\."
    fails(Needs, message)
    assert space_of(Needs, input_shape=(5, 5, 5, 5)).size == 2


def test_real_on_which_others_depend_is_an_error() -> None:
    def make() -> tnn.Module:
        rate = nn.real("rate", 0, 1)
        return tnn.Linear(nn.integer("width", 1, 2) if rate > 0.5 else 1, 1)

    fails(make, r"other questions depend on 'rate' \(0.0 to 1.0\), which has too many values")


def test_decision_on_two_answers_at_once_is_an_error() -> None:
    def make() -> tnn.Module:
        one, two = nn.choice("one", 0, 1), nn.choice("two", 0, 1)
        return tnn.Linear(nn.integer("width", 1, 2) if one and two else 1, 1)

    fails(make, r"asks for 'width' \(1 to 2\), which is not open in .*: ask for it in every case")


def test_constructor_that_depends_on_chance_is_an_error() -> None:
    toss = iter(range(10_000))

    def make() -> tnn.Module:
        first, second = (nn.Choice(a=tnn.ReLU, b=tnn.GELU) for _ in range(2))
        order = [first, second] if next(toss) % 2 else [second, first]
        return tnn.Sequential(*order)

    with pytest.raises((SpaceError, NetworkError), match="must not depend on chance"):
        space_of(make)
