from __future__ import annotations

import subprocess
import sys

import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import SPACES, space_named


def test_size_of_the_plain_mlp() -> None:
    # 1 to 3 hidden layers of 50 to 200 units: 151 + 151**2 + 151**3.
    space = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))
    assert space.size == 151 + 151**2 + 151**3 == 3_465_903
    assert list(space.decisions) == ["hidden"]


def test_default_mlp() -> None:
    space = space_named("mlp")
    assert space.size == 3_465_903 * 4 * 4 * 3
    assert list(space.decisions) == ["hidden", "activation", "dropout", "normalization"]
    assert space.name == "mlp"


def test_mlp_keeps_a_single_option_that_builders_would_not_assume() -> None:
    space = space_named("mlp", activation=("gelu",), dropout=(0.0,), normalization=("none",))
    assert space.size == 3_465_903
    assert next(space.enumerate())["activation"] == "gelu"


def test_mlp_widths() -> None:
    space = space_named("mlp", min_layers=2, max_layers=2, max_width=90, width_step=20)
    assert {a["hidden.0"] for a in space.neighbors(next(space.enumerate()))} == {50, 70, 90}


def test_default_cnn() -> None:
    stage = 3 * 4 * 2 * 2
    space = space_named("cnn")
    assert space.size == (stage + stage**2 + stage**3) * 3 * 2 * 3 * 2 * 3
    assert space.name == "cnn"
    first = next(space.enumerate())
    assert set(first["stages.0"]) == {"depth", "width", "kernel", "stride"}
    others = {"stages", "normalization", "residual", "activation", "pooling", "dropout"}
    assert set(first.values) == others


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown space 'mpl' \(did you mean 'mlp'\?\)"):
        space_named("mpl")
    with pytest.raises(UnknownNameError, match=r"option of space mlp 'max_with' \(did you mean"):
        space_named("mlp", max_with=3)


def test_bad_option() -> None:
    with pytest.raises(SpaceError, match=r"Integer\(300, 200, step=1\): low must not exceed high"):
        space_named("mlp", min_width=300)


def test_every_entry_has_a_summary() -> None:
    assert all(entry.summary for entry in SPACES)


def test_the_room_is_free_of_torch() -> None:
    code = "import sys, archwright.space as s; s.space_named('mlp'); s.space_named('cnn'); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
