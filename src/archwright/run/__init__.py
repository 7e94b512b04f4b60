"""Run a study: bind space, strategy and evaluator under a budget, and lose nothing.

A `Study` is run by one worker in this process, by several local processes, or joined by
`join_study` from anywhere that reaches the store. It can be killed at any time and resumed.

    study = Study(
        space, "regularized-evolution", evaluator,
        objective="max:val_accuracy", budget=Budget(trials=100), store="study.db", name="first",
    )
    result = study.run(workers=2)
    result.best.architecture, result.best.metrics

`compare` runs several strategies many times on a benchmark table.
"""

from archwright.run.callbacks import Callback
from archwright.run.comparing import BASELINE, Progress, compare
from archwright.run.executors import EXECUTORS, Executor
from archwright.run.isolate import IsolatedEvaluator, Limits
from archwright.run.job import Job
from archwright.run.planner import Planner
from archwright.run.simulation import Timeline, simulate
from archwright.run.study import Result, Study, execute, join_study, load_study
from archwright.run.worker import Worker, WorkerOptions

__all__ = [
    "BASELINE",
    "EXECUTORS",
    "Callback",
    "Executor",
    "IsolatedEvaluator",
    "Job",
    "Limits",
    "Planner",
    "Progress",
    "Result",
    "Study",
    "Timeline",
    "Worker",
    "WorkerOptions",
    "compare",
    "execute",
    "join_study",
    "load_study",
    "simulate",
]
