"""Train one network: set the stage, run the loop, leave everything as it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train.recipe import Recipe
from archwright.train.training import Fitted, OnEpoch, Training

__all__ = ["fit", "memory_errors"]


def fit(
    network: nn.Module,
    train: Split,
    validation: Split | None,
    recipe: Recipe,
    *,
    task: Task,
    seed: int,
    scale: Sequence[float] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    on_epoch: OnEpoch | None = None,
    should_stop: Callable[[], bool] | None = None,
    engine: str = "auto",
) -> Fitted:
    """Train a network in place.

    Args:
        network: Any module from `(batch, *input_shape)` to `(batch, outputs)`.
        train: Rows to learn from.
        validation: Rows to measure on after each epoch, or None.
        recipe: How to train.
        task: Decides the loss and the metrics.
        seed: Decides the order of the rows, dropout and augmentation; not the initial weights.
        scale: For regression, the deviation of each target; see `measure`.
        checkpoint: File to keep the state in after an epoch. If it is there already, training
            continues from it, on a processor bit for bit as if it had never stopped.
        checkpoint_seconds: Least time between two writings of it; the last epoch always writes.
        on_epoch: Called with the number of the epoch, from 1, and its metrics.
        should_stop: Asked several times a second; true ends the training.
        engine: "auto" takes the dense stepper where it can; "eager" never does.

    Returns:
        The trained network and its metrics.

    Raises:
        EvaluationError: If the loss or the weights become NaN or infinite ("diverged"), if there
            is not enough memory ("out_of_memory"), if the recipe or the checkpoint does not fit
            the data ("invalid").
        UnknownNameError: If `engine` is neither of its two names.
        KeyboardInterrupt: If `should_stop` said so.
    """
    device = recipe.torch_device()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        stack.enter_context(memory_errors())
        training = Training(
            network, train, validation, recipe, task=task, seed=seed, scale=scale, engine=engine
        )
        stack.callback(training.release)
        if checkpoint is not None and checkpoint.exists():
            training.restore(checkpoint)
        return training.run(
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn the ways in which memory runs out into one error."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, EvaluationError) or not _is_memory(error, text):
            raise
        raise EvaluationError(
            f"out of memory while training: {text.splitlines()[0] if text else 'MemoryError'}; "
            "use a smaller network or batch_size",
            status="out_of_memory",
        ) from error


def _is_memory(error: BaseException, text: str) -> bool:
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or "out of memory" in text or "can't allocate memory" in text
