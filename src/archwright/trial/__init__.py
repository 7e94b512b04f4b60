"""The records that everybody passes around, and that know nobody.

A strategy makes a `Proposal`, an evaluator turns it into a `Measurement` (or into an `Outcome`
with a status other than completed), a store keeps both as a `Trial`. `Objective`, `Constraint`
and `Budget` say what a study wants, refuses and may spend. `Comparison` and `Scores` hold what many
searches, or many proxies, say together.

    objective = Objective.parse("max:val_accuracy")
    constraint = Constraint.parse("parameters<=50000")
    budget = Budget(trials=100, seconds=600)
    best = incumbent(trials, [objective], [constraint])
"""

from archwright.trial.comparison import Comparison, Contender, Measured, Runs
from archwright.trial.goals import Budget, Constraint, Objective, feasible, incumbent, pareto_front
from archwright.trial.records import (
    Fidelity,
    Measurement,
    MetricInfo,
    Outcome,
    Proposal,
    Status,
    Trial,
)
from archwright.trial.scores import Scores

__all__ = [
    "Budget",
    "Comparison",
    "Constraint",
    "Contender",
    "Fidelity",
    "Measured",
    "Measurement",
    "MetricInfo",
    "Objective",
    "Outcome",
    "Proposal",
    "Runs",
    "Scores",
    "Status",
    "Trial",
    "feasible",
    "incumbent",
    "pareto_front",
]
