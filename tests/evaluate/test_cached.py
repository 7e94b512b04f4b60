from __future__ import annotations

import pytest

from archwright.evaluate import CachedEvaluator, Context, Evaluator
from archwright.space import Integer, Space
from archwright.testing.fakes import ToyEvaluator, score_of
from archwright.trial import Fidelity, Measurement, Outcome, Proposal, Status, Trial

SPACE = Space(x=Integer(1, 9))
NOTHING = Context()
A, B, C, D = (Proposal(SPACE.architecture({"x": x})) for x in (1, 2, 3, 4))


@pytest.fixture
def toy() -> ToyEvaluator:
    return ToyEvaluator()


def test_a_repeat_costs_nothing_and_says_so(toy: ToyEvaluator) -> None:
    cached = CachedEvaluator(toy)
    first, second = (cached.evaluate(A, seed=0) for _ in range(2))
    assert toy.evaluated == 1
    assert first.metrics == second.metrics
    assert (first.cost_seconds, second.cost_seconds) == (1.0, 0.0)
    assert "cached" not in first.info
    assert second.info["cached"] is True


def test_a_batch_evaluates_every_distinct_architecture_once(toy: ToyEvaluator) -> None:
    cached = CachedEvaluator(toy)
    cached.evaluate(B, seed=0)
    outcomes = cached.evaluate_batch([A, B, A, C, A], seeds=[0] * 5)
    assert toy.evaluated == 3
    assert [o.measurement.metrics["val_score"] for o in outcomes if o.measurement] == [
        score_of(p) for p in (A, B, A, C, A)
    ]
    assert [o.cost_seconds for o in outcomes] == [1.0, 0.0, 0.0, 1.0, 0.0]


def test_a_twin_in_the_batch_fails_alike_and_a_failure_is_not_remembered() -> None:
    toy = ToyEvaluator(misbehave="raise")
    cached = CachedEvaluator(toy)
    first, twin = cached.evaluate_batch([A, A], seeds=[0, 0])
    assert toy.evaluated == 1
    assert (first.status, twin.status) == (Status.CRASHED, Status.CRASHED)
    assert first.error == twin.error == "RuntimeError: a toy failure"
    assert twin.cost_seconds == 0.0
    toy.misbehave = None
    assert cached.evaluate_batch([A], seeds=[0])[0].status is Status.COMPLETED


def test_fidelities_are_kept_apart(toy: ToyEvaluator) -> None:
    cached = CachedEvaluator(toy)
    short = Proposal(A.architecture, Fidelity(epochs=1))
    cached.evaluate_batch([A, short, Proposal(A.architecture, Fidelity(epochs=2))], seeds=[0] * 3)
    assert toy.evaluated == 3
    cached.evaluate(short, seed=0)
    assert toy.evaluated == 3


def test_parents_and_origin_do_not_matter(toy: ToyEvaluator) -> None:
    cached = CachedEvaluator(toy)
    cached.evaluate(A, seed=0)
    cached.evaluate(Proposal(A.architecture, parents=(3,), origin="mutation"), seed=0)
    assert toy.evaluated == 1


def test_trials_of_others_are_learned(toy: ToyEvaluator) -> None:
    cached = CachedEvaluator(toy)
    done = Outcome.completed(Measurement({"val_score": 0.25}, cost_seconds=7.0))
    cached.observe(Trial(0, A, seed=0).finish(done))
    cached.observe(Trial(1, B, seed=0).finish(Outcome(Status.CRASHED, error="no")))
    cached.observe(Trial(2, C, seed=0))
    assert cached.evaluate(A, seed=0).metrics == {"val_score": 0.25}
    assert toy.evaluated == 0
    cached.evaluate_batch([B, C], seeds=[0, 0])
    assert toy.evaluated == 2


def test_the_evaluator_inside_is_asked_about_everything_else() -> None:
    class Talkative(ToyEvaluator):
        checked = 0
        seen = 0

        def rules(self) -> list[tuple[str, object]]:  # type: ignore[override]
            return [("none", lambda architecture: True)]

        def check(self) -> None:
            self.checked += 1

        def describe(self) -> dict[str, object]:
            return {"who": "me"}

        def observe(self, trial: Trial) -> None:
            self.seen += 1

    inner = Talkative(batch_size=5)
    cached = CachedEvaluator(inner)
    cached.check()
    cached.observe(Trial(0, A, seed=0))
    assert (inner.checked, inner.seen) == (1, 1)
    assert cached.rules()[0][0] == "none"
    assert cached.describe() == {"who": "me"}
    assert (cached.batch_size, cached.metrics) == (5, inner.metrics)


def test_what_draws_anew_for_every_trial_is_not_remembered() -> None:
    class Noisy(Evaluator):
        seed_by = "trial"

        def evaluate(
            self, proposal: Proposal, *, seed: int, context: Context = NOTHING
        ) -> Measurement:
            return Measurement({"val_score": float(seed)})

    with pytest.raises(ValueError, match=r"Noisy draws anew for every trial \(seed_by='trial'\)"):
        CachedEvaluator(Noisy())
