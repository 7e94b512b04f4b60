"""The tutorial's evolution on real digits: the better half survives and has children.

Each candidate has 1 to 3 hidden layers of 50 to 200 units, is trained from fresh weights and is
judged on validation digits that it did not train on. The test digits are read once, at the end.
"""

from __future__ import annotations

import archwright as aw
from archwright.trial import Trial

POPULATION, GENERATIONS = 8, 4
CHILDREN = POPULATION // 2
SPACE = aw.space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))


class Generations(aw.Callback):
    """Keeps the best validation accuracy after each generation."""

    def __init__(self) -> None:
        self.best = 0.0
        self.finished = 0
        self.by_generation: list[float] = []

    def on_trial(self, trial: Trial) -> None:
        """Count the trial; a generation after the first adds the children only."""
        self.best = max(self.best, trial.metrics["val_accuracy"])
        self.finished += 1
        if self.finished >= POPULATION and (self.finished - POPULATION) % CHILDREN == 0:
            self.by_generation.append(self.best)
            print(f"generation {len(self.by_generation)}: best {self.best:.4f}")


def main() -> None:
    generations = Generations()
    result = aw.search(
        "digits",
        space=SPACE,
        strategy="evolution",
        strategy_options={"population": POPULATION},
        trials=POPULATION + (GENERATIONS - 1) * CHILDREN,
        recipe={"epochs": 15},
        seed=0,
        callback=generations,
    )
    assert generations.by_generation == sorted(generations.by_generation)
    print(f"{SPACE.size:,} architectures, {len(result.trials)} tried; the best:")
    print(result.best.architecture)
    print("test accuracy:", round(result.test_metrics["test_accuracy"], 4))


if __name__ == "__main__":
    main()
