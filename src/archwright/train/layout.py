"""The memory layout of images: rows of pixels, or the channels of one pixel together.

Channels-last is quicker for wide convolutions. On a processor it must not reach a convolution of
1x1 with a stride and few input channels: the gradient of its weights is written past a buffer of
oneDNN, so that it is wrong or the process dies (issue 6035 of uxlfoundation/oneDNN).
"""

from __future__ import annotations

from torch import nn

from archwright.errors import EvaluationError
from archwright.train.recipe import Recipe

__all__ = ["settle_layout", "unsafe_convolution"]

_WIDE = 32  # channels from which on channels-last pays
_BLOCK = 16  # most channels in a block of oneDNN; 8 or 16, as the processor has it


def settle_layout(network: nn.Module, recipe: Recipe) -> Recipe:
    """Decide "auto": channels-last pays when every convolution is wide enough, and is safe.

    Raises:
        EvaluationError: If channels-last was asked for, and is not safe for this network.
    """
    if not recipe.channels_last:
        return recipe
    unsafe = None if recipe.torch_device().type != "cpu" else unsafe_convolution(network)
    if recipe.channels_last != "auto":
        if unsafe is not None:
            raise EvaluationError(
                f"channels_last=True is not safe on a processor for the convolution {unsafe!r}, of "
                f"1x1 with a stride and fewer than {_BLOCK} input channels; say "
                f"channels_last='auto'",
                status="invalid",
            )
        return recipe
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    pays = bool(widths) and min(widths) >= _WIDE and unsafe is None
    return recipe.replace(channels_last=pays)


def unsafe_convolution(network: nn.Module) -> str | None:
    """Return the path of a convolution that must not see channels-last on a processor."""
    for path, module in network.named_modules():
        if (
            isinstance(module, nn.Conv2d)
            and set(module.kernel_size) == {1}
            and max(module.stride) > 1
            and module.in_channels // module.groups < _BLOCK
        ):
            return str(path)
    return None
