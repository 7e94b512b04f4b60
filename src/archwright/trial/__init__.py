"""The records that everybody passes around, and that know nobody.

A strategy makes a `Proposal`, an evaluator turns it into a `Measurement` (or into an `Outcome`
with a status other than completed), a store keeps both as a `Trial`. `Objective`, `Constraint`
and `Budget` say what a study wants, refuses and may spend.

    objective = Objective.parse("max:val_accuracy")
    constraint = Constraint.parse("parameters<=50000")
    budget = Budget(trials=100, seconds=600)
    best = incumbent(trials, [objective], [constraint])
"""

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

__all__ = [
    "Budget",
    "Constraint",
    "Fidelity",
    "Measurement",
    "MetricInfo",
    "Objective",
    "Outcome",
    "Proposal",
    "Status",
    "Trial",
    "feasible",
    "incumbent",
    "pareto_front",
]
