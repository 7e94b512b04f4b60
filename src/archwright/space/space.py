"""The set of allowed architectures: named decisions, and everything that can be done with them."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from archwright import canonical
from archwright.errors import SpaceError
from archwright.space import (
    _counting,
    _crossover,
    _encoding,
    _mutation,
    _neighbors,
    _numbers,
    _sampling,
    _text,
    _validity,
)
from archwright.space._nodes import Code, Slot
from archwright.space._program import Program, compile_space
from archwright.space.architecture import Architecture
from archwright.space.decisions import (
    Decision,
    decisions_from_json,
    decisions_to_json,
    named_decisions,
)

__all__ = ["Rule", "Space"]

Rule: TypeAlias = tuple[str, Callable[[Mapping[str, Any]], bool]]
"""What must hold, in words, and a function of the values that says whether it does."""

_Restriction: TypeAlias = tuple[str, Callable[[Architecture], bool]]

_PATIENCE = 1000  # draws that may be invalid before an operator gives up
_SINGLE_EDITS = 250  # of them with one edit, when mutating; then as many with two, and so on
_CROSSINGS = 100  # children that may be invalid before the first parent is taken
_HOOKS = ("canonical", "_drawn", "_edited", "_crossed", "_near", "_listed")
_MOST_COUNTED = 20_000  # candidates that are tried one by one for an exact size


class Space:
    """A search space, declared as named decisions.

    A space makes architectures and edits them; all of its operators are closed: what they return
    is valid and canonical. It is a value too: two spaces with the same name, decisions and rules
    are equal, and `to_json` keeps all of it but the functions of rules and builders.

    A kind of space with its own validity, canonical form or text derives from this class and
    overrides `_reasons`, `canonical`, `parse` and `format` (and `_count`, if it knows its size
    better than by trying all candidates); every operator goes through them and draws again, up
    to a bound, when what it made is not valid. Published ways to draw and edit go into `_drawn`,
    `_edited`, `_crossed`, `_near` and `_listed`, which return codes in any form, valid or not.
    A space of the catalog that derives sets `catalog`, from which its JSON rebuilds it.

    Args:
        decisions: Mapping from name to decision, for names that are no Python identifiers.
        name: Name of the kind of space; part of every architecture's key, and the name under
            which network builders are registered.
        rules: Further conditions of validity, each a description and a function of the values
            that returns whether they are allowed. Python only: JSON keeps the descriptions.
        named: Further decisions by keyword.

    Raises:
        SpaceError: If a name, a decision or a condition is not valid.
        UnknownNameError: If a condition names no decision.

    Example:
        >>> from archwright.space import Choice, Integer, List, Space
        >>> space = Space(hidden=List(Integer(50, 200), 1, 3), activation=Choice("relu", "gelu"))
        >>> space.size
        6931806
        >>> architecture = space.sample(rng=np.random.default_rng(0))
        >>> architecture
        <custom: hidden=(90, 56), activation='gelu'>
    """

    builder: Callable[..., Any] | None = None
    """What `bind` was given: (architecture, input_shape, outputs) -> network."""
    catalog: Mapping[str, Any] | None = None
    """Options with which `space_named(name)` makes this space, where it derives from `Space`."""

    def __init__(
        self,
        decisions: Mapping[str, Decision] | None = None,
        /,
        *,
        name: str = "custom",
        rules: Iterable[Rule] = (),
        **named: Decision,
    ) -> None:
        where = f"space {name!r}"
        if not isinstance(name, str) or not name:
            raise SpaceError(f"the name of a space is a text that is not empty; got {name!r}")
        self.name = name
        self.decisions = named_decisions(where, decisions, named)
        self._rules: tuple[Rule, ...] = _validity.checked_rules(rules, where)
        self._restrictions: tuple[_Restriction, ...] = ()
        self.program: Program = compile_space(name, self.decisions)
        self.read = self.program.root.read
        self._unchecked = not self._rules and type(self)._reasons is Space._reasons
        self._plain = self._unchecked and not any(
            getattr(type(self), hook) is not getattr(Space, hook) for hook in _HOOKS
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, and behind them the restrictions in the form of rules."""
        restrictions = ((text, self._as_rule(keeps)) for text, keeps in self._restrictions)
        return (*self._rules, *restrictions)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The places of the code vector, in order."""
        return self.program.slots

    @cached_property
    def size(self) -> int | float:
        """Number of different architectures; infinity if a decision is real.

        Exact, unless `size_is_exact` says that it is an upper bound.
        """
        return self._count()

    @property
    def size_is_exact(self) -> bool:
        """Whether `size` is exact: False for rules over more than 20,000 candidates.

        They would have to be tried one by one; `size` counts them all then.
        """
        if self._plain or (type(self)._count is not Space._count and not self._restrictions):
            return True
        return self._candidates <= _MOST_COUNTED or self._candidates == math.inf

    @property
    def is_product(self) -> bool:
        """Whether it is a plain product of fewer than 2**63 choices, each of them always open.

        No rules, and the operators of `Space` itself: what draws and edits codes in some other
        way, with the same random numbers, gives the same architectures.
        """
        return self._plain and self.program.flat and self.size < 2**63

    @property
    def edited_slots(self) -> tuple[int, ...]:
        """The slots that a mutation of a product picks from; one may stand there several times."""
        return self.program.edited

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell spaces apart: a digest of `to_json`."""
        return canonical.digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value from which `from_json` rebuilds the space.

        Rules are code: only their descriptions are written.
        """
        if self.catalog is not None:
            return {"catalog": self.name, "options": dict(self.catalog)}
        data: dict[str, Any] = {
            "name": self.name,
            "decisions": decisions_to_json(self.decisions),
        }
        if self._rules:
            data["rules"] = [description for description, _ in self._rules]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, rules: Iterable[Rule] = ()) -> Space:
        """Rebuild what `to_json` wrote.

        Args:
            data: What `to_json` returned. An object with "catalog" and "options" instead of
                decisions names a space of the catalog.
            rules: The rules, where the space had some.

        Raises:
            SpaceError: If the space had other rules than those given, or the data is no space.
        """
        if "catalog" in data:
            from archwright.space.catalog import space_named  # it imports this module

            return space_named(data["catalog"], **data.get("options", {}))
        rules = tuple(rules)
        _validity.same_rules(data, rules)
        try:
            decisions = decisions_from_json(data["decisions"])
            return cls(decisions, name=data["name"], rules=rules)
        except (KeyError, TypeError) as error:
            raise SpaceError(f"this is not the JSON of a space: {error!r}; got {data!r}") from error

    def describe(self) -> list[dict[str, str]]:
        """Return a row of words for each decision: path, kind, values, when."""
        return _text.rows(self.decisions)

    def bind(self, builder: Callable[..., Any]) -> Space:
        """Return the same space with a function that builds its networks.

        Args:
            builder: (architecture, input_shape, outputs) -> network. Never written to JSON.
        """
        bound = copy.copy(self)
        bound.builder = builder
        return bound

    def restricted(self, description: str, keeps: Callable[[Architecture], bool]) -> Space:
        """Return the same space, whose operators make only architectures that `keeps` accepts.

        A restriction is of the moment, not of the space: fingerprint and JSON stay the same, and
        architectures of both are equal. Use it for bounds that depend on more than the space,
        such as the size of the network.

        Args:
            description: What holds, in words.
            keeps: A pure function of the architecture.
        """
        same = copy.copy(self)
        same._restrictions = (*self._restrictions, (description, keeps))
        same._unchecked = same._plain = False
        same.__dict__.pop("size", None)
        return same

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture with the given values, all of them checked.

        Raises:
            SpaceError: If a value is missing, outside its domain, or not open here; or the
                architecture is not valid.
            UnknownNameError: If there is no decision of a given name.
        """
        return self._checked(self.canonical(_validity.codes_of(self.program, values)))

    def from_codes(self, codes: Iterable[Code]) -> Architecture:
        """Return the architecture with the given codes, brought to canonical form.

        Raises:
            SpaceError: If they are not valid; says why.
        """
        exact = _validity.exact_codes(codes)
        reasons = _validity.code_reasons(self.program, exact)
        if reasons:
            raise SpaceError(f"no architecture of {self.name!r}: {'; '.join(reasons)}")
        return self._checked(self.canonical(exact))

    def from_json_architecture(self, data: Sequence[Code] | Mapping[str, Any]) -> Architecture:
        """Rebuild what `Architecture.to_json` wrote; a dict of values is taken too.

        Raises:
            SpaceError: If it is no architecture of this space.
        """
        if isinstance(data, Mapping):
            return self.architecture(data)
        return self.from_codes(data)

    def reasons(self, codes: Sequence[Code]) -> list[str]:
        """Return why codes are not valid, each reason with its path; empty if they are."""
        exact = _validity.exact_codes(codes)
        reasons = _validity.code_reasons(self.program, exact)
        return reasons or self._why_not(self.canonical(exact))

    def validate(self, architecture: Architecture) -> None:
        """Check that an architecture is a valid one of this space.

        Raises:
            SpaceError: If it belongs to another space or is not valid.
        """
        self._own(architecture)
        if reasons := self.reasons(architecture.codes):
            raise SpaceError(f"no architecture of {self.name!r}: {'; '.join(reasons)}")

    def canonical(self, codes: Sequence[Code]) -> tuple[Code, ...]:
        """Return the codes that stand for all equivalent ones: 0 where no decision is open."""
        return self.program.canonical(list(codes))

    def format(self, architecture: Architecture) -> str:
        """Return the published text form; here the values as one line of JSON."""
        return canonical.dumps(architecture.values)

    def parse(self, text: str) -> Architecture:
        """Read what `format` wrote.

        Raises:
            SpaceError: If it is no architecture of this space; names the place.
        """
        return self.architecture(_text.parse_values(text))

    def sample(self, *, rng: np.random.Generator) -> Architecture:
        """Return a random architecture, each open decision uniform over its values.

        Args:
            rng: One uniform number per slot is drawn from it (again for each invalid draw).

        Raises:
            SpaceError: If the rules leave nothing that 1,000 draws would find.
        """
        program = self.program
        if self._plain:
            uniforms = rng.random(program.width).tolist()
            return Architecture(self, program.canonical(_sampling.draw(program, uniforms)))

        return self._valid(lambda: self.canonical(self._drawn(rng)), "sample")

    def sample_many(self, n: int, *, rng: np.random.Generator) -> list[Architecture]:
        """Return the same architectures as `n` calls of `sample`, faster."""
        if not self._plain:
            return [self.sample(rng=rng) for _ in range(n)]
        uniforms = rng.random((n, self.program.width))  # (architectures, slots)
        return [Architecture(self, codes) for codes in _sampling.draw_many(self.program, uniforms)]

    def mutate(self, architecture: Architecture, *, rng: np.random.Generator) -> Architecture:
        """Return another architecture that differs in one open decision.

        The decision is chosen uniformly; a list counts as one, and is edited by changing,
        inserting or deleting one item. What the edit opens is drawn at random. Only where rules
        leave no single edit that 250 draws would find, two edits are made, then three, then four.

        Raises:
            SpaceError: If the space has one architecture only, or the rules leave no other near.
        """
        self._own(architecture)
        program, codes = self.program, architecture.codes
        if self._plain:
            return Architecture(self, program.canonical(_mutation.mutate(program, codes, rng)))
        attempts = itertools.count()

        def draw() -> tuple[Code, ...]:
            edited = codes
            for _ in range(1 + next(attempts) // _SINGLE_EDITS):
                edited = self.canonical(self._edited(edited, rng))
            return edited

        return self._valid(draw, "mutate", other_than=codes)

    def crossover(
        self,
        first: Architecture,
        second: Architecture,
        *,
        rng: np.random.Generator,
        kind: str = "uniform",
    ) -> Architecture:
        """Return a child of two architectures; it may be equal to one of them.

        Where rules leave no child that 100 draws would find, it is the first parent.

        Args:
            first: One parent.
            second: The other.
            rng: Decides, for each decision, how the parents are combined.
            kind: "uniform" (each decision from either parent; a list has the length of either),
                "one-point" (the first's head and the second's tail, lists cut in both) or
                "blend" (numbers are mixed, and may go a little beyond both).

        Raises:
            UnknownNameError: If the kind is none of these.
        """
        self._own(first)
        self._own(second)
        for _ in range(_CROSSINGS):
            codes = self.canonical(self._crossed(first.codes, second.codes, kind, rng))
            if self._unchecked or not self._why_not(codes):
                return Architecture(self, codes)
        return first

    def neighbors(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield each architecture one small edit away, once, in a fixed order.

        An integer moves by 1, 2, 4, 8 ... steps, a real by 1/2 ... 1/64 of its scale, a choice to
        each other option; a list item is edited, doubled or left out. What an edit opens takes
        its first value.
        """
        self._own(architecture)
        seen = {architecture.codes}
        for draft in self._near(architecture.codes):
            codes = self.canonical(draft)
            if codes not in seen and (self._unchecked or not self._why_not(codes)):
                seen.add(codes)
                yield Architecture(self, codes)

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture once, in a fixed order.

        Raises:
            SpaceError: If a decision is real.
        """
        for slot in self.slots:
            if slot.size is None:
                raise SpaceError(f"{slot.path} is a Real: its values cannot be enumerated")
        return self._enumerate()

    def encode(
        self, architectures: Sequence[Architecture] | np.ndarray, kind: str = "ordinal"
    ) -> np.ndarray:
        """Return an array view `(architectures, features)`, float64.

        Args:
            architectures: Architectures of this space; or an array of their codes
                `(architectures, slots)`, which is trusted.
            kind: "ordinal" (the codes, one column per slot; closed ones 0) or "one-hot" (0 or 1
                per option; integers and reals one column in [0, 1]).

        Raises:
            UnknownNameError: If the kind is none of these.
        """
        if isinstance(architectures, np.ndarray):
            return _encoding.encode(self.program, architectures, kind)
        for architecture in architectures:
            self._own(architecture)
        return _encoding.encode(self.program, [a.codes for a in architectures], kind)

    def decode(self, array: np.ndarray) -> list[Architecture]:
        """Return the architectures of an ordinal array, each number rounded to the nearest code.

        Raises:
            SpaceError: If the array has another shape, or a code is out of range.
        """
        return [self.from_codes(codes) for codes in _encoding.decode(self.program, array)]

    def feature_names(self, kind: str = "ordinal") -> tuple[str, ...]:
        """Return the names of the columns of `encode`."""
        return _encoding.feature_names(self.program, kind)

    def number(self, codes: Sequence[Code]) -> int:
        """Return the rank of canonical codes among all code vectors, first slot slowest.

        Trusts that the codes are an architecture's; `numbers` checks them.

        Raises:
            SpaceError: If a decision is real, or there are 2**63 code vectors or more.
        """
        return self._radix.number(codes)

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Return the ranks `(architectures,)`, int64, of codes `(architectures, slots)`.

        Raises:
            SpaceError: As `number`; or if the array has another shape or kind, or a code is
                outside its domain.
        """
        return self._radix.numbers(codes)

    def codes_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes `(architectures, slots)`, int64, of ranks `(architectures,)`.

        Raises:
            SpaceError: As `number`; or if the ranks are no integers, or one is out of range.
        """
        return self._radix.codes_of(numbers)

    def _drawn(self, rng: np.random.Generator) -> Sequence[Code]:
        """Return random codes."""
        return _sampling.draw(self.program, rng.random(self.program.width).tolist())

    def _edited(self, codes: tuple[Code, ...], rng: np.random.Generator) -> Sequence[Code]:
        """Return codes after one random edit."""
        return _mutation.mutate(self.program, codes, rng)

    def _crossed(
        self,
        first: tuple[Code, ...],
        second: tuple[Code, ...],
        kind: str,
        rng: np.random.Generator,
    ) -> Sequence[Code]:
        """Return codes of a child."""
        return _crossover.crossover(self.program, first, second, kind, rng)

    def _near(self, codes: tuple[Code, ...]) -> Iterator[Sequence[Code]]:
        """Yield the codes of each neighbour, in a fixed order; an equal one may come twice."""
        return _neighbors.neighbors(self.program, codes)

    def _listed(self) -> Iterator[tuple[Code, ...]]:
        """Yield the codes of every architecture, in a fixed order; an equal one may come twice."""
        return _counting.enumerate_codes(self.program)

    def _reasons(self, codes: tuple[Code, ...]) -> list[str]:
        """Return why canonical codes within their domains are not valid; here: broken rules."""
        return _validity.broken_rules(self._rules, self.read(codes)) if self._rules else []

    def _why_not(self, codes: tuple[Code, ...]) -> list[str]:
        """Return why canonical codes within their domains are not made: invalid or restricted."""
        reasons = self._reasons(codes)
        if reasons or not self._restrictions:
            return reasons
        architecture = Architecture(self, codes)
        return [text for text, keeps in self._restrictions if not keeps(architecture)]

    def _as_rule(
        self, keeps: Callable[[Architecture], bool]
    ) -> Callable[[Mapping[str, Any]], bool]:
        def holds(values: Mapping[str, Any]) -> bool:
            codes = self.canonical(_validity.codes_of(self.program, values))
            # What is not valid anyhow is for the rules to refuse; `keeps` may not bear it.
            return bool(self._reasons(codes)) or keeps(Architecture(self, codes))

        return holds

    def _count(self) -> int | float:
        """Return the number of architectures."""
        if self._plain or not self.size_is_exact or self._candidates == math.inf:
            return self._candidates
        return sum(1 for _ in self._enumerate())

    def _enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture once; all decisions are discrete."""
        candidates = self._listed()
        if self._plain:
            yield from (Architecture(self, codes) for codes in candidates)
            return
        seen = set()
        for candidate in candidates:
            codes = self.canonical(candidate)
            if codes not in seen and not self._why_not(codes):
                seen.add(codes)
                yield Architecture(self, codes)

    @cached_property
    def _radix(self) -> _numbers.Radix:
        return _numbers.radix_of(self.program, self.name)

    @cached_property
    def _candidates(self) -> int | float:
        return _counting.count(self.program)

    def _valid(
        self,
        draw: Callable[[], tuple[Code, ...]],
        verb: str,
        other_than: tuple[Code, ...] | None = None,
    ) -> Architecture:
        """Draw until the codes are valid, with bounded patience."""
        for _ in range(_PATIENCE):
            codes = draw()
            if codes != other_than and not (reasons := self._why_not(codes)):
                return Architecture(self, codes)
        last = "; ".join(reasons) if codes != other_than else "the same architecture again"
        raise SpaceError(
            f"could not {verb} an architecture of {self.name!r}: {_PATIENCE} draws were not "
            f"valid, the last one because: {last}. Loosen the rules, or put them into decisions"
        )

    def _checked(self, codes: tuple[Code, ...]) -> Architecture:
        if reasons := self._why_not(codes):
            raise SpaceError(f"no architecture of {self.name!r}: {'; '.join(reasons)}")
        return Architecture(self, codes)

    def _own(self, architecture: Architecture) -> None:
        other = architecture.space
        if other is not self and other.fingerprint != self.fingerprint:
            raise SpaceError(
                f"{architecture!r} belongs to another space than {self.name!r}; rebuild it with "
                f"space.architecture(values)"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={part!r}" for name, part in self.decisions.items())
        return f"Space({parts}, name={self.name!r})"
