"""How a constructor that asks questions gets its answers.

While a `Trace` is current, `nn.Choice`, `nn.integer` and their kin ask it instead of taking their
defaults. Values are asked by name. A module choice learns its name only when the constructor has
returned and the chosen candidate can be found in the tree of modules, so `settle` runs the
constructor, reads the names off the result, and runs it again until the answers fit the names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn

from archwright.errors import SpaceError
from archwright.space import Choice, Decision, Integer, Real

__all__ = ["Candidate", "Settled", "Trace", "current_trace", "first_value", "settle"]

Candidate: TypeAlias = nn.Module | Callable[[], nn.Module]

_TRACE: ContextVar[Trace | None] = ContextVar("archwright_trace", default=None)


@dataclass(frozen=True, slots=True)
class Settled:
    """A network, and what its constructor asked.

    Args:
        network: The network, made with the answers.
        asked: Decision by name, in the order of asking.
        names: Name of each module choice in the order of asking; None for one that is not part
            of the network.
    """

    network: nn.Module
    asked: dict[str, Decision]
    names: tuple[str | None, ...]


def current_trace() -> Trace | None:
    """Return the trace that answers questions now; None outside a search."""
    return _TRACE.get()


def first_value(decision: Decision) -> Any:
    """Return the default of a decision: its first option, or its lowest value."""
    if isinstance(decision, Choice):
        return decision.options[0]
    assert isinstance(decision, Integer | Real)
    return decision.low


def settle(
    construct: Callable[[], nn.Module],
    answers: Mapping[str, Any],
    names: Sequence[str | None] = (),
) -> Settled:
    """Run a constructor under the given answers; what they leave open takes its default.

    Every pass starts from the same state of torch's generator, so the weights do not depend on
    the number of passes.

    Args:
        construct: Makes the network.
        answers: Value by decision name.
        names: Names of the module choices, if known from an earlier run with these answers: saves
            a pass.

    Raises:
        SpaceError: If two questions have one name, a choice is not part of the network, or the
            constructor asks other questions each time.
    """
    state = torch.get_rng_state()
    passes = 0
    while True:
        passes += 1
        trace = Trace(answers, names)
        torch.set_rng_state(state)
        with _current(trace):
            network = construct()
        if not isinstance(network, nn.Module):
            raise SpaceError(f"expected a constructor of an nn.Module; it returned {network!r}")
        settled = trace.settled(network)
        if trace.fits(settled.names):
            return settled
        if passes > len(settled.names) + 1:
            raise SpaceError(
                "the constructor does not ask the same questions when it gets the same answers; "
                "it must not depend on chance or on what it did before"
            )
        # Each pass answers at least one more choice rightly, in the order of asking.
        names = settled.names


@contextmanager
def _current(trace: Trace) -> Iterator[None]:
    token = _TRACE.set(trace)
    try:
        yield
    finally:
        _TRACE.reset(token)


@dataclass(frozen=True, slots=True)
class _ModuleQuestion:
    decision: Choice
    label: str
    chosen: nn.Module
    rejected: tuple[nn.Module, ...]


class Trace:
    """One run of a constructor: answers its questions and remembers them.

    Args:
        answers: Value by decision name.
        names: Names of the module choices by order of asking, as far as they are known.
    """

    def __init__(self, answers: Mapping[str, Any], names: Sequence[str | None]) -> None:
        self._answers = answers
        self._names = names
        self._values: dict[str, Decision] = {}
        self._modules: list[_ModuleQuestion | None] = []
        self._order: list[str | int] = []  # name of a value, or index of a module choice

    def value(self, name: str, decision: Decision) -> Any:
        """Answer a question that has a name."""
        if name in self._values:
            raise SpaceError(
                f"{name!r} is asked twice by one network; ask once and keep the value, or give "
                f"each its own name, such as f'{name}_{{i}}'"
            )
        self._values[name] = decision
        self._order.append(name)
        return self._answers.get(name, first_value(decision))

    def module(
        self,
        candidates: Mapping[str, Candidate],
        make: Callable[[str, Candidate], nn.Module],
    ) -> nn.Module:
        """Answer a question whose name is not known yet: return the chosen candidate."""
        index = len(self._modules)
        decision = Choice(tuple(candidates))
        self._modules.append(None)  # its place, taken before candidates that ask themselves
        self._order.append(index)
        label = self._label(index, decision, self._names)
        chosen = make(label, candidates[label])
        rejected = tuple(
            candidate
            for name, candidate in candidates.items()
            if name != label and isinstance(candidate, nn.Module)
        )
        self._modules[index] = _ModuleQuestion(decision, label, chosen, rejected)
        return chosen

    def settled(self, network: nn.Module) -> Settled:
        """Read the names of the module choices off the finished network."""
        questions = [question for question in self._modules if question is not None]
        names = _names(network, questions)
        asked: dict[str, Decision] = {}
        for each in self._order:
            name = names[each] if isinstance(each, int) else each
            decision = questions[each].decision if isinstance(each, int) else self._values[each]
            if name is None:
                continue
            if name in asked:
                raise SpaceError(f"{name!r} is both a value and the place of a Choice; rename one")
            asked[name] = decision
        return Settled(network, asked, names)

    def fits(self, names: Sequence[str | None]) -> bool:
        """Return whether every module choice took the answer that belongs to its name."""
        return all(
            question is None
            or name is None
            or question.label == self._label(i, question.decision, names)
            for i, (question, name) in enumerate(zip(self._modules, names, strict=True))
        )

    def _label(self, index: int, decision: Choice, names: Sequence[str | None]) -> str:
        name = names[index] if index < len(names) else None
        label = None if name is None else self._answers.get(name)
        return str(decision.options[0] if label not in decision.options else label)


def _names(network: nn.Module, questions: Sequence[_ModuleQuestion]) -> tuple[str | None, ...]:
    """Return the name of each choice: the path of its candidate, through the labels above it."""
    paths: dict[int, str] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), path)
    discarded = {
        id(part)
        for question in questions
        for candidate in question.rejected
        for part in candidate.modules()
    }
    labels: dict[str, str] = {}
    for question in questions:
        path_of_choice = paths.get(id(question.chosen))
        if path_of_choice is not None:
            _claim(path_of_choice, question, labels)
        elif id(question.chosen) not in discarded:
            raise SpaceError(
                f"a Choice between {question.decision.domain} is not part of the network; assign "
                f"what it returns to an attribute, or put it into an nn.Sequential, nn.ModuleList "
                f"or nn.ModuleDict"
            )
    found = (paths.get(id(question.chosen)) for question in questions)
    return tuple(None if path is None else _through(path, labels) for path in found)


def _claim(path: str, question: _ModuleQuestion, labels: dict[str, str]) -> None:
    if not path:
        raise SpaceError(
            f"the whole network is a Choice between {question.decision.domain}; put it into an "
            f"attribute of a module, whose name it then has"
        )
    if path in labels:
        raise SpaceError(
            f"{path!r} is the candidate of two choices; give each Choice modules of its own, or "
            f"functions that make them"
        )
    labels[path] = question.label


def _through(path: str, labels: Mapping[str, str]) -> str:
    """Insert the label of every choice above a path: "body.0" inside "body" taken as "deep"."""
    parts = path.split(".")
    name: list[str] = []
    for i, part in enumerate(parts, start=1):
        name.append(part)
        above = ".".join(parts[:i])
        if above != path and above in labels:
            name.append(labels[above])
    return ".".join(name)
