"""What every store keeps, as checks that take an empty one.

A plug-in's test is one line for each of `CHECKS` with a new, empty store; and if other processes
can open it, one for each of `SHARED_CHECKS` in `archwright.testing.shared_stores`. Leases run out
at once in the checks, because they ask for less than no time, so no check waits.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from archwright.errors import StoreError, StudyExistsError, StudyNotFoundError
from archwright.space import Choice, Space
from archwright.store import Store, Transaction
from archwright.testing.stored_studies import (
    check_consistent,
    measured,
    new_study,
    proposals,
    space,
)
from archwright.trial import Outcome, Status

__all__ = ["CHECKS"]

EXPIRED = -1.0
"""A lease that has run out when it begins, in seconds."""
_AWKWARD = (0.1 + 0.2, 1e-308, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3, 2.0**53 + 2)


@contextmanager
def raises(kind: type[Exception], *parts: str) -> Iterator[None]:
    """Expect an error whose message has all these parts."""
    message = None
    try:
        yield
    except kind as error:
        message = str(error)
    if message is None:
        raise AssertionError(f"expected {kind.__name__}")
    missing = [part for part in parts if part not in message]
    assert not missing, f"{message!r} does not say {missing}"


def check_studies(store: Store) -> None:
    """Studies are created once, found again, listed in order, and deleted whole."""
    first = new_study(store, "digits", trials=2)
    second = store.create_study("wine é", space=space(), spec={"a": [1, None]}, seed=2**63 - 1)
    assert first.space is space()
    assert first.environment["python"] == sys.version.split()[0]
    assert [s.name for s in store.studies()] == ["digits", "wine é"]
    found = store.study("wine é")
    assert found == second, (found, second)
    assert found.space.fingerprint == space().fingerprint
    assert found.spec == {"a": [1, None]}
    with raises(StudyExistsError, "'digits'", "resume digits", "another name"):
        store.create_study("digits", space=space(), spec={}, seed=0)
    with raises(StudyNotFoundError, "'digit'", "did you mean 'digits'", "digits, wine é"):
        store.study("digit")
    with raises(StoreError, "made for another space", "start a new study"):
        store.study("digits", space=Space(a=Choice(1, 2)))
    store.delete_study("digits")
    assert [s.name for s in store.studies()] == ["wine é"]
    with raises(StudyNotFoundError, "'digits'"):
        store.delete_study("digits")
    with raises(StudyNotFoundError, "was deleted"), store.transaction(first):
        pass
    again = new_study(store, "digits")
    assert store.trials(again) == []
    assert again.id != first.id


def check_names_and_values(store: Store) -> None:
    """What could not be stored, printed or typed again is refused."""
    for name in ("", " a", "a\nb", "x" * 201, "a\0"):
        with raises(StoreError, "1 to 200 printable characters"):
            store.create_study(name, space=space(), spec={}, seed=0)
    for seed in (-1, 2**63):
        with raises(StoreError, "seed must be in [0, 2**63)", str(seed)):
            store.create_study("a", space=space(), spec={}, seed=seed)
    with raises(StoreError, "spec cannot be written as JSON", "object"):
        store.create_study("a", space=space(), spec={"x": object()}, seed=0)
    assert store.studies() == []


def check_annotations(store: Store) -> None:
    """Facts are set one at a time, and read back as JSON."""
    study = new_study(store)
    assert study.extra == {}
    store.annotate(study, "finalized", {"trial": 3, "at": 0.1 + 0.2})
    store.annotate(study, "wall_seconds", 1.5)
    store.annotate(study, "wall_seconds", 2.5)
    expected = {"finalized": {"trial": 3, "at": 0.1 + 0.2}, "wall_seconds": 2.5}
    assert store.study(study.name).extra == expected
    with raises(StoreError, "'study'", "bad cannot be written as JSON"):
        store.annotate(study, "bad", object())


def check_life(store: Store) -> None:
    """A trial goes from pending over running to finished, and every view agrees."""
    study = store.create_study("life", space=space(), spec={}, seed=1)
    asked = proposals(3)
    with store.transaction(study) as tx:
        made = tx.enqueue(asked, [5, 6, 7], 0)
        assert [(t.number, t.proposal, t.seed, t.status) for t in made] == [
            (k, asked[k], 5 + k, Status.PENDING) for k in range(3)
        ]
        assert store.trials(study) == made, "a transaction reads its own changes"
    assert store.trials(study) == made
    with store.transaction(study) as tx:
        taken = tx.claim("w", 2)
        assert tx.counts()["running"] == 2
    assert [(t.number, t.attempt, t.worker) for t in taken] == [(0, 1, "w"), (1, 1, "w")]
    assert store.running(study) == taken
    with store.transaction(study) as tx:
        late = tx.finish(1, 1, "w", measured(0.5))
        early = tx.finish(0, 1, "w", Outcome(Status.INVALID, error="too big", traceback="at 1"))
        assert tx.finished_since(0) == [late, early]
        assert tx.finished_since(1) == [early]
        assert tx.finished_since(2) == []
    assert store.finished(study) == [late, early]
    assert store.finished(study, 1) == [early]
    assert store.trials(study, since=2) == made[2:]
    assert early is not None
    assert early.error == "too big"
    with store.transaction(study) as tx:
        assert tx.finished_since(0) == [late, early]
    check_consistent(store, study)


def check_claims(store: Store) -> None:
    """Claims take the lowest numbers, each once, and no more than there are."""
    study = new_study(store, trials=5)
    with store.transaction(study) as tx:
        assert [t.number for t in tx.claim("a", 2)] == [0, 1]
        assert [t.number for t in tx.claim("b")] == [2]
        assert [t.number for t in tx.claim("c", 9)] == [3, 4]
        assert tx.claim("d") == []
        with raises(StoreError, "owner must be a non-empty text"):
            tx.claim("")
        with raises(StoreError, "n must be at least 1", "0"):
            tx.claim("a", 0)
        with raises(StoreError, "one seed for each of 2 proposals", "got 1"):
            tx.enqueue(proposals(2), [1], 0)
    check_consistent(store, study)


def check_start(store: Store) -> None:
    """Starting is asking and claiming: new trials if nothing waits, else the older ones."""
    study = new_study(store)
    with store.transaction(study) as tx:
        assert [t.number for t in tx.start("a", proposals(2), [7, 8], 0)] == [0, 1]
        assert tx.start("a", [], [], 0) == []
        with raises(StoreError, "one seed for each of 2 proposals", "got 1"):
            tx.start("a", proposals(2), [1], 0)
    check_consistent(store, study)
    first, second = store.trials(study)
    assert (first.status, first.worker, first.attempt) == (Status.RUNNING, "a", 1)
    assert (first.seed, second.seed) == (7, 8)
    with store.transaction(study) as tx:
        tx.enqueue(proposals(1), [9], 0)
        assert [t.number for t in tx.start("b", proposals(1), [10], 0)] == [2], "lowest first"
        assert tx.finish(0, 1, "a", measured(0.5)) is not None
    check_consistent(store, study)
    with raises(StoreError, "one seed for each"), store.transaction(study) as tx:
        assert [t.number for t in tx.start("c", proposals(1), [11], 1)] == [3]
        tx.enqueue(proposals(2), [1], 0)  # undoes it all
    check_consistent(store, study)
    assert len(store.trials(study)) == 4
    assert store.release(study, ["a", "b"]) == [1, 2]
    check_consistent(store, study)


def check_fence(store: Store) -> None:
    """Only the last claim can finish a trial; finishing again returns what was recorded."""
    study = new_study(store, trials=2)
    with store.transaction(study) as tx:
        tx.claim("old", lease_seconds=EXPIRED)
        (again,) = tx.claim("new")
    assert (again.number, again.attempt) == (0, 2)
    with store.transaction(study) as tx:
        assert tx.finish(0, 1, "old", measured(0.1)) is None, "the lease was lost"
        assert tx.finish(0, 2, "old", measured(0.1)) is None, "another owner"
        assert tx.finish(0, 1, "new", measured(0.1)) is None, "another attempt"
        assert tx.finish(1, 0, "", measured(0.1)) is None, "never claimed"
        assert tx.finish(9, 1, "new", measured(0.1)) is None, "never asked"
        assert tx.finish(-1, 1, "new", measured(0.1)) is None, "never asked"
    with store.transaction(study) as tx:
        done = tx.finish(0, 2, "new", measured(0.2))
        assert tx.finish(0, 2, "new", measured(0.9)) == done
        assert tx.finish(0, 2, "other", measured(0.9)) is None
    with store.transaction(study) as tx:
        assert tx.finish(0, 2, "new", measured(0.9)) == done
    assert store.trials(study)[0] == done
    assert store.counts(study)["finished"] == 1
    check_consistent(store, study)


def check_unchanged_lease(store: Store) -> None:
    """A lease that ran out without anybody taking over can still be finished or extended."""
    study = new_study(store, trials=2)
    with store.transaction(study) as tx:
        tx.claim("a", 2, lease_seconds=EXPIRED)
    with store.transaction(study) as tx:
        assert tx.finish(0, 1, "a", measured(0.1)) is not None
    assert store.heartbeat(study, "a") == [1]
    with store.transaction(study) as tx:
        assert tx.claim("b") == []
    check_consistent(store, study)


def check_heartbeat(store: Store) -> None:
    """A heartbeat extends the leases of its owner, of nobody else."""
    study = new_study(store, trials=3)
    with store.transaction(study) as tx:
        tx.claim("a", 2)
        tx.claim("b")
    assert store.heartbeat(study, "a", lease_seconds=EXPIRED) == [0, 1]
    assert store.heartbeat(study, "a", lease_seconds=60) == [0, 1]
    assert store.heartbeat(study, "nobody") == []
    with store.transaction(study) as tx:
        assert tx.claim("c", 3) == []
    assert store.heartbeat(study, "b", lease_seconds=EXPIRED) == [2]
    with store.transaction(study) as tx:
        assert [t.number for t in tx.claim("c", 3)] == [2]
    check_consistent(store, study)


def check_poison(store: Store) -> None:
    """A trial that nobody survived is not handed out for ever: it crashes, in order."""
    study = new_study(store, trials=3)
    for attempt in (1, 2, 3):
        with store.transaction(study) as tx:
            (trial,) = tx.claim(f"w{attempt}", lease_seconds=EXPIRED)
            assert (trial.number, trial.attempt) == (0, attempt)
    with store.transaction(study) as tx:
        taken = tx.claim("w4", 2)
        assert [t.number for t in taken] == [1, 2], "the claim goes on behind it"
        assert [t.number for t in tx.finished_since(0)] == [0]
    crashed = store.trials(study)[0]
    assert crashed.status is Status.CRASHED
    assert crashed.error == "worker died 3 times"
    assert (crashed.attempt, crashed.finished_order) == (3, 0)
    with store.transaction(study) as tx:
        assert tx.finish(0, 3, "w3", measured(0.5)) is None
    check_consistent(store, study)


def check_release(store: Store) -> None:
    """Trials of the dead are claimable at once; a clean stop costs no attempt."""
    study = new_study(store, trials=3)
    with store.transaction(study) as tx:
        tx.claim("a", 2)
        tx.claim("b")
    assert store.release(study, ["a", "gone"]) == [0, 1]
    assert store.release(study, ["a"]) == []
    with store.transaction(study) as tx:
        assert tx.finish(0, 1, "a", measured(0.1)) is None, "released"
        assert [(t.number, t.attempt) for t in tx.claim("c", 3)] == [(0, 2), (1, 2)]
    for _ in range(5):
        assert store.release(study, ["c"], clean=True) == [0, 1]
        with store.transaction(study) as tx:
            assert [t.number for t in tx.claim("c", 2)] == [0, 1]
    trial = store.trials(study)[0]
    assert trial.status is Status.RUNNING, "clean releases are no deaths"
    assert store.release(study, ["c"]) == [0, 1]
    with store.transaction(study) as tx:
        assert [t.number for t in tx.claim("d", 2)] == [0, 1]
    assert store.release(study, ["d"]) == [0, 1]
    with store.transaction(study) as tx:
        assert tx.claim("e", 2) == []
    assert store.trials(study)[0].error == "worker died 3 times"
    check_consistent(store, study)


def check_rollback(store: Store) -> None:
    """A transaction whose block raises leaves no trace."""
    study = new_study(store, trials=3)
    with store.transaction(study) as tx:
        tx.claim("a", 2, lease_seconds=EXPIRED)
    before = (store.trials(study), store.records(study), store.counts(study))
    with raises(StoreError, "n must be"), store.transaction(study) as tx:
        tx.finish(0, 1, "a", measured(0.3))
        tx.enqueue(proposals(2, seed=9), [1, 2], 1)
        tx.claim("b", 4)
        tx.claim("b", 0)
    assert (store.trials(study), store.records(study), store.counts(study)) == before
    other = proposals(1, seed=5)
    with store.transaction(study) as tx:
        assert tx.enqueue(other, [3], 0)[0].number == 3
        assert [t.number for t in tx.claim("b", 4)] == [0, 1, 2, 3]
    assert store.trials(study)[3].proposal == other[0]
    check_consistent(store, study)


def check_fidelity(store: Store) -> None:
    """Values come back bit for bit: floats, text, nested facts."""
    values = [*_AWKWARD, *np.random.default_rng(0).normal(size=20).tolist()]
    study = new_study(store, trials=len(values))
    with store.transaction(study) as tx:
        for trial, value in zip(tx.claim("w", len(values)), values, strict=True):
            tx.finish(trial.number, 1, "w", measured(value, cost_seconds=abs(value) / 1e300))
    again = store.trials(study)
    assert [t.proposal for t in again] == proposals(len(values))
    for trial, value in zip(again, values, strict=True):
        assert trial.outcome == measured(value, cost_seconds=abs(value) / 1e300), trial
        assert trial.metrics["val_score"].hex() == value.hex()
    seeds = [0, 2**63 - 1]
    with store.transaction(study) as tx:
        tx.enqueue(proposals(2), seeds, 2)
    assert [t.seed for t in store.trials(study, since=len(values))] == seeds
    check_consistent(store, study)


def check_refused_outcomes(store: Store) -> None:
    """An outcome that would spoil the sums is refused and changes nothing."""
    study = new_study(store, trials=1)
    with store.transaction(study) as tx:
        tx.claim("w")
        for cost in (float("nan"), float("inf"), -1.0):
            with raises(StoreError, "trial 0", "cost_seconds", str(cost)):
                tx.finish(0, 1, "w", Outcome(Status.CRASHED, cost_seconds=cost))
    assert len(store.running(study)) == 1
    check_consistent(store, study)


def check_run(store: Store) -> None:
    """`run` commits what its function did, and rolls back when it raises."""
    study = new_study(store, trials=1)
    (trial,) = store.run(study, lambda tx: tx.claim("w"))

    def fail(tx: Transaction) -> None:
        tx.finish(0, 1, "w", measured(0.1))
        raise KeyError("no")

    with raises(KeyError):
        store.run(study, fail)
    assert store.running(study) == [trial]
    check_consistent(store, study)


def check_nesting(store: Store) -> None:
    """A transaction inside another one is refused, and the outer one goes on."""
    study = new_study(store, trials=1)
    with store.transaction(study) as tx:
        with raises(StoreError, "inside a transaction"), store.transaction(study):
            pass
        tx.claim("w")
    assert len(store.running(study)) == 1


def check_threads(store: Store) -> None:
    """Threads that claim and finish at once never share a trial."""
    study = new_study(store, trials=40)
    problems: list[BaseException] = []
    taken: list[int] = []

    def work(owner: str) -> None:
        try:
            while True:
                with store.transaction(study) as tx:
                    claimed = tx.claim(owner)
                if not claimed:
                    return
                store.heartbeat(study, owner)
                number = claimed[0].number
                taken.append(number)
                with store.transaction(study) as tx:
                    assert tx.finish(number, 1, owner, measured(number)) is not None
        except BaseException as error:  # noqa: BLE001 - reported below
            problems.append(error)

    threads = [threading.Thread(target=work, args=(f"t{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    assert sorted(taken) == list(range(40))
    check_consistent(store, study)


def check_closed(store: Store) -> None:
    """A closed store says so; closing it twice is fine."""
    study = new_study(store)
    store.close()
    store.close()
    uses: list[Callable[[], Any]] = [
        lambda: store.studies(),
        lambda: store.trials(study),
        lambda: store.transaction(study).__enter__(),
        lambda: store.heartbeat(study, "w"),
    ]
    for use in uses:
        with raises(StoreError, "is closed", "open_store"):
            use()


CHECKS: tuple[Callable[[Store], None], ...] = (
    check_studies,
    check_names_and_values,
    check_annotations,
    check_life,
    check_claims,
    check_start,
    check_fence,
    check_unchanged_lease,
    check_heartbeat,
    check_poison,
    check_release,
    check_rollback,
    check_fidelity,
    check_refused_outcomes,
    check_run,
    check_nesting,
    check_threads,
    check_closed,
)
"""Checks of one empty store."""
