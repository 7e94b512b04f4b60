"""What every store promises: the interface, its records, and the rules that all kinds keep.

The rules, checked for each kind by `archwright.testing.stores`:

- Numbers are 0, 1, 2 ... in the order of asking, and `finished_order` is 0, 1, 2 ... in the order
  of finishing; neither has gaps.
- A trial has one owner at a time. The pair (owner, attempt) of the last claim is the fence: only
  its holder can finish the trial, anybody else's result is dropped and changes nothing.
- A finished trial never changes.
- One transaction is all or nothing, and is durable before it returns (for stores on disk).
- Every change is appended to the log of events; the trials are its projection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self, TypedDict, TypeVar

from archwright.errors import StoreError
from archwright.space import Space
from archwright.trial import Budget, Outcome, Proposal, Trial

__all__ = [
    "LEASE_SECONDS",
    "MAX_ATTEMPTS",
    "Counts",
    "Event",
    "Store",
    "StudyRecord",
    "Transaction",
]

LEASE_SECONDS = 90.0
"""How long a claim holds without a heartbeat, in seconds."""
MAX_ATTEMPTS = 3
"""How often a trial is handed out before it counts as deadly to its workers."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What a store knows about one study, as it was when it was read.

    Args:
        id: The store's own number for the study; never reused.
        name: As the user typed it.
        space_json: `Space.to_json()` of its space.
        spec: Everything needed to rebuild the study; JSON.
        seed: Root of all randomness.
        created_at: Seconds since the epoch (UTC).
        environment: Python, platform and package versions at creation; JSON.
        extra: Facts added later with `Store.annotate`; JSON.
        bound: The caller's own space object, which may carry a builder; None to rebuild it.
    """

    id: int
    name: str
    space_json: Mapping[str, Any]
    spec: Mapping[str, Any]
    seed: int
    created_at: float
    environment: Mapping[str, Any]
    extra: Mapping[str, Any]
    bound: list[Space] = field(default_factory=list, repr=False, compare=False)

    @property
    def space(self) -> Space:
        """The space: the one handed in by the caller, else rebuilt from its JSON, once."""
        if not self.bound:
            self.bound.append(Space.from_json(self.space_json))
        return self.bound[0]

    @property
    def budget(self) -> Budget | None:
        """What may be spent in all: by the last run, else as first stated; None if by neither."""
        budget = self.extra.get("budget") or self.spec.get("budget")
        return Budget.from_json(budget) if budget else None


class Event(NamedTuple):
    """One line of the append-only log.

    Args:
        sequence: 0, 1, 2 ... within the study.
        kind: "asked", "claimed", "finished", "released" or "expired".
        trial: The trial's number.
        attempt: The attempt it belongs to; 0 for "asked".
        owner: The worker; empty where there is none.
        at: Seconds since the epoch, by the clock that rules the leases.
    """

    sequence: int
    kind: str
    trial: int
    attempt: int
    owner: str
    at: float


class Counts(TypedDict):
    """How many trials of a study stand where; `cost_seconds` sums what the finished ones cost."""

    pending: int
    running: int
    finished: int
    completed: int
    total: int
    cost_seconds: float


class Transaction(ABC):
    """One short write transaction on one study, which it locks: all or nothing.

    Used as a context manager. It commits at the end of the block and rolls back if the block
    raises. Keep it short: no evaluation, no waiting inside.
    """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    def finish(self, number: int, attempt: int, owner: str, outcome: Outcome) -> Trial | None:
        """Record how a trial ended.

        Repeating it with the same owner and attempt returns the trial as first recorded.

        Returns:
            The finished trial; None if the claim (owner, attempt) is not the trial's last one:
            then the result is dropped and nothing changed.

        Raises:
            StoreError: If the cost is not a finite number of seconds, or the outcome cannot be
                written as JSON.
        """

    @abstractmethod
    def enqueue(
        self, proposals: Sequence[Proposal], seeds: Sequence[int], told_before: int
    ) -> list[Trial]:
        """Append proposals as pending trials, with the next numbers.

        Args:
            proposals: In the order of asking.
            seeds: One for each, in [0, 2**63).
            told_before: How many finished trials the strategy had been told.
        """

    @abstractmethod
    def claim(
        self,
        owner: str,
        n: int = 1,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Trial]:
        """Take up to `n` trials, lowest numbers first: pending ones, or with a lease run out.

        A trial that has used up its attempts is not handed out again: it becomes crashed, in
        this same transaction.
        """

    def start(
        self,
        owner: str,
        proposals: Sequence[Proposal],
        seeds: Sequence[int],
        told_before: int,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Trial]:
        """Append proposals and claim as many trials: `enqueue`, then `claim`.

        A store may do both in one step where nothing older is waiting.
        """
        self.enqueue(proposals, seeds, told_before)
        if not proposals:
            return []
        return self.claim(
            owner, len(proposals), lease_seconds=lease_seconds, max_attempts=max_attempts
        )

    @abstractmethod
    def finished_since(self, order: int) -> list[Trial]:
        """Return the trials with `finished_order` >= order, ascending."""

    @abstractmethod
    def counts(self) -> Counts:
        """Return the numbers of trials, this transaction's own changes included."""


