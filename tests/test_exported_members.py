"""What a package says it exports is what can be imported from it: complete, sorted, documented."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGES = sorted(
    ".".join(file.parent.relative_to(SOURCE).parts) for file in SOURCE.rglob("__init__.py")
)
MODULES = sorted(
    ".".join(file.relative_to(SOURCE).with_suffix("").parts)
    for file in SOURCE.rglob("*.py")
    if not file.stem.startswith("__")
)


def sort_key(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Order names as ruff does: CONSTANTS, Classes, then the rest; numbers by value."""
    group = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    parts = re.findall(r"\d+|\D+", name)
    return group, [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def public_names(package: str, source: str) -> set[str]:
    """Return the public names that a package binds itself or takes from its own files."""
    names: set[str] = set()
    for node in _statements(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=module, names=aliases, level=level):
                if level or f"{module}.".startswith(f"{package}."):
                    names.update(alias.asname or alias.name for alias in aliases)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the top-level statements, those inside `if` blocks included."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_complete_sorted_and_importable(name: str) -> None:
    package = import_module(name)
    exported = list(package.__all__)
    assert exported == sorted(set(exported), key=sort_key)
    assert [entry for entry in exported if not hasattr(package, entry)] == []
    bound = public_names(name, Path(package.__file__ or "").read_text(encoding="utf-8"))
    assert bound - set(exported) == set()


@pytest.mark.parametrize("name", MODULES)
def test_all_of_a_file_is_sorted_and_importable(name: str) -> None:
    module = import_module(name)
    exported = list(getattr(module, "__all__", ()))
    assert exported == sorted(set(exported), key=sort_key)
    assert [entry for entry in exported if not hasattr(module, entry)] == []


@pytest.mark.parametrize("name", [*PACKAGES, *MODULES])
def test_module_has_a_docstring(name: str) -> None:
    assert (import_module(name).__doc__ or "").strip()


@pytest.mark.parametrize("name", PACKAGES)
def test_exported_classes_and_functions_have_their_own_docstrings(name: str) -> None:
    package = import_module(name)
    bare = [
        entry
        for entry in package.__all__
        if (inspect.isclass(value := getattr(package, entry)) or inspect.isfunction(value))
        and (not value.__doc__ or value.__doc__.startswith(f"{entry}("))  # made by dataclass
    ]
    assert bare == []


def test_public_names_sees_every_way_to_bind() -> None:
    source = (
        "from __future__ import annotations\nfrom typing import Any\nimport math\n"
        "from archwright.errors import SpaceError\nfrom .space import Space as S, _hidden\n"
        "if TYPE_CHECKING:\n    from archwright.room.table import Table\n"
        "LIMIT = 3\ncount: int = 1\n_private = 2\ndef walk(): ...\nclass Room: ...\n"
    )
    own = {"S", "Table", "LIMIT", "count", "walk", "Room"}
    assert public_names("archwright.room", source) == own
    assert public_names("archwright", source) == own | {"SpaceError"}
