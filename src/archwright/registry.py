"""Names that users type, and the code they stand for.

A room that can be extended owns one `Registry`. An entry is registered as an object or, so that
nothing is imported before it is used, as the text "package.module:attribute". Installed packages
add entries through the registry's entry-point group without a line changed here. Case does not
matter in a name, nor whether it is written with "-" or "_".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from archwright.errors import UnknownNameError

__all__ = ["Entry", "Registry"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One registered name: its target, a one-line summary and the other names it answers to."""

    name: str
    target: object
    summary: str
    aliases: tuple[str, ...] = ()


class Registry(Generic[T]):
    """A table from name to object, loaded on first use.

    Args:
        kind: What the names stand for, in words; used in error messages.
        group: Entry-point group in which other packages may add entries.

    Example:
        >>> shapes = Registry[object]("shape", group="archwright.shapes")
        >>> shapes.register("square", "archwright.registry:Entry", summary="four equal sides")
        >>> shapes.get("sqare")
        Traceback (most recent call last):
        archwright.errors.UnknownNameError: unknown shape 'sqare' (did you mean 'square'?); \
allowed: square
    """

    def __init__(self, kind: str, *, group: str) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, str] = {}  # folded name or alias to name
        self._plugins_loaded = False

    def register(
        self, name: str, target: T | str, *, summary: str, aliases: tuple[str, ...] = ()
    ) -> None:
        """Add an entry.

        Raises:
            ValueError: If the name or an alias is taken.
        """
        folded = [_fold(known) for known in (name, *aliases)]
        for known, key in zip((name, *aliases), folded, strict=True):
            if key in self._names:
                raise ValueError(f"{self.kind} {known!r} is registered already")
        self._entries[name] = Entry(name, target, summary, aliases)
        self._names.update(dict.fromkeys(folded, name))

    def entry(self, name: str) -> Entry:
        """Return the entry for a name or alias, without importing its target.

        Raises:
            UnknownNameError: If there is none; names the nearest one.
        """
        self._load_plugins()
        known = self._names.get(_fold(name))
        if known is None:
            raise UnknownNameError(self.kind, name, self.names())
        return self._entries[known]

    def get(self, name: str) -> T:
        """Return the registered object, importing it if it was given as text.

        Raises:
            UnknownNameError: If the name is not registered.
        """
        target = self.entry(name).target
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            target = getattr(import_module(module), attribute)
        return cast(T, target)

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted, aliases left out."""
        self._load_plugins()
        return tuple(sorted(self._entries))

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return isinstance(name, str) and _fold(name) in self._names

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for point in entry_points(group=self.group):
            summary = f"from the package {point.dist.name}" if point.dist else "from a package"
            try:
                self.register(point.name, point.value, summary=summary)
            except ValueError as taken:
                _logger.warning("ignored an entry point of %s: %s", self.group, taken)


def _fold(name: str) -> str:
    """Return the form in which names are compared."""
    return name.lower().replace("_", "-")
