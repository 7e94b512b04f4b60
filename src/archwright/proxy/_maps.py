"""Where a network has its last feature map, and where its blocks end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Unscored
from archwright.proxy.watching import Watch

__all__ = ["block_names", "block_outputs", "feature_map"]

_CHAINS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def feature_map(passes: Passes, inputs: Tensor, module: str | None = None) -> Tensor:
    """Return the last map of a forward pass: what goes into global pooling.

    That is the last `(batch, channels, height, width)` tensor of more than one pixel that any
    function computes once a parameter has been used, so that the inputs are no map; where all maps
    have one pixel, it is the last of these.

    Args:
        passes: Of the network.
        inputs: `(batch, *input_shape)`.
        module: Path of the module whose output is taken instead, whatever its shape.

    Raises:
        ProxyError: If there is no such module.
        Unscored: If the network computes no map, or does not call that module.
    """
    if module is not None:
        found: list[Tensor] = []
        with _hooked(passes.network, [module], lambda name, output: found.append(output)):
            passes.forward(inputs)
        if not found:
            raise Unscored("unsupported", f"the network does not call {module!r}")
        return found[-1]
    watch = _MapWatch(len(inputs))
    passes.forward(inputs, watch)
    if watch.last is None:
        raise Unscored(
            "unsupported",
            "the network computes no feature map (batch, channels, height, width): name the "
            'module whose output stands for it, features="path.of.module"',
        )
    return watch.last


class _MapWatch(Watch):
    """Remembers the last map that is computed after a parameter was used."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.last: Tensor | None = None
        self._batch = batch
        self._begun = False

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = (*args, *(kwargs or {}).values())
        self._begun = self._begun or any(isinstance(value, nn.Parameter) for value in given)
        output = super().__torch_function__(func, types, args, kwargs)
        if self._begun and _is_map(output, self._batch) and self._is_later(output):
            self.last = output
        return output

    def _is_later(self, output: Tensor) -> bool:
        return self.last is None or _pixels(output) > 1 or _pixels(self.last) == 1


def block_names(passes: Passes, inputs: Tensor) -> list[str]:
    """Find the modules that end a block, in the order in which they finish.

    They are the children of the network that are called once and return maps, where chains and
    lists of modules stand for their members: the composite ones among them if there are at least
    two, else what is inside these; and if there is nothing composite left, the convolutions and
    linear maps.

    Args:
        passes: Of the network.
        inputs: A few samples.

    Raises:
        Unscored: If there are fewer than two.
    """
    calls: dict[str, int] = {}
    maps: list[str] = []

    def called(name: str, output: Any) -> None:
        calls[name] = calls.get(name, 0) + 1
        if _is_map(output, len(inputs)):
            maps.append(name)

    names = [name for name, _ in passes.network.named_modules() if name]
    with passes.scratch(), _hooked(passes.network, names, called):
        passes.forward(inputs)
    once = [name for name in maps if calls[name] == 1]
    blocks = _composites(passes.network, once) or [name for name in once if name in passes.layers]
    if len(blocks) < 2:
        raise Unscored(
            "unsupported",
            f"the network has {len(blocks)} blocks that return maps (batch, channels, height, "
            f'width), and two are needed: name them, blocks=["path.of.module", ...]',
        )
    return blocks


def block_outputs(passes: Passes, inputs: Tensor, blocks: Sequence[str]) -> list[Tensor]:
    """Return the outputs of modules in one forward pass, on autograd's graph if it is on.

    What follows a block gets a copy, so that it may work in place.

    Raises:
        ProxyError: If there is no such module.
        Unscored: If a module is not called exactly once, or returns no map.
    """
    found: dict[str, Any] = {}
    repeated: set[str] = set()

    def called(name: str, output: Any) -> Any:
        if name in found:
            repeated.add(name)
        found[name] = output
        return output.clone() if isinstance(output, Tensor) else None

    with _hooked(passes.network, blocks, called):
        passes.forward(inputs)
    for name in blocks:
        if name not in found or name in repeated or not _is_map(found[name], len(inputs)):
            raise Unscored("unsupported", f"{name!r} must be called once and return a map")
    return [found[name] for name in found]


def _composites(network: nn.Module, once: list[str]) -> list[str]:
    """Return the outermost composite modules, at least two; nothing if there are none such."""
    level = list(_members(network, ""))
    while level:
        composite = [(name, module) for name, module in level if any(module.children())]
        ends = {name for name, _ in composite} & set(once)
        if len(ends) >= 2:
            return [name for name in once if name in ends]
        level = [member for name, module in composite for member in _members(module, name + ".")]
    return []


def _members(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the children, with chains and lists opened."""
    for name, child in module.named_children():
        if isinstance(child, _CHAINS):
            yield from _members(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


@contextmanager
def _hooked(
    network: nn.Module, names: Sequence[str], called: Callable[[str, Any], Any]
) -> Iterator[None]:
    """Call a function with the output of each named module; what it returns goes on instead."""
    modules = dict(network.named_modules())
    for name in names:
        if name not in modules:
            raise ProxyError(f"the network has no module {name!r}; say one of its named_modules()")
    handles = [
        modules[name].register_forward_hook(
            lambda module, inputs, output, name=name: called(name, output)
        )
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_map(output: Any, batch: int) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and len(output) == batch


def _pixels(tensor: Tensor) -> int:
    return tensor.shape[2] * tensor.shape[3]
