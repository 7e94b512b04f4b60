"""Every error that archwright raises on purpose.

    ArchwrightError                     exit code 2 unless stated
    ├── UnknownNameError   LookupError  no such space, strategy, metric, column, option value ...
    ├── SpaceError         ValueError   a decision, a space or an architecture is not valid
    ├── StrategyError      ValueError   a strategy cannot work with what it was given
    ├── DataError          ValueError   the user's data cannot be used; carries all problems
    ├── NetworkError       ValueError   an architecture cannot be built for this input
    ├── GoalError          ValueError   an objective, budget or fidelity is not valid
    │   └── ConstraintError             a constraint cannot be met, or is not understood
    ├── EvaluationError    RuntimeError one trial failed; carries the status to record
    ├── BenchmarkError     ValueError   a table cannot answer, or is not what it should be
    │   ├── OutOfDomainError            the architecture is outside what the table covers
    │   └── FormatError                 a file is damaged or of another format; names the place
    ├── ProxyError         ValueError   a proxy cannot score this network
    ├── StoreError         RuntimeError the store refuses or is damaged
    │   ├── StudyExistsError            the name is taken
    │   ├── StudyNotFoundError          there is no such study
    │   └── LostLeaseError              another worker owns the trial now
    ├── ExportError        RuntimeError a network cannot leave the house, or not enter again
    └── EnvironmentProblem RuntimeError exit code 3: the machine lacks something
        └── MissingDependencyError      an optional package is not installed

A message says where, what was expected, what came, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = [
    "ArchwrightError",
    "BenchmarkError",
    "ConstraintError",
    "DataError",
    "EnvironmentProblem",
    "EvaluationError",
    "ExportError",
    "FormatError",
    "GoalError",
    "LostLeaseError",
    "MissingDependencyError",
    "NetworkError",
    "OutOfDomainError",
    "ProxyError",
    "SpaceError",
    "StoreError",
    "StrategyError",
    "StudyExistsError",
    "StudyNotFoundError",
    "UnknownNameError",
]

_NAMES_SHOWN = 40


class ArchwrightError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 2

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders, and their constructors take more than the message.
        return _rebuilt, (type(self), self.args), vars(self)


def _rebuilt(kind: type[ArchwrightError], args: tuple[object, ...]) -> ArchwrightError:
    return kind.__new__(kind, *args)


class UnknownNameError(ArchwrightError, LookupError):
    """A name that is none of the allowed ones; says which are, and the nearest.

    Args:
        kind: What is being named, in words ("strategy", "column of people.csv").
        name: What was given.
        allowed: The names that would have been accepted.
        hint: One more sentence: what else the user could do.
    """

    def __init__(self, kind: str, name: object, allowed: Iterable[str], *, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.allowed = tuple(allowed)
        self.hint = hint
        lowered = {candidate.lower(): candidate for candidate in self.allowed}
        message = f"unknown {kind} {name!r}"
        if near := get_close_matches(str(name).lower(), lowered, n=1):
            message += f" (did you mean {lowered[near[0]]!r}?)"
        message += f"; allowed: {', '.join(self.allowed[:_NAMES_SHOWN]) or 'none'}"
        if (more := len(self.allowed) - _NAMES_SHOWN) > 0:
            message += f" and {more} more"
        super().__init__(f"{message}. {hint}" if hint else message)


class SpaceError(ArchwrightError, ValueError):
    """A decision, a space or an architecture is not valid."""


class StrategyError(ArchwrightError, ValueError):
    """A strategy cannot work with the space, objective or option it was given."""


class DataError(ArchwrightError, ValueError):
    """The user's data cannot be used.

    Args:
        message: The first problem, or a summary of all.
        problems: Every problem found, each one line with its place and remedy.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class NetworkError(ArchwrightError, ValueError):
    """An architecture cannot be built for this input shape or number of outputs."""


class GoalError(ArchwrightError, ValueError):
    """An objective, a budget or a fidelity is not understood, or makes no sense."""


class ConstraintError(GoalError):
    """A constraint is not understood, or no architecture of the space can meet it."""


class EvaluationError(ArchwrightError, RuntimeError):
    """One trial failed; the study records it and goes on.

    Args:
        message: The reason, for the trial's record.
        status: Name of the `archwright.trial.Status` to record, in lower case.
    """

    def __init__(self, message: str, *, status: str = "crashed") -> None:
        super().__init__(message)
        self.status = status


class BenchmarkError(ArchwrightError, ValueError):
    """A benchmark table has no answer to the question, or cannot be made."""


class OutOfDomainError(BenchmarkError):
    """The architecture is outside what the benchmark covers; says which rule it breaks."""


class FormatError(BenchmarkError):
    """A benchmark file is damaged, of another format or not safe to read.

    Args:
        path: The file.
        place: Where in it: a record, a byte offset, a field.
        message: What was expected there and what is there instead.
    """

    def __init__(self, path: object, place: str, message: str) -> None:
        super().__init__(f"{path}, {place}: {message}")
        self.path = str(path)
        self.place = place


class ProxyError(ArchwrightError, ValueError):
    """A proxy cannot score this network, or does not mean anything there; says why."""


class StoreError(ArchwrightError, RuntimeError):
    """The store refuses the operation or cannot be read."""


class StudyExistsError(StoreError):
    """A study of that name is already in the store."""


class StudyNotFoundError(StoreError, LookupError):
    """There is no study of that name in the store."""


class LostLeaseError(StoreError):
    """The trial was handed to another worker; this one's result is dropped."""


class ExportError(ArchwrightError, RuntimeError):
    """A network cannot be exported, or an exported one cannot be read."""


class EnvironmentProblem(ArchwrightError, RuntimeError):
    """The machine lacks something that the user did not type wrong."""

    exit_code = 3


class MissingDependencyError(EnvironmentProblem, ImportError):
    """An optional package is not installed.

    Args:
        package: The import name that failed.
        extra: The archwright extra that brings it.
        needed_for: What the user asked for.
    """

    def __init__(self, package: str, *, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'archwright[{extra}]'"
        )
