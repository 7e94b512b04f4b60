"""Which decisions a constructor has, and under which answers each of them is open.

The constructor is run with its default answers, then with one answer changed at a time. A question
that turns up, or stays away, only under some answers to another one depends on it. Questions that
turn up under a changed answer are explored in the same way from there.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn

from archwright.errors import SpaceError
from archwright.network._tracing import Settled, first_value, settle
from archwright.space import Choice, Decision, Integer, Real

__all__ = ["discover"]

_logger = logging.getLogger(__name__)

_MOST_TRIED = 64
"""Values of one integer that are tried at first: all of them, or so many evenly spread."""
_MOST_VALUES = 4096
"""Values of an integer on which others depend: all of them are tried."""

_UNASKED = object()

_Place: TypeAlias = tuple[dict[str, Any], dict[str, Decision], list[str]]
"""Answers, what is asked under them, and which of these questions are still to be varied."""


def discover(construct: Callable[[], nn.Module]) -> dict[str, Decision]:
    """Return the decisions of a constructor by name, each with its condition.

    Raises:
        SpaceError: If the questions contradict each other.
        Exception: Whatever the constructor raises under its default answers.
    """
    explorer = _Explorer(construct)
    explorer.run()
    return explorer.decisions()


@dataclass
class _Found:
    decision: Decision
    parents: set[str] = field(default_factory=set)  # whose answers brought it up
    when: dict[str, tuple[Any, ...]] = field(default_factory=dict)


class _Explorer:
    def __init__(self, construct: Callable[[], nn.Module]) -> None:
        self._construct = construct
        self._on_meta = True
        self._found: dict[str, _Found] = {}
        self._seen: list[dict[str, Any]] = []  # the answer to every question, run by run

    def run(self) -> None:
        """Explore from the default answers, and from each answer that brings up something new."""
        asked = self._ask({})
        for name, decision in asked.items():
            self._found[name] = _Found(decision)
        waiting: deque[_Place] = deque([({}, asked, list(asked))])
        while waiting:
            answers, asked, names = waiting.popleft()
            for name in names:
                waiting.extend(self._vary(name, answers, asked))

    def decisions(self) -> dict[str, Decision]:
        """Return what was found, each with the conditions that every run agrees with.

        A question without its condition is open even where nobody asks it, which is harmless; one
        that is closed where it is asked would be an error.
        """
        conditions = {
            name: {
                parent: under
                for parent, under in found.when.items()
                if all(run.get(parent, _UNASKED) in under for run in self._seen if name in run)
            }
            for name, found in self._found.items()
        }
        return {
            name: _with_condition(found.decision, conditions[name])
            for name, found in self._found.items()
        }

    def _vary(
        self, name: str, answers: dict[str, Any], asked: dict[str, Decision]
    ) -> Iterator[_Place]:
        """Try the other answers to one question; yield the places where new ones turned up."""
        outcomes = self._outcomes(name, answers, asked)
        everything = {other: decision for o in outcomes.values() for other, decision in o.items()}
        fresh: dict[Any, list[str]] = {}
        for other, decision in everything.items():
            under = tuple(value for value, outcome in outcomes.items() if other in outcome)
            if other == name or (other in asked and len(under) == len(outcomes)):
                continue
            if other in asked:
                self._found[other].when[name] = under
            elif self._turned_up(other, decision, name, under):
                fresh.setdefault(under[0], []).append(other)
        for value, names in fresh.items():
            yield answers | {name: value}, outcomes[value], names

    def _turned_up(
        self, name: str, decision: Decision, parent: str, under: tuple[Any, ...]
    ) -> bool:
        """Note a question that depends on another one; return whether it is new."""
        known = self._found.get(name)
        if known is None:
            self._found[name] = _Found(decision, {parent}, {parent: under})
            return True
        if parent not in known.parents:
            # Either answer brings it up, which a condition cannot say: it is always open.
            known.parents.add(parent)
            known.when.clear()
        return False

    def _outcomes(
        self, name: str, answers: dict[str, Any], asked: dict[str, Decision]
    ) -> dict[Any, dict[str, Decision]]:
        """Return what is asked under each answer to one question."""
        decision = asked[name]
        tried = _spread(decision)
        outcomes = {value: self._try(name, value, answers, asked) for value in tried}
        same = all(outcome.keys() == asked.keys() for outcome in outcomes.values())
        if same or (isinstance(decision, Choice | Integer) and len(tried) == decision.size):
            return outcomes
        if isinstance(decision, Integer) and decision.size <= _MOST_VALUES:
            every = range(decision.low, decision.high + 1, decision.step)
            return {
                value: outcomes.get(value) or self._try(name, value, answers, asked)
                for value in every
            }
        raise SpaceError(
            f"other questions depend on {name!r} ({decision.domain}), which has too many values "
            f"for that; use an integer of few values, or a choice"
        )

    def _try(
        self, name: str, value: Any, answers: dict[str, Any], asked: dict[str, Decision]
    ) -> dict[str, Decision]:
        if value == answers.get(name, first_value(asked[name])):
            return asked
        try:
            return self._ask(answers | {name: value})
        except SpaceError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything
            # Such architectures cannot be built, on this shape at least: their trials will say so.
            _logger.debug("the constructor fails with %s=%r: %s", name, value, error)
            return asked

    def _ask(self, answers: Mapping[str, Any]) -> dict[str, Decision]:
        asked = self._settle(answers).asked
        for name, decision in asked.items():
            known = self._found.get(name)
            if known is not None and known.decision != decision:
                raise SpaceError(
                    f"{name!r} is asked with {known.decision.domain} in one case and with "
                    f"{decision.domain} in another; ask with one range, or use two names"
                )
        self._seen.append(
            {name: answers.get(name, first_value(decision)) for name, decision in asked.items()}
        )
        return asked

    def _settle(self, answers: Mapping[str, Any]) -> Settled:
        if self._on_meta:
            try:
                with torch.device("meta"):
                    return settle(self._construct, answers)
            except SpaceError:
                raise
            except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything
                _logger.debug("the constructor fails on the meta device: %s", error)
                settled = settle(self._construct, answers)
                self._on_meta = False
                return settled
        return settle(self._construct, answers)


def _spread(decision: Decision) -> Sequence[Any]:
    """Return all values of a decision, or evenly spread ones with both ends."""
    if isinstance(decision, Choice):
        return decision.options
    if isinstance(decision, Real):
        return (decision.low, decision.high)
    assert isinstance(decision, Integer)
    last = decision.size - 1
    count = min(last, _MOST_TRIED - 1)
    places = (i * last // count for i in range(count + 1)) if count else (0,)
    return tuple(decision.low + place * decision.step for place in places)


def _with_condition(decision: Decision, when: Mapping[str, tuple[Any, ...]]) -> Decision:
    match decision:
        case Choice():
            return Choice(decision.options, when=when)
        case Integer():
            return Integer(decision.low, decision.high, decision.step, when=when)
        case Real():
            return Real(decision.low, decision.high, decision.log, when=when)
    raise AssertionError(decision)
