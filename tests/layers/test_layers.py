"""The direction of dependency: every import in the source is an edge of the table, or fails here.

An import counts wherever it stands: at the top, inside a function, under TYPE_CHECKING (knowing a
type is knowing the room), as text given to `import_module`, or as the lazy "module:attribute" of
a registry. Stricter still, a torch-free room names torch only in the files listed for it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "archwright"

GROUND = {"canonical", "errors", "files", "registry", "seeding"}

TORCH_WING = {"data", "cost", "train", "proxy", "network", "supernet"}

# What each room may import besides the ground and itself.
TABLE: dict[str, set[str]] = {
    "space": set(),
    "trial": {"space"},
    "predictor": {"space"},
    "strategy": {"space", "trial", "predictor"},
    "benchmark": {"space", "trial"},
    "data": set(),
    "cost": set(),
    "train": {"data"},
    "proxy": {"data", "cost"},
    "network": {"space"},
    "supernet": {"space", "network", "data", "train"},
    "evaluate": {"space", "trial", "predictor", "benchmark"} | TORCH_WING,
    "store": {"space", "trial"},
    "run": {"space", "trial", "strategy", "evaluate", "supernet", "store"},
    "report": {"space", "trial", "store"},
    "export": {"space", "network", "data", "ensemble", "trial"},
}
ROOMS = set(TABLE)

# `cli` may import anything (but testing), `testing` any room (but cli); nobody imports them.
# Front-door files stand above the rooms and below cli. They must be lazy: see the last tests.
FRONT_DOOR = {"archwright", "estimators", "frontdoor", "nn"}
TABLE["testing"] = ROOMS | FRONT_DOOR
for _file in FRONT_DOOR:
    TABLE[_file] = ROOMS | FRONT_DOOR
TABLE["cli"] = ROOMS | FRONT_DOOR

TORCH_FREE = {"space", "trial", "predictor", "strategy", "benchmark", "store", "report"}
# Files of torch-free rooms that may import torch, because the idea needs it; the room's
# `__init__` must not load them.
TORCH_FILES: set[str] = set()

# Packages that belong in one place only.
AT_HOME = {"ray": ("run/ray.py",), "typer": ("cli/",)}
# What a room may import from outside, where the table says so.
OUTSIDE = {"space": {"numpy"}}

IMPORT_NAMES = {"google-crc32c": "google_crc32c", "scikit-learn": "sklearn", "pillow": "PIL"}

_LAZY_TARGET = re.compile(r"(archwright(?:\.\w+)+):\w+")


@dataclass(frozen=True)
class Import:
    """One imported name: where it stands, and the dotted module."""

    path: str  # relative to the package, "space/space.py"
    line: int
    module: str

    @property
    def importer(self) -> str:
        """The room or file that imports."""
        return _owner(Path(self.path).with_suffix("").parts)

    @property
    def imported(self) -> str:
        """The room or file of archwright that is imported, or the top-level package."""
        top, *inner = self.module.split(".")
        return _owner(inner) if top == "archwright" else top

    @property
    def inside(self) -> bool:
        """Whether archwright imports from itself."""
        return self.module.split(".")[0] == "archwright"


def _owner(parts: tuple[str, ...] | list[str]) -> str:
    """Return the room or file that a path inside the package belongs to."""
    return "archwright" if not parts or parts[0] == "__init__" else parts[0]


def imports(path: str, source: str) -> Iterator[Import]:
    """Yield every import of one file, however it is written."""
    folders = Path(path).parent.parts
    package = ".".join(("archwright", *folders))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(path, node.lineno, alias.name)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = resolve_name("." * level + (module or ""), package)
                # `from archwright import space` imports a room, or a name of the front door.
                rooms = {*TABLE, *GROUND, *TORCH_WING}
                for alias in names:
                    inner = base == "archwright" and alias.name in rooms
                    yield Import(path, node.lineno, f"{base}.{alias.name}" if inner else base)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                called = getattr(function, "attr", getattr(function, "id", ""))
                if called in ("import_module", "__import__"):
                    yield Import(path, node.lineno, resolve_name(name, package))
            case ast.Constant(value=str(text)):
                if lazy := _LAZY_TARGET.fullmatch(text):
                    yield Import(path, node.lineno, lazy[1])
            case _:
                pass


def violation(edge: Import) -> str | None:
    """Return what is wrong with an import, or None."""
    where = f"{edge.path}:{edge.line}"
    importer, imported = edge.importer, edge.imported
    if edge.inside:
        if importer in GROUND:
            allowed = GROUND
        elif importer in TABLE:
            allowed = TABLE[importer] | GROUND | {importer}
        else:
            return f"{where}: {importer!r} has no row in the table"
        if imported not in allowed:
            return f"{where}: {importer} must not import {imported} ({edge.module})"
    else:
        homes = AT_HOME.get(imported)
        if homes and not edge.path.startswith(homes):
            return f"{where}: {imported} is imported only in {', '.join(homes)}"
        torch_free = importer in TORCH_FREE | GROUND and edge.path not in TORCH_FILES
        if imported == "torch" and torch_free:
            return f"{where}: {importer} is torch-free; list the file in TORCH_FILES if it must"
        outside = OUTSIDE.get(importer)
        if outside is not None and imported not in outside | sys.stdlib_module_names:
            return f"{where}: {importer} imports nothing but {', '.join(outside)}; got {imported}"
    return None


def source_files() -> dict[str, str]:
    """Return every source file of the package: relative path to text."""
    return {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
    }


def all_imports(files: Mapping[str, str]) -> list[Import]:
    return [edge for path, text in files.items() for edge in imports(path, text)]


def test_every_import_is_an_edge_of_the_table() -> None:
    edges = all_imports(source_files())
    assert len(edges) > 20
    assert sorted({wrong for edge in edges if (wrong := violation(edge))}) == []


def test_every_folder_and_file_has_a_place_in_the_table() -> None:
    places = {_owner(Path(path).with_suffix("").parts) for path in source_files()}
    assert places - set(TABLE) - GROUND == set()


def test_rooms_form_no_cycle() -> None:
    rooms = {room: TABLE[room] & ROOMS for room in ROOMS}
    assert set(TopologicalSorter(rooms).static_order()) >= ROOMS


def test_outside_packages_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    names = [re.match(r"[\w.-]+", line)[0].lower() for line in listed]
    known = {IMPORT_NAMES.get(name, name) for name in names}
    used = {edge.imported for edge in all_imports(source_files()) if not edge.inside}
    assert used - sys.stdlib_module_names - known == set()


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("space/space.py", "import torch", "space is torch-free"),
        ("space/space.py", "import pandas", "space imports nothing but numpy"),
        ("space/space.py", "from archwright.trial import Trial", "space must not import trial"),
        ("space/catalog/mlp.py", "from ...trial import Trial", "space must not import trial"),
        ("trial/goals.py", "from archwright import store", "trial must not import store"),
        ("trial/goals.py", "import archwright", "trial must not import archwright"),
        ("trial/goals.py", "from archwright import Study", "trial must not import archwright"),
        ("strategy/grid.py", "def f():\n    import torch.nn", "grid.py:2: strategy is torch-free"),
        ("strategy/grid.py", "from archwright.run import x", "strategy must not import run"),
        ("data/load.py", "import archwright.space", "data must not import space"),
        (
            "train/fit.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from archwright.space import Architecture",
            "fit.py:3: train must not import space",
        ),
        ("report/html.py", "import_module('archwright.run')", "report must not import run"),
        ("report/html.py", "importlib.import_module('..run', x)", "report must not import run"),
        ("store/sql.py", "R.register('a', 'archwright.run.study:S')", "store must not import run"),
        ("run/study.py", "import ray", "ray is imported only in run/ray.py"),
        ("run/study.py", "from archwright.cli import app", "run must not import cli"),
        ("run/study.py", "from archwright.testing import toys", "run must not import testing"),
        ("run/study.py", "from archwright.data import load", "run must not import data"),
        ("cli/search.py", "import archwright.testing", "cli must not import testing"),
        ("testing/stores.py", "import archwright.cli", "testing must not import cli"),
        ("errors.py", "from archwright.space import Space", "errors must not import space"),
        ("registry.py", "import torch", "registry is torch-free"),
        ("utils/misc.py", "import archwright.errors", "'utils' has no row in the table"),
    ],
)
def test_a_violation_is_found(path: str, source: str, message: str) -> None:
    wrong = [violation(edge) for edge in imports(path, source)]
    assert message in str(wrong)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("space/space.py", "import numpy as np\nimport math\nfrom archwright import errors"),
        ("space/catalog/mlp.py", "from archwright.space.space import Space"),
        ("space/catalog/mlp.py", "from .. import Space"),
        ("trial/records.py", "from archwright.space import Space"),
        ("evaluate/train.py", "import torch\nfrom archwright.train import fit"),
        ("run/ray.py", "import ray"),
        ("testing/stores.py", "from archwright.store import Store"),
        ("cli/search.py", "import typer\nfrom archwright.run import Study"),
        ("errors.py", "'archwright.run is only mentioned'"),
    ],
)
def test_an_allowed_import_passes(path: str, source: str) -> None:
    edges = list(imports(path, source))
    assert [wrong for edge in edges if (wrong := violation(edge))] == []


def modules_after(*imported: str) -> set[str]:
    """Return the top-level modules that a fresh process holds after importing the given ones."""
    code = (
        f"import sys, {', '.join(imported)}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_torch_free_rooms_and_the_command_line_load_no_torch() -> None:
    rooms = [room for room in sorted(TORCH_FREE | {"cli"}) if (SOURCE / room).is_dir()]
    assert {"space", "trial", "strategy", "store", "report", "cli"} <= set(rooms)
    loaded = modules_after(*(f"archwright.{room}" for room in rooms))
    assert "archwright" in loaded
    assert not loaded & {"torch", "ray"}


def test_front_door_loads_nothing_heavy() -> None:
    heavy = {"torch", "ray", "pandas", "sklearn", "scipy", "matplotlib", "sqlalchemy", "typer"}
    assert not modules_after("archwright") & heavy
