"""What surrounds the searched cells of a published network, and the maps that it bears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from archwright.errors import NetworkError
from archwright.network.registry import Shape

__all__ = ["Skeleton", "check_sizes", "halved", "image_of", "with_momentum"]

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A stem, and stacks of equal cells; each later stack halves the map and doubles the channels.

    Builders take the published one where none is given. A smaller one suits small images:

        space.bind(partial(build_nasbench101, skeleton=Skeleton(stem=8, cells=1)))

    Args:
        stem: Channels of the stem and of the first stack.
        cells: Cells in each stack.
        stacks: Stacks.
        momentum: Share of each batch in the running statistics of normalizations, in (0, 1]; None
            for the published one. That of NAS-Bench-101 is 0.003, and validation means nothing
            before about a thousand steps; take 0.1 for a short training.

    Raises:
        NetworkError: If a size is not a whole number of at least 1, or the momentum is not a
            number in (0, 1].
    """

    stem: int
    cells: int
    stacks: int = 3
    momentum: float | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "stem", "cells", "stacks")
        if self.momentum is not None and not 0 < self.momentum <= 1:
            raise NetworkError(
                f"Skeleton.momentum must be None or a number in (0, 1]; got {self.momentum!r}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stack."""
        return tuple(self.stem << stack for stack in range(self.stacks))


def check_sizes(skeleton: object, *names: str) -> None:
    """Check that attributes are whole numbers of at least 1.

    Raises:
        NetworkError: If one is not.
    """
    for name in names:
        size = getattr(skeleton, name)
        if type(size) is not int or size < 1:
            raise NetworkError(
                f"{type(skeleton).__name__}.{name} must be a whole number of at least 1; "
                f"got {size!r}"
            )


def with_momentum(network: Network, skeleton: Skeleton) -> Network:
    """Return the network, with the skeleton's momentum in its normalizations if it names one."""
    if skeleton.momentum is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = skeleton.momentum
    return network


def image_of(input_shape: Shape, space: str) -> tuple[int, int, int]:
    """Return channels, height and width of an image.

    Raises:
        NetworkError: If the input is none.
    """
    if len(input_shape) != 3:
        raise NetworkError(
            f"the space {space!r} needs inputs of shape (channels, height, width); got "
            f"{input_shape}: use the space 'mlp' for such data"
        )
    channels, height, width = input_shape
    return channels, height, width


def halved(height: int, width: int, times: int, space: str) -> list[tuple[int, int]]:
    """Return the sizes of the map before, between and after so many halvings, rounded up.

    Raises:
        NetworkError: If a halving would meet a map of one pixel, and so do nothing.
    """
    sizes = [(height, width)]
    for done in range(times):
        if (height, width) == (1, 1):
            before = sizes[0]
            raise NetworkError(
                f"the networks of {space!r} halve the map {times} times here, but images of "
                f"{before[0]}x{before[1]} pixels are down to 1x1 after {done}: use larger images "
                f"or, where the skeleton can be chosen, fewer stacks"
            )
        height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return sizes
