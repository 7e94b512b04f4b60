"""What every evaluator keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from archwright.evaluate import Evaluator
from archwright.trial import Proposal, Status

__all__ = ["check_evaluator"]


def check_evaluator(
    make: Callable[[], Evaluator], proposals: Sequence[Proposal], *, tolerance: float = 0.0
) -> None:
    """Check an evaluator on proposals that it can complete.

    Args:
        make: Makes the evaluator afresh.
        proposals: At least two, distinct.
        tolerance: Relative difference allowed between a batch and one by one. Times are not
            compared.

    Raises:
        AssertionError: Naming the rule that is broken.
    """
    evaluator = make()
    seeds = list(range(len(proposals)))
    _check_declared(evaluator)
    alone = [evaluator.evaluate(p, seed=s) for p, s in zip(proposals, seeds, strict=True)]
    declared = {info.name for info in evaluator.metrics}
    for measured in alone:
        assert measured.metrics, "a measurement has at least one metric"
        assert set(measured.metrics) <= declared, "every metric is declared"
        assert all(map(math.isfinite, measured.metrics.values())), "metrics are finite"
        assert 0 <= measured.cost_seconds < math.inf, "the cost is a finite number of seconds"
        assert measured.step >= 0, "the step is not negative"
    together = make().evaluate_batch(proposals, seeds=seeds)
    assert len(together) == len(proposals), "one outcome for each proposal, in order"
    timed = {info.name for info in evaluator.metrics if info.unit in ("ms", "seconds")}
    for measured, outcome in zip(alone, together, strict=True):
        assert outcome.status is Status.COMPLETED, f"batch failed: {outcome.error}"
        assert outcome.measurement is not None
        for name, value in measured.metrics.items():
            if name not in timed:
                found = outcome.measurement.metrics[name]
                assert math.isclose(found, value, rel_tol=tolerance, abs_tol=tolerance), (
                    f"{name}: {value} alone, {found} in a batch"
                )


def _check_declared(evaluator: Evaluator) -> None:
    names = [info.name for info in evaluator.metrics]
    assert names, "an evaluator declares its metrics"
    assert len(set(names)) == len(names), "every metric is declared once"
    assert all(info.direction in ("max", "min") for info in evaluator.metrics), (
        "a direction is max or min"
    )
    assert evaluator.seed_by in ("architecture", "trial"), "seed_by is architecture or trial"
    assert evaluator.batch_size >= 1, "batch_size is at least 1"
