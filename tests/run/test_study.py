from __future__ import annotations

from pathlib import Path

import pytest

from archwright.errors import (
    StoreError,
    StrategyError,
    StudyExistsError,
    UnknownNameError,
)
from archwright.evaluate import Context
from archwright.run import Callback, Limits, Study
from archwright.space import Choice, Integer, Space
from archwright.store import open_store
from archwright.strategy import STRATEGIES
from archwright.testing.fakes import ToyEvaluator, score_of
from archwright.testing.fresh import run_fresh
from archwright.testing.strategies import ToyGuide
from archwright.trial import Budget, Measurement, Proposal, Status, Trial

NOTHING = Context()
SPACE = Space({f"x{i}": Choice(*"abcde") for i in range(6)})


def study(**changes: object) -> Study:
    arguments: dict[str, object] = {"objective": "max:val_score", "budget": 30, "seed": 0}
    arguments |= changes
    strategy = arguments.pop("strategy", "random")
    evaluator = arguments.pop("evaluator", None) or ToyEvaluator()
    space = arguments.pop("space", SPACE)
    return Study(space, strategy, evaluator, **arguments)  # type: ignore[arg-type]


def history(trials: list[Trial] | tuple[Trial, ...]) -> list[tuple[object, ...]]:
    """What must be equal in a repeated run: everything but times and owners.

    How many trials were told before another was asked is left out: it depends on how many very
    short evaluations share a transaction, and no proposal depends on it.
    """
    return [(t.number, t.architecture.codes, t.seed, t.status, dict(t.metrics)) for t in trials]


@pytest.mark.parametrize("strategy", [entry.name for entry in STRATEGIES])
def test_every_strategy_fills_the_budget_and_finds_the_best(strategy: str) -> None:
    guide = ToyGuide() if STRATEGIES.get(strategy).needs_guide else None
    result = study(strategy=strategy, guide=guide).run()
    assert [t.number for t in result.trials] == list(range(30))
    assert all(t.status is Status.COMPLETED for t in result.trials)
    assert result.best.metrics["val_score"] == max(t.metrics["val_score"] for t in result.trials)
    assert result.best.metrics["val_score"] == score_of(result.best.proposal)
    assert result.reason == "all 30 trials done"


def test_the_study_stops_when_the_space_is_exhausted() -> None:
    result = study(space=Space(x=Choice("a", "b", "c"), y=Choice(1, 2))).run()
    assert len(result.trials) == 6
    assert result.reason == "every architecture of the space was proposed"


def test_cost_is_a_budget() -> None:
    result = study(budget=Budget(cost_seconds=7.5)).run()
    assert len(result.trials) == 8
    assert result.reason == "7.5 seconds of trial cost spent"


def test_wall_time_is_a_budget_over_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    arguments = {"budget": Budget(seconds=0.3), "store": path}
    slow = ToyEvaluator(sleep_seconds=0.05)
    first = study(evaluator=slow, **arguments).run()
    assert first.reason == "0.3 seconds of wall time spent"
    assert 2 <= len(first.trials) <= 8
    again = study(evaluator=slow, **arguments).run(resume=True)
    assert len(again.trials) == len(first.trials)


@pytest.mark.parametrize("strategy", ["random", "regularized-evolution", "evolution"])
@pytest.mark.parametrize("batch", [1, 7])
def test_an_interrupted_and_resumed_study_has_the_identical_history(
    tmp_path: Path, strategy: str, batch: int
) -> None:
    class Interrupt(Callback):
        def on_trial(self, trial: Trial) -> None:
            if trial.number >= 11:
                raise KeyboardInterrupt

    whole = study(strategy=strategy, evaluator=ToyEvaluator(batch_size=batch)).run()
    broken = study(
        strategy=strategy, evaluator=ToyEvaluator(batch_size=batch), store=tmp_path / "s.db"
    )
    with pytest.raises(KeyboardInterrupt):
        broken.run(callback=Interrupt())
    fresh = study(
        strategy=strategy, evaluator=ToyEvaluator(batch_size=batch), store=tmp_path / "s.db"
    )
    assert history(fresh.run(resume=True).trials) == history(whole.trials)


