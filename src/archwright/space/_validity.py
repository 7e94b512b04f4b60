"""From what people give (values, codes, rules) to codes that are known to be valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archwright.errors import SpaceError
from archwright.space._nodes import Draft, Node, SubsetNode
from archwright.space._program import Program
from archwright.space.decisions import Real

__all__ = [
    "broken_rules",
    "checked_rules",
    "code_reasons",
    "codes_of",
    "exact_codes",
    "same_rules",
]

_Rules = tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...]


def codes_of(program: Program, values: Mapping[str, Any]) -> Draft:
    """Return the codes of values; 0 where no decision is open.

    Raises:
        SpaceError: If a value is missing, outside its domain, or not open.
        UnknownNameError: If there is no decision of a given name.
    """
    draft: Draft = [None] * program.width
    program.root.write(values, draft)
    program.root.check(values, draft, lambda node: _closed_by(program, node, draft))
    return [0 if code is None else code for code in draft]


def exact_codes(codes: Iterable[Any]) -> Draft:
    """Return a list with numpy's numbers turned into Python's."""
    return [code.item() if hasattr(code, "item") else code for code in codes]


def code_reasons(program: Program, codes: Draft) -> list[str]:
    """Return why codes are outside the domains of open decisions."""
    if len(codes) != program.width:
        return [f"needs {program.width} codes, one per slot; got {len(codes)}"]
    reasons = [
        f"{slot.path}: a code must be a number; got {code!r}"
        for slot, code in zip(program.slots, codes, strict=True)
        if isinstance(code, bool) or not isinstance(code, (int, float))
    ]
    if reasons:
        return reasons
    for index, slot in enumerate(program.slots):
        if not program.active(index, codes):
            continue
        code = codes[index]
        if isinstance(slot.decision, Real):
            if not slot.decision.low <= code <= slot.decision.high:
                reasons.append(f"{slot.path} must be {slot.decision.domain}; got {code!r}")
        elif not isinstance(code, int) or not 0 <= code < program.sizes[index]:
            last = program.sizes[index] - 1
            reasons.append(f"{slot.path} must be a whole code from 0 to {last}; got {code!r}")
    return reasons or _subset_reasons(program, codes)


def checked_rules(rules: Iterable[Any], where: str) -> _Rules:
    """Return rules as a tuple.

    Raises:
        SpaceError: If one is not a description and a function.
    """
    checked = tuple(rules)
    for rule in checked:
        match rule:
            case (str(), function) if callable(function):
                continue
        raise SpaceError(
            f"{where}: a rule is a pair of a description and a function of the values; got {rule!r}"
        )
    return checked


def broken_rules(rules: _Rules, values: Mapping[str, Any]) -> list[str]:
    """Return the descriptions of the rules that values break.

    Raises:
        SpaceError: If a rule's function raises.
    """
    broken = []
    for description, holds in rules:
        try:
            if not holds(values):
                broken.append(description)
        except Exception as error:
            raise SpaceError(f"rule {description!r} failed on {values!r}: {error!r}") from error
    return broken


def same_rules(data: Mapping[str, Any], rules: _Rules) -> None:
    """Check that a space's JSON is rebuilt with the rules that it had.

    Raises:
        SpaceError: If their descriptions differ.
    """
    expected, given = list(data.get("rules", ())), [description for description, _ in rules]
    if expected != given:
        raise SpaceError(
            f"space {data.get('name')!r} had the rules {expected!r} and is rebuilt with {given!r}; "
            f"rules are code, which JSON cannot keep: take the space from the file that defines "
            f"it, or pass rules=..."
        )


def _closed_by(program: Program, node: Node, draft: Draft) -> str:
    parent = next(p for p, allowed in node.conditions if draft[p] not in allowed)
    slot = program.slots[parent]
    value = "not given" if draft[parent] is None else repr(slot.value(draft[parent]))
    return f"{slot.path} is {value}"


def _subset_reasons(program: Program, codes: Draft) -> list[str]:
    reasons = []
    for node in program.special:
        if isinstance(node, SubsetNode) and program.active(node.start, codes):
            taken = sum(codes[node.start : node.stop])
            if not node.decision.min <= taken <= node.decision.max:
                reasons.append(f"{node.path} must take {node.decision.domain}; got {taken}")
    return reasons
