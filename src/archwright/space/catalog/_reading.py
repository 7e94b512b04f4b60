"""Reading of published text forms piece by piece, with errors that point at the place."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import NoReturn

from archwright.errors import SpaceError
from archwright.space._checks import listed

__all__ = ["Reader"]

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[0-9]+")
_SHOWN = 24  # characters of what was found instead
_AROUND = 60  # characters shown on each side of the place


class Reader:
    """A place in a text, which only moves forward.

    Args:
        text: What is read.
        what: What the text should be, in words, for the messages.

    Raises:
        SpaceError: By every method that does not find what it is asked for; says at which
            character (counted from 0), what was expected, what is there, and draws an arrow.
    """

    def __init__(self, text: str, what: str) -> None:
        if not isinstance(text, str):
            raise SpaceError(f"{what} is read from a text; got {text!r}")
        self.text = text
        self.what = what
        self.place = 0

    def skip(self) -> None:
        """Pass over white space."""
        while self.text[self.place : self.place + 1].isspace():
            self.place += 1

    def take(self, literal: str) -> bool:
        """Pass over a literal if it comes next, and return whether it did."""
        found = self.text.startswith(literal, self.place)
        self.place += len(literal) * found
        return found

    def expect(self, *literals: str) -> str:
        """Pass over the literal that comes next and return it."""
        for literal in literals:
            if self.take(literal):
                return literal
        self.fail(" or ".join(map(repr, literals)))

    def name(self, allowed: Collection[str], kind: str) -> str:
        """Pass over a word and return it, if it is one of the allowed ones."""
        match = _WORD.match(self.text, self.place)
        found = match.group() if match else ""
        if found not in allowed:
            near = get_close_matches(found, list(allowed), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.fail(f"{kind}, one of {listed(allowed)}", hint)
        self.place += len(found)
        return found

    def number(self, allowed: Collection[int], kind: str) -> int:
        """Pass over a whole number and return it, if it is one of the allowed ones."""
        match = _NUMBER.match(self.text, self.place)
        known = {str(number): number for number in allowed}
        if match is None or match.group() not in known:
            self.fail(f"{kind}, one of {listed(allowed)}")
        self.place = match.end()
        return known[match.group()]

    def end(self) -> None:
        """Check that nothing but white space is left."""
        self.skip()
        if self.place < len(self.text):
            self.fail("the end of the text")

    def fail(self, expected: str, hint: str = "", *, place: int | None = None) -> NoReturn:
        """Raise the error for a place: this one unless stated."""
        place = self.place if place is None else place
        rest = self.text[place:]
        found = repr(rest[:_SHOWN]) + "..." * (len(rest) > _SHOWN) if rest else "the end"
        # Line breaks and the like would move the arrow.
        shown = "".join(c if c.isprintable() else " " for c in self.text)
        start, stop = max(place - _AROUND, 0), place + _AROUND
        head, tail = "..." * (start > 0), "..." * (stop < len(shown))
        raise SpaceError(
            f"{self.what}, at character {place}: expected {expected}; got {found}{hint}\n"
            f"  {head}{shown[start:stop]}{tail}\n  {' ' * (len(head) + place - start)}^"
        )
