"""From an architecture to a network: seeded, checked, and with errors that say where."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archwright.errors import ArchwrightError, NetworkError
from archwright.network.registry import Builder, Shape, builder_of
from archwright.space import Architecture

__all__ = ["build", "checked_shape", "construct", "undisturbed"]

_CHECK_BATCH = 2
_CONSTRUCTION = threading.RLock()  # torch has one generator per process
_META = torch.device("meta")


def build(
    architecture: Architecture, input_shape: Sequence[int], outputs: int, *, seed: int
) -> nn.Module:
    """Build the network of an architecture.

    The initial weights depend on the seed (and on the architecture and the shapes), not on what
    was drawn before; the global generator is left as it was. The network is run once, in eval
    mode on two rows of zeros, to make sure of its output. Inside `with torch.device("meta"):` it
    is built without weights, and not run.

    Args:
        architecture: Of a space with a builder of its own (`space.bind`), or whose name is in
            `BUILDERS`.
        input_shape: Shape of one input, without the batch axis.
        outputs: Length of one output: the number of classes, or of regression targets.
        seed: Decides the initial weights.

    Returns:
        A network in train mode on the CPU, from (batch, *input_shape) to (batch, outputs).

    Raises:
        NetworkError: If the architecture cannot be built for this input, or the network fails on
            it or returns another shape.
    """
    shape = checked_shape(input_shape, outputs)
    builder = builder_of(architecture.space)
    if _ambient_device() == _META:
        with undisturbed():
            return construct(builder, architecture, shape, outputs)
    with undisturbed(), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        network = construct(builder, architecture, shape, outputs)
        _check_output(network, architecture, shape, outputs)
    return network


def construct(
    builder: Builder, architecture: Architecture, input_shape: Shape, outputs: int
) -> nn.Module:
    """Call the builder, and turn what it raises into an error that says where.

    Raises:
        NetworkError: If the builder fails or returns something else than a module.
    """
    try:
        network = builder(architecture, input_shape, outputs)
    except (ArchwrightError, MemoryError):
        raise
    except Exception as error:
        if _out_of_memory(error):
            raise
        raise NetworkError(
            f"{_where(architecture, input_shape, outputs)}: the builder raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"{_where(architecture, input_shape, outputs)}: the builder must return an nn.Module; "
            f"got {network!r}"
        )
    return network


def checked_shape(input_shape: Sequence[int], outputs: int) -> Shape:
    """Return the shape as a tuple.

    Raises:
        NetworkError: If it is empty or a size is not a positive whole number.
    """
    shape = tuple(input_shape)
    if not shape or any(type(size) is not int or size < 1 for size in (*shape, outputs)):
        raise NetworkError(
            f"input_shape must be positive whole numbers and so must outputs; got "
            f"input_shape={shape!r}, outputs={outputs!r}"
        )
    return shape


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put the state of torch's generator back, and keep other threads from drawing meanwhile."""
    with _CONSTRUCTION, torch.random.fork_rng(devices=[]):
        yield


def _ambient_device() -> torch.device:
    return torch.empty(0).device


def _check_output(
    network: nn.Module, architecture: Architecture, input_shape: Shape, outputs: int
) -> None:
    inputs = torch.zeros((_CHECK_BATCH, *input_shape))
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            output = _run(network, inputs, _where(architecture, input_shape, outputs))
    finally:
        for module, training in modes:
            module.training = training
    found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found != (_CHECK_BATCH, outputs):
        raise NetworkError(
            f"{_where(architecture, input_shape, outputs)}: the network must map "
            f"{tuple(inputs.shape)} to (batch, outputs) = {(_CHECK_BATCH, outputs)}; got {found}: "
            f"end it with a flat layer of `outputs` units"
        )


def _run(network: nn.Module, inputs: Tensor, where: str) -> object:
    try:
        return network(inputs)
    except (ArchwrightError, MemoryError):
        raise
    except Exception as error:
        if _out_of_memory(error):
            raise
        raise NetworkError(
            f"{where}: {_blame(network, inputs)} {type(error).__name__}: {error}"
        ) from error


def _blame(network: nn.Module, inputs: Tensor) -> str:
    """Return which module fails on which shapes, found by running the network again."""
    running: list[str] = []

    def enter(name: str, arguments: tuple[object, ...]) -> None:
        shapes = [tuple(a.shape) for a in arguments if isinstance(a, Tensor)]
        running.append(f"module {name!r} on input {', '.join(map(str, shapes)) or 'none'}")

    handles = []
    for name, module in network.named_modules():
        entered = module.register_forward_pre_hook(
            lambda module, arguments, name=name: enter(name or "(the whole network)", arguments)
        )
        left = module.register_forward_hook(
            lambda module, arguments, output: running.pop() and None
        )
        handles += [entered, left]
    try:
        network(inputs)
    except Exception:  # noqa: BLE001 - the same error as before, which is being reported
        return f"{running[-1]} raised" if running else "the network raised"
    finally:
        for handle in handles:
            handle.remove()
    return "the network raised"


def _out_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory, which is not the architecture's fault."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _where(architecture: Architecture, input_shape: Shape, outputs: int) -> str:
    return f"{architecture!r} on inputs of shape {input_shape} with outputs={outputs}"
