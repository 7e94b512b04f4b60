"""Spaces by name: from the catalog, from a user's file, or from another process."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from torch import nn

from archwright.errors import ArchwrightError, SpaceError, UnknownNameError
from archwright.network.modules import ModuleBuilder, space_of
from archwright.network.registry import BUILDERS
from archwright.space import SPACES, Space, space_named

__all__ = ["Reference", "load_space", "reference_of"]

Reference: TypeAlias = str | dict[str, Any]
"""A JSON value from which `load_space` rebuilds a space in another process: a name, a
"file.py:NAME", or {"space": JSON of the space, "builder": "file.py:FUNCTION"}, where "options"
hold the keywords of a `functools.partial`."""

_PREFIX = "archwright_user_"
_NOTHING = object()  # what has no JSON


def load_space(reference: Reference | Space | Callable[..., nn.Module], **options: Any) -> Space:
    """Return the space that a reference stands for.

    Args:
        reference: A name in the catalog ("mlp"); "file.py:NAME" or "package.module:NAME", where
            NAME is a space, a class of modules with choices, or a function without arguments that
            returns a space; what `reference_of` returned; or a space or class of modules itself.
        options: Options of a space of the catalog.

    Raises:
        SpaceError: If the file is missing or fails, or NAME is something else.
        UnknownNameError: If there is no such name in the file or in the catalog.
    """
    if isinstance(reference, str) and ":" not in reference and not reference.endswith(".py"):
        return space_named(reference, **options)
    if options:
        raise SpaceError(f"only spaces of the catalog take options; got {sorted(options)} as well")
    if isinstance(reference, Mapping):
        return _rebuilt(reference)
    if isinstance(reference, str):
        return _as_space(_load(reference), reference)
    return _as_space(reference, repr(reference))


def reference_of(space: Reference | Space | Callable[..., nn.Module]) -> Reference | None:
    """Return a JSON value from which `load_space` makes the same space in another process.

    Returns:
        None if there is none: the builder or the rules are not at the top of a file or module, or
        the options of a partial builder are no plain data nor dataclasses of it.
    """
    if isinstance(space, str):
        path, colon, name = space.rpartition(":")
        return f"{Path(path).resolve()}:{name}" if colon and path.endswith(".py") else space
    if isinstance(space, Mapping):
        return dict(space)
    if not isinstance(space, Space):
        space = _as_space(space, repr(space))
    options: dict[str, Any] | None = {}
    if isinstance(space.builder, ModuleBuilder):
        target = _target_of(space.builder.constructor)
        simple = target is not None and space_of(space.builder.constructor) == space
        if simple and inspect.isclass(space.builder.constructor):
            return target
        kind = "constructor"
    elif space.builder is None:
        if space.name in SPACES and space_named(space.name) == space:
            return space.name
        target, kind = "", ""
        if space.name not in BUILDERS:
            return None
    else:
        function, options = _taken_apart(space.builder)
        target, kind = _target_of(function), "builder"
    derived = type(space) is not Space and space.catalog is None
    if target is None or options is None or "rules" in space.to_json() or derived:
        return None
    described: dict[str, Any] = {"space": space.to_json()}
    if kind:
        described[kind] = target
    return described | {"options": options} if options else described


def _rebuilt(reference: Mapping[str, Any]) -> Space:
    space = Space.from_json(reference["space"])
    if "constructor" in reference:
        return space.bind(ModuleBuilder(_load(reference["constructor"])))
    if "builder" in reference:
        builder = _load(reference["builder"])
        options = {n: _option(value) for n, value in reference.get("options", {}).items()}
        return space.bind(partial(builder, **options) if options else builder)
    return space


def _taken_apart(builder: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return the function behind a builder and its options as JSON, or None if they have none."""
    if not isinstance(builder, partial):
        return builder, {}
    options = {name: _described(value) for name, value in builder.keywords.items()}
    if builder.args or _NOTHING in options.values():
        return builder.func, None
    return builder.func, options


