from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn as tnn

from archwright import nn
from archwright.errors import SpaceError, UnknownNameError
from archwright.network import build, load_space, reference_of, space_of
from archwright.space import Architecture, Choice, Integer, Space, space_named

FILE = """
import torch
from archwright import nn
from archwright.space import Integer, Space
from neighbour import WIDTH

class Net(torch.nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        width = nn.integer("width", 2, WIDTH)
        self.body = torch.nn.Sequential(torch.nn.Linear(input_shape[-1], width),
                                        nn.Choice(torch.nn.ReLU, torch.nn.GELU),
                                        torch.nn.Linear(width, outputs))

    def forward(self, x):
        return self.body(x)

def make(architecture, input_shape, outputs):
    return torch.nn.Linear(input_shape[0], outputs, bias=architecture["width"] > 2)

space = Space(width=Integer(2, WIDTH)).bind(make)

def spaces(high=5):
    return Space(width=Integer(2, high)).bind(make)

class Inner:
    space = space

number = 3
def wrong():
    return number
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WIDTH = 9\n")
    path = tmp_path / "my_spaces.py"
    path.write_text(FILE)
    return path


@pytest.fixture(autouse=True)
def _forget_neighbour() -> Any:
    yield
    sys.modules.pop("neighbour", None)


def test_names_of_the_catalog() -> None:
    assert load_space("mlp") == space_named("mlp")
    assert load_space("mlp", max_layers=2) == space_named("mlp", max_layers=2)
    with pytest.raises(UnknownNameError, match=r"unknown space 'mlpp'.*did you mean 'mlp'"):
        load_space("mlpp")


def test_names_in_a_file(file: Path) -> None:
    assert load_space(f"{file}:space").size == 8
    assert load_space(f"{file}:Inner.space").size == 8
    assert load_space(f"{file}:spaces").size == 4
    space = load_space(f"{file}:Net")
    assert (space.name, space.size) == ("Net", 16)
    architecture = space.sample(rng=np.random.default_rng(0))
    assert build(architecture, (4,), 3, seed=0)(torch.zeros(2, 4)).shape == (2, 3)


def test_relative_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_space("my_spaces.py:space").size == 8
    assert reference_of("my_spaces.py:space") == f"{file}:space"
    assert str(file.parent) not in sys.path


def test_file_is_executed_once_until_it_changes(file: Path) -> None:
    first = load_space(f"{file}:space")
    assert load_space(f"{file}:space") is first
    file.write_text(FILE.replace("Integer(2, WIDTH)", "Integer(2, WIDTH + 10)"))
    assert load_space(f"{file}:space").size == 18


def test_objects_are_taken_as_they_are() -> None:
    space = Space(width=Integer(1, 3))
    assert load_space(space) is space
    assert load_space(Module) == space_of(Module)


def test_names_in_an_installed_module() -> None:
    assert load_space("archwright.space.catalog.mlp:mlp") == space_named("mlp")


class Module(tnn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Choice(relu=tnn.ReLU, gelu=tnn.GELU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def make_linear(
    architecture: Architecture, input_shape: tuple[int, ...], outputs: int
) -> tnn.Module:
    return tnn.Linear(input_shape[0], outputs)


def test_references_work_in_another_process(file: Path, tmp_path: Path) -> None:
    spaces = [load_space(f"{file}:{name}") for name in ("space", "spaces", "Net")]
    builder = spaces[0].builder
    assert builder is not None
    spaces.append(Space(width=Integer(3, 4), other=Choice("a", "b")).bind(builder))
    code = """
import json, sys
from archwright.network import load_space, build
for reference in json.loads(sys.argv[1]):
    space = load_space(reference)
    network = build(space.from_codes([0] * len(space.slots)), (4,), 3, seed=5)
    print(space.fingerprint, float(next(network.parameters()).detach().sum()))
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps([reference_of(space) for space in spaces])],
        check=True,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    for space, line in zip(spaces, answer.stdout.splitlines(), strict=True):
        first = space.from_codes([0] * len(space.slots))
        weights = next(build(first, (4,), 3, seed=5).parameters()).detach()
        assert line.split() == [space.fingerprint, str(float(weights.sum()))]


def test_references_of_the_catalog() -> None:
    assert reference_of("mlp") == "mlp"
    assert reference_of(space_named("mlp")) == "mlp"
    space = space_named("mlp", max_width=60)
    reference = reference_of(space)
    assert reference == {"space": space.to_json()}
    assert load_space(reference) == space
    assert reference_of(reference) == reference


def test_reference_of_a_renamed_module_space(file: Path) -> None:
    constructor = load_space(f"{file}:Net").builder.constructor  # type: ignore[union-attr]
    assert reference_of(constructor) == f"{file}:Net"
    space = space_of(constructor, "mine")
    rebuilt = load_space(json.loads(json.dumps(reference_of(space))))
    assert rebuilt == space
    assert rebuilt.builder == space.builder


def test_what_no_other_process_can_find_has_no_reference() -> None:
    class Local(Module):
        pass

    assert reference_of(space_of(Local)) is None
    assert reference_of(Space(width=Integer(1, 3)).bind(lambda *_: tnn.ReLU())) is None
    assert reference_of(Space(width=Integer(1, 3))) is None
    rules = [("odd", lambda values: values["width"] % 2 == 1)]
    assert reference_of(Space(width=Integer(1, 3), rules=rules).bind(make_linear)) is None


def fails(reference: Any, message: str, kind: type[Exception] = SpaceError, **more: Any) -> None:
    with pytest.raises(kind, match=message):
        load_space(reference, **more)


def test_missing_file_is_an_error() -> None:
    fails("nowhere.py:space", r"no file 'nowhere.py' to load a space from \(looked in ")


def test_missing_name_is_an_error_with_the_nearest(file: Path) -> None:
    message = r"unknown name in .*my_spaces.py 'Nett' \(did you mean 'Net'\?\); allowed: .*space"
    fails(f"{file}:Nett", message, UnknownNameError)


def test_file_without_name_is_an_error(file: Path) -> None:
    fails(str(file), r"but not what to take from it; write .*my_spaces.py:NAME, with NAME one of: ")
    fails(f"{file}:", "NAME one of: Net, space, spaces, wrong")


def test_wrong_type_is_an_error(file: Path) -> None:
    fails(f"{file}:number", r"my_spaces.py:number must be a Space, a class .* got 3")
    fails(f"{file}:wrong", r"my_spaces.py:wrong must be a Space, a class .* got 3")
    fails(f"{file}:make", r"my_spaces.py:make must be a Space, a class .* got <function make")
    fails(7, "7 must be a Space")


def test_file_that_fails_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import torch\nraise RuntimeError('half way')\n")
    fails(f"{path}:space", r"broken.py' cannot be loaded: RuntimeError: half way")
    path.write_text("def (:\n")
    fails(f"{path}:space", r"broken.py' cannot be loaded: SyntaxError")
    path.write_text("from archwright.space import Integer, Space\nspace = Space(a=Integer(5, 3))\n")
    fails(f"{path}:space", "low must not exceed high")
    assert not [
        name
        for name in sys.modules
        if name.startswith("archwright_user_")
        and getattr(sys.modules[name], "__file__", "") == str(path)
    ]


def test_missing_module_is_an_error() -> None:
    fails("no_such_module:space", r"no module 'no_such_module' .* catalog: cnn, .*mlp")


def test_options_are_for_the_catalog_only(file: Path) -> None:
    fails(f"{file}:space", r"only spaces of the catalog take options; got \['depth'\]", depth=3)
