"""Pictures of NASWOT's kernels of untrained networks, from bad to good ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright import network
from archwright.data import Dataset
from archwright.errors import ProxyError
from archwright.frontdoor.ablation_plan import Floats, Plan, chosen, recorded
from archwright.proxy import Batch, Passes
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space

if TYPE_CHECKING:
    from archwright.benchmark import Table

__all__ = ["draw_kernels", "kernels_of"]


def kernels_of(
    architectures: Sequence[Architecture], data: Dataset, *, batch_size: int = 128, seed: int = 0
) -> list[Floats]:
    """Return NASWOT's kernel of each untrained network, divided by its number of bits.

    Args:
        architectures: Of a space with a network builder.
        data: Its training rows are looked at, sorted by class where there are classes.
        batch_size: Rows.
        seed: Which rows, and the weights.

    Returns:
        `(batch, batch)` shares of equal bits, for each.

    Raises:
        ProxyError: If a network calls no activation that is on or off.
    """
    batch = Batch.of(data.train, min(batch_size, len(data.train)), seed=seed)
    if batch.targets is not None and data.task.is_classification:
        order = batch.targets.argsort(stable=True)
        batch = Batch(batch.inputs[order], batch.targets[order])
    kernels = []
    for architecture in architectures:
        own = derive_seed(seed, "kernel", *architecture.codes)
        built = network.build(architecture, data.input_shape, data.task.outputs, seed=own)
        with Passes(built.to(batch.inputs.device), batch, seed=seed) as passes:
            agreement = passes.agreement
        if not agreement.bits:
            raise ProxyError(
                f"{architecture} calls no activation that is on or off, so it has no kernel; "
                f"take a space of networks with ReLU or the like"
            )
        kernels.append(np.asarray(agreement.counts, dtype=np.float64) / agreement.bits)
    return kernels


def draw_kernels(
    space: str | Space,
    data: Any,
    path: str | Path,
    *,
    architectures: int | Sequence[Architecture] = 10,
    batch_size: int = 128,
    table: Table | None = None,
    metric: str = "val_accuracy",
    **settings: Any,
) -> Path:
    """Draw the kernels of architectures to a file, and return its path.

    With a table they go from the median to the best recorded and are named by that; without, they
    are drawn at random and go from the lowest NASWOT score to the highest.

    Args:
        space: As for `ablate`, and so are the rest.
        data: As well.
        path: The picture; its ending says in which format.
        architectures: These, or how many.
        batch_size: Rows of the batch.
        table: What is recorded.
        metric: Of the table.
        settings: seed, space_options, skeleton, data_options.
    """
    from archwright import report

    plan = Plan.make(space, data, "naswot", 1, ("batches",), settings)
    networks = chosen(plan, architectures, table, metric)
    kernels = kernels_of(networks, plan.data, batch_size=batch_size, seed=plan.seed)
    results, measured = recorded(networks, table, metric)
    if results is None or measured is None:
        scores = [float(np.linalg.slogdet(kernel).logabsdet) for kernel in kernels]
        titles = [f"ln |K / N| {value:.1f}" for value in scores]
        order = np.argsort(scores, kind="stable").tolist()
    else:
        titles = [f"{measured.metric} {value:.3g}" for value in results]
        order = list(range(len(kernels)))
    figure = report.kernel_grid([kernels[n] for n in order], [titles[n] for n in order])
    return report.save_figure(figure, path)
