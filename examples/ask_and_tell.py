"""Drive a strategy by hand: ask for an architecture, score it, tell what came of it.

Nothing is trained here. The score is a function whose best architecture is known, so that one
can see evolution find it with a small part of the evaluations that looking at all would take.
"""

from __future__ import annotations

from archwright.space import Architecture, Choice, Integer, Space
from archwright.strategy import make_strategy
from archwright.trial import Measurement, Objective, Outcome, Trial, incumbent

OBJECTIVE = Objective.parse("max:score")

space = Space(
    depth=Integer(1, 12),
    width=Integer(8, 256, step=8),
    activation=Choice("relu", "gelu", "tanh"),
)


def score(architecture: Architecture) -> float:
    """Return a number in [0, 1], highest for depth 7, width 96 and gelu."""
    distance = abs(architecture["depth"] - 7) / 12 + abs(architecture["width"] - 96) / 256
    return 1 / (1 + distance) - 0.1 * (architecture["activation"] != "gelu")


def main() -> None:
    strategy = make_strategy(
        "regularized-evolution", space, [OBJECTIVE], seed=0, population=20, sample_size=5
    )
    trials: list[Trial] = []
    for number in range(150):
        (proposal,) = strategy.ask()
        measurement = Measurement({"score": score(proposal.architecture)})
        trial = Trial(number, proposal, seed=number)
        trial = trial.finish(Outcome.completed(measurement), order=number)
        strategy.tell(trial)
        trials.append(trial)

    best = incumbent(trials, [OBJECTIVE])
    assert best is not None
    print(f"{space.size} architectures, {len(trials)} evaluated")
    print(f"best score {best.metrics['score']:.3f} in trial {best.number}: {best.architecture}")


if __name__ == "__main__":
    main()
