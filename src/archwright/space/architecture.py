"""The frozen answer to every decision of one space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from archwright.canonical import digest
from archwright.errors import UnknownNameError
from archwright.space._frozen import FrozenDict
from archwright.space._nodes import Code, Node

if TYPE_CHECKING:
    from archwright.space.space import Space

__all__ = ["Architecture"]


class Architecture:
    """One architecture: a value that is hashed and compared by what it says.

    Spaces make architectures (`Space.sample`, `Space.architecture`, `Space.from_codes`); the
    constructor trusts that the codes are valid and canonical.

    Args:
        space: The space it belongs to.
        codes: One number per slot of the space: the index of an option, the place on an integer
            grid, or the value of a real; 0 where the decision is not open.

    Example:
        >>> from archwright.space import Choice, Integer, Space
        >>> space = Space(width=Integer(50, 200), activation=Choice("relu", "gelu"))
        >>> architecture = space.architecture({"width": 64, "activation": "gelu"})
        >>> architecture["width"], architecture.codes
        (64, (14, 1))
    """

    __slots__ = ("_key", "_values", "codes", "space")
    space: Space
    codes: tuple[Code, ...]
    _values: FrozenDict | None
    _key: str | None

    def __init__(self, space: Space, codes: tuple[Code, ...]) -> None:
        _set_space(self, space)
        _set_codes(self, codes)
        _set_values(self, None)
        _set_key(self, None)

    @property
    def values(self) -> FrozenDict:
        """Read-only dict from name to value; decisions that are not open are left out."""
        values = self._values
        if values is None:
            values = self.space.read(self.codes)
            _set_values(self, values)
        return values

    @property
    def key(self) -> str:
        """32 hexadecimal digits, equal exactly for equal values in spaces of one name.

        The same in every process and on every machine.
        """
        key = self._key
        if key is None:
            key = digest([self.space.name, self.values])
            _set_key(self, key)
        return key

    def __getitem__(self, path: str) -> Any:
        """Return the value at a path: "activation", "hidden", "hidden.length", "stages.1.width".

        Raises:
            UnknownNameError: If the space has no such path, or it is not open here.
        """
        values = self.values
        if path in values:
            return values[path]
        value = self.get(path, _NOTHING)
        if value is _NOTHING:
            slots = enumerate(self.space.program.slots)
            open_paths = [*values, *(slot.path for index, slot in slots if self._open(index))]
            what = f"open decision of this {self.space.name}"
            raise UnknownNameError(what, path, dict.fromkeys(open_paths))
        return value

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a path, or `default` if it is not open here or there is none."""
        values = self.values
        if path in values:
            return values[path]
        return self._lookup(path, default) if path in self.space.program.paths else default

    def to_json(self) -> list[Code]:
        """Return the codes, from which `Space.from_json_architecture` rebuilds it."""
        return list(self.codes)

    def _lookup(self, path: str, default: Any) -> Any:
        place = self.space.program.paths[path]
        if isinstance(place, Node):
            return place.read(self.codes) if self._node_open(place) else default
        slot = self.space.program.slots[place]
        return slot.value(self.codes[place]) if self._open(place) else default

    def _node_open(self, node: Node) -> bool:
        # A group has no slot of its own, so its parts are asked; the first may be closed alone.
        return any(self._open(slot) for slot in range(node.start, node.stop))

    def _open(self, slot: int) -> bool:
        return self.space.program.active(slot, self.codes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        if self.codes != other.codes:
            return False
        return self.space is other.space or self.space.fingerprint == other.space.fingerprint

    def __hash__(self) -> int:
        # Numbers only: the order of a set of architectures is the same in every process.
        return hash(self.codes)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"<{self.space.name}: {values}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an architecture is frozen; cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an architecture is frozen; cannot delete {name!r}")

    def __reduce__(self) -> tuple[type[Architecture], tuple[Space, tuple[Code, ...]]]:
        return (Architecture, (self.space, self.codes))

    def __copy__(self) -> Architecture:
        return self

    def __deepcopy__(self, memo: object) -> Architecture:
        return self


_NOTHING = object()

# Slot descriptors set a frozen instance in half the time of object.__setattr__.
_set_space = Architecture.__dict__["space"].__set__
_set_codes = Architecture.__dict__["codes"].__set__
_set_values = Architecture.__dict__["_values"].__set__
_set_key = Architecture.__dict__["_key"].__set__