class Store(ABC):
    """Where studies and their trials live.

    A store may be used from several threads; they take turns, one transaction at a time. It must
    not be used in a forked child, which has to open its own.

    Args:
        url: What `open_store` takes to open it again; may hold a password.
        label: How messages call it; never holds a password.
    """

    shared = True
    """Whether another process can open it by its `url`."""

    url: str
    label: str

    @abstractmethod
    def create_study(
        self,
        name: str,
        *,
        space: Space,
        spec: Mapping[str, Any],
        seed: int,
        environment: Mapping[str, Any] | None = None,
    ) -> StudyRecord:
        """Create a study.

        Args:
            name: Up to 200 printable characters.
            space: Its space; the record returned keeps this very object.
            spec: JSON; everything needed to rebuild the study.
            seed: Root of all its randomness, in [0, 2**63).
            environment: JSON; None records this process's Python, platform and packages.

        Raises:
            StudyExistsError: If the name is taken. Nothing is overwritten.
        """

    @abstractmethod
    def study(self, name: str, *, space: Space | None = None) -> StudyRecord:
        """Return a study.

        Args:
            name: Its name.
            space: The caller's space object, to be used instead of one rebuilt from JSON.

        Raises:
            StudyNotFoundError: If there is none; names the nearest and all.
            StoreError: If `space` is another space than the study's.
        """

    @abstractmethod
    def studies(self) -> list[StudyRecord]:
        """Return all studies in the order of creation."""

    @abstractmethod
    def delete_study(self, name: str) -> None:
        """Remove a study with all its trials and events.

        Raises:
            StudyNotFoundError: If there is none of that name.
        """

    @abstractmethod
    def annotate(self, study: StudyRecord, key: str, value: Any) -> None:
        """Set one fact about the study, to be read in `study(name).extra`; a JSON value."""

    @abstractmethod
    def transaction(self, study: StudyRecord) -> Transaction:
        """Return a write transaction on the study; enter it with `with`."""

    def run(self, study: StudyRecord, function: Callable[[Transaction], T]) -> T:
        """Call `function(transaction)` and commit; repeat it all while the connection is lost.

        It takes effect exactly once: if the connection breaks during the commit, the store finds
        out whether it was written before it tries again. `function` may be called several times
        and must not change anything but the transaction before it returns.
        """
        with self.transaction(study) as transaction:
            return function(transaction)

    @abstractmethod
    def heartbeat(
        self, study: StudyRecord, owner: str, *, lease_seconds: float = LEASE_SECONDS
    ) -> list[int]:
        """Extend the leases of all trials of this owner; return their numbers."""

    @abstractmethod
    def release(
        self, study: StudyRecord, owners: Iterable[str], *, clean: bool = False
    ) -> list[int]:
        """Make the running trials of owners that are gone claimable at once.

        Args:
            study: The study.
            owners: Workers known to have ended.
            clean: They stopped on purpose, so the attempt does not count against the trial.

        Returns:
            The numbers that were released.
        """

    @abstractmethod
    def trials(self, study: StudyRecord, *, since: int = 0) -> list[Trial]:
        """Return the trials with number >= since, by number."""

    @abstractmethod
    def running(self, study: StudyRecord) -> list[Trial]:
        """Return the running trials, by number."""

    @abstractmethod
    def finished(self, study: StudyRecord, since_order: int = 0) -> list[Trial]:
        """Return the trials with `finished_order` >= since_order, ascending."""

    @abstractmethod
    def counts(self, study: StudyRecord) -> Counts:
        """Return the numbers of trials, in constant time."""

    @abstractmethod
    def records(self, study: StudyRecord, since: int = 0) -> list[Event]:
        """Return the events with sequence >= since, in order."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds. Closing twice is fine, using it afterwards is not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"


def check_claim(owner: str, n: int) -> None:
    """Refuse a claim that could not be told apart from nobody's, or of nothing."""
    if not owner:
        raise StoreError(f"claim: owner must be a non-empty text; got {owner!r}")
    if n < 1:
        raise StoreError(f"claim: n must be at least 1; got {n!r}")


def check_enqueue(proposals: Sequence[Proposal], seeds: Sequence[int]) -> None:
    """Refuse proposals without exactly one seed each."""
    if len(proposals) != len(seeds):
        raise StoreError(
            f"enqueue: expected one seed for each of {len(proposals)} proposals; got {len(seeds)}"
        )


def check_cost(number: int, outcome: Outcome) -> None:
    """Refuse a cost that would spoil the study's sum."""
    if not 0 <= outcome.cost_seconds < float("inf"):
        raise StoreError(
            f"trial {number}: cost_seconds must be a finite number of at least 0; "
            f"got {outcome.cost_seconds!r}"
        )


def counts_of(
    total: int, running: int, finished: int, completed: int, cost_seconds: float
) -> Counts:
    """Name the counts; what is neither running nor finished is pending."""
    return {
        "pending": total - running - finished,
        "running": running,
        "finished": finished,
        "completed": completed,
        "total": total,
        "cost_seconds": cost_seconds,
    }