def test_the_history_is_the_same_in_fresh_processes_with_other_hash_seeds(tmp_path: Path) -> None:
    program = """
import sys
from archwright.run import Study
from archwright.space import Choice, Space
from archwright.testing.fakes import ToyEvaluator
space = Space({f"x{i}": Choice(*"abcde") for i in range(6)})
for strategy in ("random", "regularized-evolution", "evolution", "genetic", "local-search"):
    study = Study(space, strategy, ToyEvaluator(), objective="max:val_score", budget=60, seed=3)
    print([(t.architecture.codes, t.seed, dict(t.metrics)) for t in study.run().trials])
"""
    printed = {run_fresh(program, hash_seed=seed) for seed in ("0", "1", "77")}
    assert len(printed) == 1


def test_failures_are_recorded_and_the_study_goes_on() -> None:
    result = study(evaluator=ToyEvaluator(misbehave="raise", share=0.5)).run()
    failed = [t for t in result.trials if t.status is Status.CRASHED]
    assert 0 < len(failed) < 30
    assert all(t.error == "RuntimeError: a toy failure" for t in failed)
    assert all("_misbehave" in t.outcome.traceback for t in failed if t.outcome)


def test_a_study_without_any_success_says_so() -> None:
    result = study(evaluator=ToyEvaluator(misbehave="raise")).run()
    with pytest.raises(StoreError, match="30 failed\\); the first failure: RuntimeError: a toy"):
        _ = result.best


def test_limits_are_enforced_in_a_child() -> None:
    result = study(
        budget=3, evaluator=ToyEvaluator(misbehave="hang"), limits=Limits(seconds=0.2)
    ).run()
    assert [t.status for t in result.trials] == [Status.TIMEOUT] * 3


def test_the_same_architecture_is_measured_once() -> None:
    evaluator = ToyEvaluator()
    tiny = Space(x=Integer(1, 3))
    result = study(space=tiny, evaluator=evaluator, strategy="random", budget=3).run()
    assert evaluator.evaluated == len({t.architecture.key for t in result.trials})


def test_several_objectives_have_a_front() -> None:
    result = study(objective=["max:val_score", "min:parameters"]).run()
    # Parameters grow with the score in the toy, so nothing is dominated but repeats.
    assert len(result.front) == len({t.architecture.key for t in result.trials})


def test_an_existing_study_is_never_overwritten(tmp_path: Path) -> None:
    study(store=tmp_path / "s.db").run()
    with pytest.raises(StudyExistsError, match="study"):
        study(store=tmp_path / "s.db").run()


def test_resuming_with_another_question_is_refused(tmp_path: Path) -> None:
    study(store=tmp_path / "s.db").run()
    with pytest.raises(StoreError, match="was made with other seed: 0; got 1"):
        study(store=tmp_path / "s.db", seed=1).run(resume=True)


