# ruff: noqa: D102 - documented on Transaction
"""One write transaction on the trials of one study, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from archwright.store import records
from archwright.store.contract import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Counts,
    StudyRecord,
    Transaction,
    check_claim,
    check_cost,
    check_enqueue,
    counts_of,
)
from archwright.store.database import LostCommitError, Row
from archwright.trial import Outcome, Proposal, Status, Trial

if TYPE_CHECKING:
    from archwright.store.sql import SQLStore

__all__ = ["SQLTransaction"]


class SQLTransaction(Transaction):
    """Counts and events are gathered here and written once, just before the commit."""

    def __init__(self, store: SQLStore, study: StudyRecord) -> None:
        self._store = store
        self._database = store.database
        self._statements = store.statements
        self._study = study
        self._id = study.id

    # --- beginning and end

    def __enter__(self) -> Self:
        self._store.patiently(self._begin)
        return self

    def _begin(self) -> None:
        store = self._store
        store.check_usable()
        store.lock.acquire()
        try:
            store.enter(self._study.name)
            try:
                self._database.begin()
                progress, self._now = self._database.lock(self._id)
                if progress is None:
                    raise records.deleted(self._study.name, store.label)
            except BaseException:
                store.leave()
                raise
        except BaseException:
            store.lock.release()
            raise
        self._total, self._running, self._finished = progress[:3]
        self._completed, self._cost_seconds, self._sequence = progress[3:]
        self._events: list[dict[str, Any]] = []
        self._seen: dict[int, Trial] = {}  # as this transaction leaves them
        self._done: list[Trial] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._store.leave()
            self._store.lock.release()

    def _commit(self) -> None:
        if self._events:
            self._database.execute_many(self._statements.event, self._events)
            self._database.execute(
                self._statements.set_progress,
                {
                    "study": self._id,
                    "total": self._total,
                    "running": self._running,
                    "finished": self._finished,
                    "completed": self._completed,
                    "cost_seconds": self._cost_seconds,
                    "events": self._sequence,
                },
            )
        try:
            self._database.commit()
        except LostCommitError:
            # Without events nothing is lost or doubled by doing it again.
            if not self._events or not self._store.patiently(self._was_written, inside=True):
                raise
        self._store.remember(self._id, self._seen.values())

    def _was_written(self) -> bool:
        """Find out after a lost commit: our last event is there exactly if all is.

        The study's lock comes first, so that a server still at work on the lost commit is done.
        """
        database, last = self._database, self._events[-1]
        if not database.connected:
            database.connect()
        database.begin()
        try:
            database.lock(self._id)
            since = {"study": self._id, "since": last["sequence"]}
            rows = database.execute(self._statements.events, since)
        finally:
            database.rollback()
        keys = ("sequence", "kind", "trial", "attempt", "owner", "at")
        return bool(rows) and rows[0] == tuple(last[key] for key in keys)

    # --- trials

    def finish(self, number: int, attempt: int, owner: str, outcome: Outcome) -> Trial | None:
        check_cost(number, outcome)
        changed = self._database.change(
            self._statements.finish,
            {
                "study": self._id,
                "number": number,
                "attempt": attempt,
                "owner": owner,
                "status": outcome.status.value,
                "outcome": records.outcome_text(number, outcome),
                "finished_order": self._finished,
                "now": self._now,
            },
        )
        if changed:
            return self._record(number, attempt, owner, outcome)
        trial = self._read(number)
        if trial is None or (trial.attempt, trial.worker) != (attempt, owner):
            return None
        return trial if trial.status.finished else None

    def enqueue(
        self, proposals: Sequence[Proposal], seeds: Sequence[int], told_before: int
    ) -> list[Trial]:
        check_enqueue(proposals, seeds)
        if not proposals:
            return []
        now, first = self._now, self._total
        rows = []
        trials = []
        for number, (proposal, seed) in enumerate(zip(proposals, seeds, strict=True), first):
            records.check_seed(seed)
            text = records.dumps(proposal.to_json(), f"trial {number}: the proposal")
            rows.append(
                {
                    "study": self._id,
                    "number": number,
                    "seed": seed,
                    "proposal": text,
                    "told_before": told_before,
                    "now": now,
                }
            )
            trials.append(Trial(number, proposal, seed, told_before=told_before, asked_at=now))
        self._database.execute_many(self._statements.enqueue, rows)
        for trial in trials:
            self._seen[trial.number] = trial
            self._log("asked", trial.number, 0, "")
        self._total += len(trials)
        return trials

    def claim(
        self,
        owner: str,
        n: int = 1,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Trial]:
        check_claim(owner, n)
        claimed: list[Trial] = []
        while (wanted := n - len(claimed)) > 0:
            rows = self._database.execute(
                self._statements.claim_one if wanted == 1 else self._statements.claim,
                {
                    "study": self._id,
                    "owner": owner,
                    "n": wanted,
                    "now": self._now,
                    "until": self._now + lease_seconds,
                    "most": max_attempts,
                },
            )
            rows.sort()  # by number
            for row in rows:
                trial = self._taken(row, owner, max_attempts)
                if trial is not None:
                    claimed.append(trial)
            if len(rows) < wanted:
                break
        return claimed

    def _taken(self, row: Row, owner: str, max_attempts: int) -> Trial | None:
        number, attempt, spared, taken_from = row
        if taken_from is None:
            self._running += 1
        else:
            self._log("expired", number, attempt - 1, taken_from)
        if attempt - spared > max_attempts:
            self._poison(number, attempt - 1, records.died(attempt - 1 - spared))
            return None
        self._log("claimed", number, attempt, owner)
        known = self._known(number)
        trial = self._read(number) if known is None else _running(known, attempt, owner, self._now)
        assert trial is not None, "it was claimed just now"
        self._seen[number] = trial
        return trial

    def _poison(self, number: int, attempt: int, outcome: Outcome) -> None:
        self._database.change(
            self._statements.poison,
            {
                "study": self._id,
                "number": number,
                "outcome": records.outcome_text(number, outcome),
                "finished_order": self._finished,
                "now": self._now,
            },
        )
        self._record(number, attempt, "", outcome)

    def finished_since(self, order: int) -> list[Trial]:
        order = max(order, 0)
        own = self._finished - len(self._done)  # everything from here on was finished just now
        if order >= own:
            return self._done[order - own :]
        rows = self._database.execute(
            self._statements.finished, {"study": self._id, "since": order}
        )
        return [self._trial(row) for row in rows]

    def counts(self) -> Counts:
        return counts_of(
            self._total, self._running, self._finished, self._completed, self._cost_seconds
        )

    def heartbeat(self, owner: str, lease_seconds: float) -> list[int]:
        """Extend the leases of one owner."""
        rows = self._database.execute(
            self._statements.heartbeat,
            {"study": self._id, "owner": owner, "until": self._now + lease_seconds},
        )
        return sorted(number for (number,) in rows)

    def release(self, owners: Iterable[str], clean: bool) -> list[int]:
        """Make the running trials of these owners pending again."""
        released = []
        for owner in owners:
            rows = self._database.execute(
                self._statements.release,
                {"study": self._id, "owner": owner, "spared": int(clean)},
            )
            released += [(number, attempt, owner) for number, attempt in rows]
        for number, attempt, owner in sorted(released):
            self._log("released", number, attempt, owner)
            self._running -= 1
        return sorted(number for number, _, _ in released)

    # --- inside

    def _known(self, number: int) -> Trial | None:
        return self._seen.get(number) or self._store.known.get((self._id, number))

    def _read(self, number: int) -> Trial | None:
        rows = self._database.execute(self._statements.trial, {"study": self._id, "number": number})
        return self._trial(rows[0]) if rows else None

    def _trial(self, row: Row) -> Trial:
        known = self._known(row[0])
        proposal = None if known is None else known.proposal
        return records.trial_from_row(row, self._study.space, proposal)

    def _record(self, number: int, attempt: int, owner: str, outcome: Outcome) -> Trial:
        """Count and log a trial whose row says that it is finished."""
        known = self._known(number)
        if known is not None and (known.attempt, known.worker) == (attempt, owner):
            trial = known.finish(outcome, order=self._finished, at=self._now)
        else:
            trial = self._read(number)  # type: ignore[assignment]  # it was changed just now
        self._running -= 1
        self._finished += 1
        self._completed += outcome.status is Status.COMPLETED
        self._cost_seconds += outcome.cost_seconds
        self._done.append(trial)
        self._seen[number] = trial
        self._log("finished", number, attempt, owner)
        return trial

    def _log(self, kind: str, number: int, attempt: int, owner: str) -> None:
        self._events.append(
            {
                "study": self._id,
                "sequence": self._sequence,
                "kind": kind,
                "trial": number,
                "attempt": attempt,
                "owner": owner,
                "at": self._now,
            }
        )
        self._sequence += 1


def _running(pending: Trial, attempt: int, owner: str, now: float) -> Trial:
    return Trial(
        pending.number,
        pending.proposal,
        pending.seed,
        Status.RUNNING,
        pending.told_before,
        attempt,
        worker=owner,
        asked_at=pending.asked_at,
        started_at=now,
    )
