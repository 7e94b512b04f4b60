"""Search under hard limits: few parameters and a fast answer.

The parameters are counted before anything is trained, so what is too large costs nothing; the
latency is measured. Every completed trial keeps both bounds.
"""

from __future__ import annotations

import archwright as aw

LIMITS = ["parameters<=12000", "latency_ms<=5"]


def main() -> None:
    result = aw.search("digits", space="mlp", trials=8, constraints=LIMITS, seed=0)

    print(result.leaderboard(5).to_string(index=False))
    print("best:", result.best.architecture)
    print("test accuracy:", round(result.test_metrics["test_accuracy"], 4))

    completed = [trial for trial in result.trials if not trial.status.failed]
    assert all(trial.metrics["parameters"] <= 12_000 for trial in completed)
    assert all(trial.metrics["latency_ms"] <= 5 for trial in completed)


if __name__ == "__main__":
    main()
