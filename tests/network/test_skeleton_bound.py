"""A skeleton is an option of a builder: it travels with the space, and counting follows it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import SpaceError
from archwright.network import build, load_space, parameters, reference_of, smallest
from archwright.network.nasbench101 import build_nasbench101
from archwright.network.nasbench201 import build_nasbench201, nasbench201_parameters
from archwright.network.nasbench_macro import MacroSkeleton, build_nasbench_macro
from archwright.network.skeleton import Skeleton
from archwright.space import Architecture, Choice, Space, space_named

SMALL = Skeleton(stem=8, cells=1)


def bound(name: str, builder: Callable[..., Any], **options: Any) -> Space:
    return space_named(name).bind(partial(builder, **options))


SPACES = {
    "nasbench101": (build_nasbench101, SMALL),
    "nasbench201": (build_nasbench201, Skeleton(stem=4, cells=1, stacks=2)),
    "nasbench-macro": (build_nasbench_macro, MacroSkeleton(stem=4, features=32)),
}


@pytest.mark.parametrize("name", SPACES)
def test_skeleton_comes_back_from_the_reference(name: str) -> None:
    builder, skeleton = SPACES[name]
    space = bound(name, builder, skeleton=skeleton)
    reference = json.loads(json.dumps(reference_of(space)))
    rebuilt = load_space(reference)
    assert rebuilt == space
    assert isinstance(rebuilt.builder, partial)
    assert (rebuilt.builder.func, rebuilt.builder.keywords) == (builder, {"skeleton": skeleton})


def test_reference_works_in_another_process(tmp_path: Path) -> None:
    space = bound("nasbench101", build_nasbench101, skeleton=SMALL)
    code = """
import json, sys
from archwright.network import load_space, build
space = load_space(json.loads(sys.argv[1]))
network = build(space.parse(sys.argv[2]), (1, 8, 8), 10, seed=5)
print(sum(p.numel() for p in network.parameters()), float(network.head.weight.detach().sum()))
"""
    cell = space.parse("0101/0010/0001/0000; conv3x3-bn-relu, maxpool3x3")
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps(reference_of(space)), space.format(cell)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    network = build(cell, (1, 8, 8), 10, seed=5)
    weights = float(network.head.weight.detach().sum())
    assert answer.stdout.split() == [str(parameters(cell, (1, 8, 8), 10)), str(weights)]


def test_spaces_of_the_catalog_with_options_have_references() -> None:
    space = space_named("nasbench201", equivalence="isomorphism")
    reference = reference_of(space)
    assert reference == {
        "space": {"catalog": "nasbench201", "options": {"equivalence": "isomorphism"}}
    }
    assert load_space(reference) == space
    assert reference_of(space_named("nasbench201")) == "nasbench201"


def test_formula_follows_the_skeleton() -> None:
    skeleton = Skeleton(stem=4, cells=1)
    space = bound("nasbench201", build_nasbench201, skeleton=skeleton)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archwright.network.counting._built_parameters", None)  # nothing is built
        found = smallest(space, (1, 8, 8), 3)
    assert found.exact
    network = build(found.architecture, (1, 8, 8), 3, seed=0)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    plain = space_named("nasbench201").from_codes(found.architecture.codes)
    assert found.parameters == nasbench201_parameters(plain, (1, 8, 8), 3, skeleton=skeleton)


def other_builder(
    architecture: Architecture, input_shape: tuple[int, ...], outputs: int, *, width: int
) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1], width), nn.Linear(width, outputs))


@dataclass(frozen=True)
class Nested:
    inner: Any
    bias: bool = True


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201"])
def test_momentum_of_a_skeleton_reaches_the_network(name: str) -> None:
    skeleton = Skeleton(stem=8, cells=1, momentum=0.25)
    space = bound(name, SPACES[name][0], skeleton=skeleton)
    network = build(space.sample(rng=np.random.default_rng(1)), (1, 8, 8), 3, seed=0)
    found = {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)}
    assert found == {0.25}


def test_formula_is_not_for_other_builders() -> None:
    space = bound("nasbench201", other_builder, width=5)
    chosen = space.from_codes([0] * 6)
    assert parameters(chosen, (1, 8), 3) == 9 * 5 + 6 * 3
    local = Space(width=Choice(1, 2)).bind(partial(other_builder, width=5))
    assert parameters(local.from_codes([0]), (1, 8), 3) == 9 * 5 + 6 * 3


def test_options_that_travel() -> None:
    for value in (3, "wide", None, 0.5, Nested(SMALL), Nested(Nested(None), bias=False)):
        space = Space(width=Choice(1, 2)).bind(partial(other_builder, width=value))
        rebuilt = load_space(json.loads(json.dumps(reference_of(space))))
        assert isinstance(rebuilt.builder, partial)
        assert rebuilt.builder.keywords == {"width": value}


def test_options_that_do_not_travel() -> None:
    for value in (torch.zeros(2), [1, 2], Nested(object()), object()):
        space = Space(width=Choice(1, 2)).bind(partial(other_builder, width=value))
        assert reference_of(space) is None
    positional = Space(width=Choice(1, 2)).bind(partial(other_builder, None))
    assert reference_of(positional) is None


def test_option_of_another_class_is_an_error() -> None:
    reference = reference_of(bound("nasbench201", build_nasbench201, skeleton=SMALL))
    assert isinstance(reference, dict)
    for name in ("subprocess:Popen", "archwright.network.nasbench201:build_nasbench201"):
        reference["options"]["skeleton"] = {"class": name, "fields": {"stem": 4}}
        with pytest.raises(SpaceError, match=f"must be plain data or a dataclass; got {name}"):
            load_space(reference)