def test_a_finished_study_can_be_searched_on(tmp_path: Path) -> None:
    study(store=tmp_path / "s.db").run()
    more = study(store=tmp_path / "s.db", budget=40).run(resume=True)
    assert history(more.trials) == history(study(budget=40).run().trials)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"objective": "max:val_scor"}, UnknownNameError, "did you mean 'val_score'"),
        ({"objective": "max:test_score"}, StrategyError, "on the test split"),
        ({"constraints": ["paramters<=5"]}, UnknownNameError, "did you mean 'parameters'"),
        ({"strategy": "evolutoin"}, UnknownNameError, "did you mean 'evolution'"),
        ({"objective": "val_score"}, ValueError, "must look like 'max:val_accuracy'"),
        ({"budget": 0}, ValueError, "budget trials must be above 0"),
        ({"objective": []}, StrategyError, "at least one objective"),
        ({"options": {"populatoin": 3}, "strategy": "evolution"}, UnknownNameError, "'population'"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        study(**changes).run()


def test_several_workers_need_a_store_they_can_share() -> None:
    with pytest.raises(StoreError, match="several workers need a store"):
        study().run(workers=2)


def test_workers_must_be_at_least_one() -> None:
    with pytest.raises(StrategyError, match="workers must be at least 1; got 0"):
        study().run(workers=0)


def test_should_stop_ends_the_run_and_keeps_everything(tmp_path: Path) -> None:
    asked = iter([False] * 5 + [True] * 100)
    # Slow enough for each trial to have a transaction of its own.
    slow = ToyEvaluator(sleep_seconds=0.01)
    result = study(store=tmp_path / "s.db", evaluator=slow).run(should_stop=lambda: next(asked))
    assert result.reason == "asked to stop"
    assert 0 < len(result.trials) < 30
    assert all(t.status is Status.COMPLETED for t in result.trials)
    done = study(store=tmp_path / "s.db").run(resume=True)
    assert history(done.trials) == history(study().run().trials)


def test_an_evaluation_that_is_told_to_stop_ends_the_run_too(tmp_path: Path) -> None:
    class Patient(ToyEvaluator):
        def evaluate(
            self, proposal: Proposal, *, seed: int, context: Context = NOTHING
        ) -> Measurement:
            if self.evaluated == 3:
                stopping.append(True)
            if context.should_stop():
                raise KeyboardInterrupt
            return super().evaluate(proposal, seed=seed)

    stopping: list[bool] = []
    result = study(store=tmp_path / "s.db", evaluator=Patient(sleep_seconds=0.01)).run(
        should_stop=lambda: bool(stopping)
    )
    assert result.reason == "asked to stop"
    assert result.trials[-1].status is Status.PENDING
    assert [t.status for t in result.trials[:-1]] == [Status.COMPLETED] * 3


def test_a_changed_budget_is_remembered_for_those_who_join(tmp_path: Path) -> None:
    study(store=tmp_path / "s.db", budget=10).run()
    study(store=tmp_path / "s.db", budget=20).run(resume=True)
    assert open_store(tmp_path / "s.db").study("study").budget == Budget(trials=20)


def test_all_options_of_the_strategy_are_recorded(tmp_path: Path) -> None:
    run = study(store=tmp_path / "s.db", strategy="evolution", options={"population": 6})
    options = run.run().study.spec["strategy"]["options"]
    assert options["population"] == 6
    assert options["tournament"] == 2


@pytest.mark.parametrize(
    ("workers", "executor", "error", "message"),
    [
        (1, "rya", UnknownNameError, "unknown executor 'rya'"),
        (2, "serial", StoreError, "the serial executor has one worker; got 2"),
        (0, None, StrategyError, "workers must be at least 1; got 0"),
    ],
)
def test_an_executor_that_cannot_work_is_refused_before_anything_is_recorded(
    tmp_path: Path, workers: int, executor: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        study(store=tmp_path / "s.db").run(workers=workers, executor=executor)
    assert list(tmp_path.iterdir()) == []


def test_callbacks_hear_of_every_trial() -> None:
    class Listen(Callback):
        def __init__(self) -> None:
            self.heard: list[object] = []

        def on_start(self, done: int, total: int | None) -> None:
            self.heard.append(("start", done, total))

        def on_trial(self, trial: Trial) -> None:
            self.heard.append(trial.number)

        def on_stop(self, reason: str) -> None:
            self.heard.append(reason)

    listen = Listen()
    study(budget=3).run(callback=listen)
    assert listen.heard == [("start", 0, 3), 0, 1, 2, "all 3 trials done"]


def test_two_local_processes_give_the_trials_of_one(tmp_path: Path) -> None:
    one = study(budget=40).run()
    slow = ToyEvaluator(sleep_seconds=0.05)  # so that both are at work before it is done
    two = study(budget=40, evaluator=slow, store=tmp_path / "s.db").run(workers=2)
    # Random proposals do not depend on what was told, so only the order of finishing may differ.
    assert [t.architecture for t in two.trials] == [t.architecture for t in one.trials]
    assert [t.metrics for t in two.trials] == [t.metrics for t in one.trials]
    assert len({t.worker for t in two.trials}) == 2


def test_deterministic_processes_give_the_same_history_twice(tmp_path: Path) -> None:
    histories = []
    for attempt in range(2):
        run = study(
            strategy="regularized-evolution",
            options={"population": 6, "sample_size": 3},
            store=tmp_path / f"{attempt}.db",
            deterministic=2,
            evaluator=ToyEvaluator(sleep_seconds=0.003),
        )
        histories.append(history(run.run(workers=2).trials))
    assert histories[0] == histories[1]


def test_a_study_of_python_objects_cannot_be_joined_from_elsewhere(tmp_path: Path) -> None:
    from archwright.run import load_study

    study(store=tmp_path / "s.db").run()
    with pytest.raises(StoreError, match="made from Python objects"):
        load_study("study", open_store(tmp_path / "s.db"))
