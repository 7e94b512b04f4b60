"""Any Python function as an evaluator."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from archwright.errors import EvaluationError
from archwright.evaluate.evaluator import NO_CONTEXT, Context, Evaluator
from archwright.space import Architecture
from archwright.trial import Measurement, MetricInfo, Proposal

__all__ = ["FunctionEvaluator"]


class FunctionEvaluator(Evaluator):
    """Calls `function(architecture, seed)`, which returns its metrics by name.

    A function may also return a whole `Measurement`, for instance with a simulated cost. To be
    used from several processes it must be importable (defined at the top of a module).

    Args:
        function: Takes the architecture and the trial's seed.
        metrics: What it returns, all of them every time; at least one.

    Example:
        >>> from archwright.space import Integer, Space
        >>> space = Space(width=Integer(1, 9))
        >>> evaluator = FunctionEvaluator(
        ...     lambda architecture, seed: {"val_score": architecture["width"]},
        ...     metrics=[MetricInfo("val_score", "max", split="val")],
        ... )
        >>> evaluator.evaluate(Proposal(space.architecture({"width": 4})), seed=0).metrics
        {'val_score': 4.0}
    """

    def __init__(
        self,
        function: Callable[[Architecture, int], Mapping[str, float] | Measurement],
        *,
        metrics: Sequence[MetricInfo],
    ) -> None:
        if not metrics:
            raise EvaluationError("an evaluation function needs at least one metric; got none")
        self.function = function
        self.metrics = tuple(metrics)

    def evaluate(
        self, proposal: Proposal, *, seed: int, context: Context = NO_CONTEXT
    ) -> Measurement:
        """Call the function and time it.

        Raises:
            EvaluationError: If it returns something else than the declared metrics.
        """
        del context
        started = time.perf_counter()
        found = self.function(proposal.architecture, seed)
        if not isinstance(found, Mapping | Measurement):
            raise EvaluationError(
                f"the evaluation function must return a mapping from metric to number or a "
                f"Measurement; got {type(found).__name__}"
            )
        values = found.metrics if isinstance(found, Measurement) else found
        declared = {info.name for info in self.metrics}
        if set(values) != declared:
            raise EvaluationError(
                f"the evaluation function must return the metrics it declares, "
                f"{', '.join(sorted(declared))}; got {', '.join(sorted(values)) or 'none'}"
            )
        if isinstance(found, Measurement):
            return found
        metrics = {name: float(value) for name, value in values.items()}
        return Measurement(metrics, cost_seconds=time.perf_counter() - started)