def _described(value: object) -> Any:
    """Return plain data, or the fields and class of a dataclass, as JSON."""
    if value is None or isinstance(value, str | int | float):
        return value
    target = _target_of(type(value))
    if not is_dataclass(value) or target is None:
        return _NOTHING
    described = {f.name: _described(getattr(value, f.name)) for f in fields(value)}
    if _NOTHING in described.values():
        return _NOTHING
    return {"class": target, "fields": described}


def _option(described: Any) -> Any:
    """Return the value that `_described` described."""
    if not isinstance(described, Mapping):
        return described
    values = {name: _option(value) for name, value in described["fields"].items()}
    kind = _load(described["class"])
    if not (inspect.isclass(kind) and is_dataclass(kind)):
        raise SpaceError(
            f"an option of a builder must be plain data or a dataclass; got {described['class']}"
        )
    return kind(**values)


def _as_space(found: object, where: str) -> Space:
    if isinstance(found, Space):
        return found
    if inspect.isclass(found) and issubclass(found, nn.Module):
        return space_of(found)
    if inspect.isfunction(found) and not _required(found):
        made = found()
        if isinstance(made, Space):
            return made
        found = made
    raise SpaceError(
        f"{where} must be a Space, a class of nn.Module with choices, or a function without "
        f"arguments that returns a Space; got {found!r}"
    )


def _required(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    return False


def _load(reference: str) -> Any:
    """Return the object at "file.py:NAME" or "module:NAME"; NAME may be dotted."""
    place, colon, name = reference.rpartition(":")
    if not colon:
        place, name = reference, ""
    module = _load_file(Path(place)) if place.endswith(".py") else _import(place)
    names = [n for n, value in vars(module).items() if _could_be_space(value, module)]
    if not name:
        raise SpaceError(
            f"{reference!r} says which file, but not what to take from it; write "
            f"{reference}:NAME, with NAME one of: {', '.join(names) or 'none'}"
        )
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnknownNameError(f"name in {place}", name, names)
        found = getattr(found, part)
    return found


def _could_be_space(value: object, module: ModuleType) -> bool:
    own = getattr(value, "__module__", None) == module.__name__
    return isinstance(value, Space) or (
        own
        and (
            (inspect.isclass(value) and issubclass(value, nn.Module))
            or (inspect.isfunction(value) and not _required(value))
        )
    )


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise SpaceError(
            f"no module {name!r} to load a space from ({error}); write file.py:NAME or "
            f"package.module:NAME, or name a space of the catalog: {', '.join(SPACES.names())}"
        ) from error


def _load_file(path: Path) -> ModuleType:
    """Execute a user's file once for each of its versions, under a name of its own."""
    try:
        resolved = path.resolve(strict=True)
        state = resolved.stat()
    except OSError as error:
        raise SpaceError(
            f"no file {str(path)!r} to load a space from (looked in {Path.cwd()})"
        ) from error
    name = _PREFIX + hashlib.sha256(str(resolved).encode()).hexdigest()[:16]
    version = (state.st_mtime_ns, state.st_size)
    module = sys.modules.get(name)
    if module is not None and getattr(module, "__archwright_version__", None) == version:
        return module
    spec = spec_from_file_location(name, resolved)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = module_from_spec(spec)
    vars(module)["__archwright_version__"] = version
    previous = sys.modules.get(name)
    sys.modules[name] = module  # classes of the file are pickled by this name
    sys.path.insert(0, str(resolved.parent))  # as for a script: its neighbours can be imported
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if previous is None:
            del sys.modules[name]
        else:
            sys.modules[name] = previous
        if isinstance(error, ArchwrightError):
            raise
        raise SpaceError(
            f"{str(path)!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(str(resolved.parent))
    return module


def _target_of(function: object) -> str | None:
    """Return the "file.py:NAME" or "package.module:NAME" of a class or function, if it has one."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", None)
    if module is None or name is None:
        return None
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function:
        return None
    if "." in module.__name__:
        return f"{module.__name__}:{name}"
    # A script, a user's file, or a file beside it: found by its place wherever the worker starts.
    file = getattr(module, "__file__", None)
    return f"{Path(file).resolve()}:{name}" if file and file.endswith(".py") else None
