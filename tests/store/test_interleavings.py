"""Whatever workers do in whatever order, memory and SQLite tell the same story."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from archwright.errors import StoreError
from archwright.store import MemoryStore, SQLStore, Store, StudyRecord
from archwright.store.sqlite import SQLiteDatabase
from archwright.testing.stored_studies import check_consistent, measured, proposals, space
from archwright.trial import Outcome, Status, Trial

OWNERS = st.sampled_from(["ann", "bob", "cy"])
OUTCOMES = st.sampled_from(
    [measured(0.5), measured(0.1 + 0.2), Outcome(Status.DIVERGED, error="nan", cost_seconds=0.125)]
)
PROPOSALS = proposals(50)
LEASE_SECONDS = 10.0


class _Undo(Exception):
    pass


class Interleavings(RuleBasedStateMachine):
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "x.db"
        self.stores: list[Store] = [
            MemoryStore(clock=lambda: self.now),
            SQLStore(SQLiteDatabase(path, clock=lambda: self.now)),
        ]
        self.studies: list[StudyRecord] = [
            store.create_study("s", space=space(), spec={}, seed=0) for store in self.stores
        ]

    def teardown(self) -> None:
        for store, study in self.both():
            check_consistent(store, study)
            store.close()
        self.folder.cleanup()

    def both(self) -> list[tuple[Store, StudyRecord]]:
        return list(zip(self.stores, self.studies, strict=True))

    @rule(seconds=st.sampled_from([0.5, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(n=st.integers(0, 3), undo=st.booleans())
    def ask(self, n: int, undo: bool) -> None:
        made = []
        for store, study in self.both():
            first = store.counts(study)["total"]
            asked = [PROPOSALS[(first + k) % len(PROPOSALS)] for k in range(n)]
            try:
                with store.transaction(study) as tx:
                    made.append(tx.enqueue(asked, range(n), 0))
                    if undo:
                        raise _Undo
            except _Undo:
                pass
        assert made[0] == made[1]

    @rule(target=claims, owner=OWNERS, n=st.integers(1, 3), undo=st.booleans())
    def claim(self, owner: str, n: int, undo: bool) -> list[Trial]:
        taken: list[list[Trial]] = []
        for store, study in self.both():
            try:
                with store.transaction(study) as tx:
                    taken.append(tx.claim(owner, n, lease_seconds=LEASE_SECONDS, max_attempts=2))
                    if undo:
                        raise _Undo
            except _Undo:
                pass
        assert taken[0] == taken[1]
        return taken[0]

    @rule(claimed=claims, outcome=OUTCOMES, since=st.integers(0, 5))
    def finish(self, claimed: list[Trial], outcome: Outcome, since: int) -> None:
        results = []
        for store, study in self.both():
            with store.transaction(study) as tx:
                done = [tx.finish(t.number, t.attempt, t.worker, outcome) for t in claimed]
                results.append((done, tx.finished_since(since), tx.counts()))
        assert results[0] == results[1]

    @rule(claimed=claims, owner=OWNERS)
    def steal(self, claimed: list[Trial], owner: str) -> None:
        results = []
        for store, study in self.both():
            with store.transaction(study) as tx:
                results.append(
                    [tx.finish(t.number, t.attempt + 1, owner, measured(0.9)) for t in claimed]
                )
        assert results[0] == results[1]

    @rule(owner=OWNERS)
    def heartbeat(self, owner: str) -> None:
        kept = [
            store.heartbeat(study, owner, lease_seconds=LEASE_SECONDS)
            for store, study in self.both()
        ]
        assert kept[0] == kept[1]

    @rule(owners=st.lists(OWNERS, max_size=2), clean=st.booleans())
    def release(self, owners: list[str], clean: bool) -> None:
        released = [store.release(study, owners, clean=clean) for store, study in self.both()]
        assert released[0] == released[1]

    @rule()
    def refuse(self) -> None:
        for store, study in self.both():
            try:
                with store.transaction(study) as tx:
                    tx.claim("ann", 2)
                    tx.claim("ann", 0)
            except StoreError:
                pass

    @invariant()
    def same_story(self) -> None:
        (a, study_a), (b, study_b) = self.both()
        assert a.trials(study_a) == b.trials(study_b)
        assert a.running(study_a) == b.running(study_b)
        assert a.finished(study_a) == b.finished(study_b)
        assert a.counts(study_a) == b.counts(study_b)
        assert a.records(study_a) == b.records(study_b)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
