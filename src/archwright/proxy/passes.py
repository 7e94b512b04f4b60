"""The passes through a network that several proxies read, each run once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from archwright.cost import Counts, count
from archwright.errors import ArchwrightError, NetworkError
from archwright.proxy.agreement import Agreement
from archwright.proxy.batch import Batch
from archwright.proxy.codes import CodeWatch, relu_modules
from archwright.proxy.gradients import ChannelSaliency, gradients_of, input_gradients, loss_of
from archwright.proxy.proxy import Unscored
from archwright.proxy.reach import graph_only
from archwright.proxy.restoring import preserved
from archwright.proxy.watching import Watch, switch_off_drops
from archwright.seeding import derive_seed

__all__ = ["ONE_VALUE", "Passes", "all_finite", "layers_of", "logits_of", "tensors_of"]

T = TypeVar("T")
ONE_VALUE = "batch normalization cannot normalize one sample whose map has one pixel"


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return the convolutions and linear maps by name; one that is used twice stands once."""
    kinds = (_ConvNd, nn.Linear)
    return {name: m for name, m in network.named_modules() if isinstance(m, kinds)}


class Passes:
    """One network and one batch, and what proxies read of them.

    A context: inside it the network is in train mode with dropout off and everything requires
    gradients; at its end the network is as it was, bit for bit. What several proxies read is
    computed when it is first asked for, together with everything else that was announced.

        with Passes(network, batch, reads={"gradients", "jacobian"}) as passes:
            passes.gradients          # one forward pass and two backward passes
            passes.jacobian           # is there already

    Args:
        network: From `(batch, *input_shape)` to `(batch, outputs)`.
        batch: Brought to the device and precision of the network.
        reads: Names of `SHARED` that will be asked for.
        seed: Root of everything that is drawn.
    """

    SHARED: ClassVar[tuple[str, ...]] = (
        "agreement",
        "counts",
        "curvature",
        "gradients",
        "jacobian",
        "saliency",
    )

    def __init__(
        self, network: nn.Module, batch: Batch, *, reads: Collection[str] = (), seed: int = 0
    ) -> None:
        self.network = network
        self.seed = seed
        self.reads = frozenset(reads)
        with torch.inference_mode(False):
            self.batch = _fitted(batch, network)
        self.layers = layers_of(network)
        self._results: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for context in (torch.inference_mode(False), torch.enable_grad(), preserved(self.network)):
            self._stack.enter_context(context)
        self.network.train()
        switch_off_drops(self.network)
        for parameter in self.network.parameters():
            if parameter.is_floating_point():
                parameter.requires_grad_()
        return self

    def __exit__(self, *problem: object) -> None:
        self._results.clear()
        self._stack.close()

    # What proxies share

    @property
    def agreement(self) -> Agreement:
        """How the codes of the samples agree, over all activations that the output depends on."""
        return cast(Agreement, self._shared("agreement"))

    @property
    def gradients(self) -> Mapping[str, Tensor]:
        """Gradient of the loss for each of `weights`; zeros where it does not depend on it."""
        return cast("Mapping[str, Tensor]", self._shared("gradients"))

    @property
    def curvature(self) -> Mapping[str, Tensor]:
        """Hessian of the loss times its gradient, both with respect to all of `weights`."""
        return cast("Mapping[str, Tensor]", self._shared("curvature"))

    @property
    def saliency(self) -> Mapping[str, Tensor]:
        """Saliency of each channel, `(channels,)`, of every layer; see `ChannelSaliency`."""
        return cast("Mapping[str, Tensor]", self._shared("saliency"))

    @property
    def jacobian(self) -> Tensor:
        """Gradient of the sum of all outputs with respect to the inputs, `(batch, features)`.

        Where the inputs are whole numbers, with respect to what embeddings make of them.
        """
        return cast(Tensor, self._shared("jacobian"))

    @property
    def counts(self) -> Counts:
        """Parameters, operations and bytes; nothing is run."""
        return cast(Counts, self._shared("counts"))

    @property
    def weights(self) -> dict[str, Tensor]:
        """Weights of convolutions and linear maps by the name of the layer, tied ones once.

        Raises:
            Unscored: If there are none, or one is computed from other parameters.
        """
        weights: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, layer in self.layers.items():
            weight = layer.weight
            if not isinstance(weight, nn.Parameter):
                raise Unscored(
                    "unsupported",
                    f"the weight of {name!r} is computed from other parameters; remove the "
                    f"parametrization first",
                )
            if id(weight) not in seen:
                seen.add(id(weight))
                weights[name] = weight
        if not weights:
            raise Unscored("unsupported", "the network has neither convolutions nor linear maps")
        return weights

    # What proxies do for themselves

    def generator(self, *labels: str | int) -> torch.Generator:
        """Return a fresh generator on the CPU for what the labels name."""
        return torch.Generator().manual_seed(derive_seed(self.seed, "proxy", *labels))

    @contextmanager
    def scratch(self) -> Iterator[nn.Module]:
        """Lend the network for changes of its weights, buffers and modes, which are put back."""
        with preserved(self.network):
            yield self.network

    def forward(self, inputs: Tensor | None = None, watch: Watch | None = None) -> Any:
        """Run the network with dropout off.

        Args:
            inputs: The batch's where None is given; left as they are, also by a network that
                works in place.
            watch: Sees the activations on their way.

        Raises:
            Unscored: If the network raises an error.
        """
        given = self.batch.inputs if inputs is None else inputs
        try:
            with watch or Watch():
                return self.network(given.clone())
        except (ArchwrightError, Unscored, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if "DefaultCPUAllocator" in str(error):  # how the CPU says that memory is short
                raise
            if "more than 1 value per channel" in str(error):  # torch's batch normalization
                raise Unscored("unsupported", ONE_VALUE) from error
            raise Unscored("failed", f"the network raised {type(error).__name__}: {error}") from (
                error
            )

    def count_agreement(self, *, alive: str = "graph", modules: bool = False) -> Agreement:
        """Count how the codes of the samples agree, in one forward pass without gradients.

        Args:
            alive: Which activations count; see `CodeWatch.agreement`.
            modules: Count the inputs of modules with "ReLU" in the name of their class instead of
                the calls of activation functions.
        """
        watch = CodeWatch(len(self.batch))
        with torch.no_grad() if alive == "executed" else graph_only():
            output = self._watched(watch, modules=modules)
        return watch.agreement(tensors_of(output), alive=alive)

    def drop(self, names: Collection[str]) -> None:
        """Free the memory of shared results that nobody will read any more."""
        for name in names:
            self._results.pop(name, None)
        self.reads -= frozenset(names)

    def _watched(self, watch: CodeWatch, *, modules: bool) -> Any:
        inputs = self.batch.inputs.detach()
        if inputs.is_floating_point():
            inputs.requires_grad_()  # for networks whose own parameters come late
        if modules:
            with relu_modules(self.network, watch.on_activation):
                return self.forward(inputs, Watch(on_zero_product=watch.on_zero_product))
        return self.forward(
            inputs, Watch(watch.on_activation, on_zero_product=watch.on_zero_product)
        )

    def _shared(self, name: str) -> Any:
        if name not in self._results:
            wanted = (self.reads | {name}) - self._results.keys()
            try:
                self._results |= self._run(wanted)
            except Unscored as reason:
                self._results |= dict.fromkeys(wanted, reason)
        found = self._results[name]
        if isinstance(found, Unscored):
            raise found
        return found

    def _run(self, wanted: frozenset[str]) -> dict[str, Any]:
        results: dict[str, Any] = {}
        if "counts" in wanted:
            results["counts"] = _tried(self._count)
            wanted -= {"counts"}
        if wanted <= {"agreement"}:
            return results | {name: self.count_agreement() for name in wanted}
        found, changed = self._backward(wanted, copies=False)
        results |= found
        if changed:  # a layer's output was changed in place before its gradient came
            results |= self._backward(frozenset({"saliency"}), copies=True)[0]
        return results

    def _count(self) -> Counts:
        inputs = self.batch.inputs
        try:
            return count(self.network, inputs.shape[1:], dtype=inputs.dtype)
        except NetworkError as error:
            raise Unscored("failed", str(error)) from error

    def _backward(self, wanted: frozenset[str], *, copies: bool) -> tuple[dict[str, Any], bool]:
        """Run forward once and backward as often as needed; return whether to copy outputs."""
        embedded: list[Tensor] = []
        inputs = self.batch.inputs.detach()
        sources = [inputs.requires_grad_()] if inputs.is_floating_point() else embedded
        codes = CodeWatch(len(self.batch)) if "agreement" in wanted else None
        watch = Watch(
            codes.on_activation if codes else None, on_embedding=partial(_noted, embedded)
        )
        saliency = ChannelSaliency(self.layers, copies=copies)
        with saliency.watching() if "saliency" in wanted else nullcontext():
            output = self.forward(inputs, watch)
        results: dict[str, Any] = {}
        if codes:
            results["agreement"] = codes.agreement(tensors_of(output))
        try:
            logits = logits_of(output)
            after = wanted & {"gradients", "saliency", "curvature"}
            if "jacobian" in wanted:
                sources = [source for source in sources if len(source) == len(self.batch)]
                results["jacobian"] = _tried(
                    lambda: input_gradients(logits, sources, retain=bool(after))
                )
            if after:
                loss = loss_of(logits, self.batch.targets)
                results |= self._loss_gradients(loss, saliency, twice="curvature" in wanted)
        except Unscored as reason:  # what came before stays
            results |= dict.fromkeys(wanted - results.keys(), reason)
        return results, saliency.changed and not copies

    def _loss_gradients(
        self, loss: Tensor, saliency: ChannelSaliency, *, twice: bool
    ) -> dict[str, Any]:
        weights = self.weights
        saliency.listening = True
        gradients = gradients_of(loss, weights, create=twice)
        saliency.listening = False
        plain = {name: gradient.detach() for name, gradient in gradients.items()}
        results: dict[str, Any] = {"gradients": plain, "saliency": saliency.values}
        if twice:
            norm = torch.stack([(plain[n] * g).sum() for n, g in gradients.items()]).sum()
            results["curvature"] = gradients_of(norm, weights)
        return results


def logits_of(output: Any, *, finite: bool = True) -> Tensor:
    """Return the one tensor that a loss is taken of: all that was returned, or its `logits`.

    Args:
        output: What a network returned.
        finite: Whether it has to be.

    Raises:
        Unscored: If there is none, or it is not finite.
    """
    logits = getattr(output, "logits", output)
    if isinstance(output, Mapping):
        logits = output.get("logits")
    if not isinstance(logits, Tensor):
        raise Unscored(
            "unsupported",
            f"the network returns {type(output).__name__}, not one tensor: wrap it in a module "
            f"that returns the logits",
        )
    if finite and not all_finite([logits]):
        raise Unscored("nan", "the outputs of the network are not finite")
    return logits


def tensors_of(output: Any) -> list[Tensor]:
    """Return all tensors of what a network returned: itself, a sequence or a mapping."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in tensors_of(part)]
    return []


def all_finite(tensors: list[Tensor]) -> bool:
    """Return whether every number is finite."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _tried(compute: Callable[[], T]) -> T | Unscored:
    """Return the result, or why there is none, so that other results of the pass survive."""
    try:
        return compute()
    except Unscored as reason:
        return reason


def _noted(embedded: list[Tensor], output: Tensor) -> Tensor:
    embedded.append(output)
    return output


def _fitted(batch: Batch, network: nn.Module) -> Batch:
    """Bring a batch to the device and precision of a network."""
    inputs = _usable(batch.inputs)
    targets = None if batch.targets is None else _usable(batch.targets)
    first = next((p for p in network.parameters() if p.is_floating_point()), None)
    if first is not None:
        inputs = inputs.to(first.device, first.dtype if inputs.is_floating_point() else None)
        targets = None if targets is None else targets.to(first.device)
    return Batch(inputs, targets)


def _usable(tensor: Tensor) -> Tensor:
    """Return a tensor that autograd may keep, which one made in inference mode is not."""
    return tensor.clone() if tensor.is_inference() else tensor
