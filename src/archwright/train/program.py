"""One training step of a dense network as a list of calls on buffers made beforehand.

Batches lie by feature, `(features, batch)`: products are then as fast for odd widths as for round
ones, because the batch is the axis that the processor's vectors run along. With x the input of a
layer, y its output and d for the derivative of the loss, the backward passes are

    linear               y = W x + b                 dW = dy x', db = sum(dy), dx = W' dy
    cross-entropy        -sum(t log p)               dz = sum(t) p - t, for each row of the batch
    squared error        mean((z - t)**2)            dz = 2 (z - t) / (batch * outputs)
    batch normalisation  y = gain c r + shift, c = x - mean, r = 1 / deviation of a feature
                         dx = gain r (dy - mean(dy) - c r**2 mean(dy c))
    layer normalisation  y = gain n + shift, n = (x - mean) r, r = 1 / deviation of a row
                         dx = r (dn - mean(dn) - n mean(dn n)), dn = gain dy

([Ioffe2015batch]_ and [Ba2016layer]_ for the last two). The gradient of the input of the first
layer is never formed. Calls are the cost of a small step: they are few, and none takes a number
where a tensor of that number made beforehand will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from archwright.errors import EvaluationError
from archwright.train.flat import Flat
from archwright.train.loss import Loss
from archwright.train.masks import Masks

__all__ = ["LAYERS", "Program"]

Call = Callable[[], object]

_gelu_forward = torch.ops.aten.gelu.out
_silu_forward = torch.ops.aten.silu.out
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_gelu_backward = torch.ops.aten.gelu_backward.grad_input
_silu_backward = torch.ops.aten.silu_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


@dataclass
class _Value:
    """Something computed on the way: its buffer and the buffer of its gradient.

    Args:
        data: `(features, batch)`.
        gradient: Of the same shape.
        wanted: Whether any weight below depends on it; if not, the gradient is never formed.
        kept: Whether the backward pass of the layer that made it reads `data` again, so that the
            next layer must not work in place.
    """

    data: Tensor
    gradient: Tensor
    wanted: bool = True
    kept: bool = False


class Program:
    """The step of one network for one number of rows.

    Args:
        layers: Modules of the types in `LAYERS`, the last one linear.
        inputs: Of the training split, `(rows, features)`; gives width and type.
        rows: Rows in a batch.
        flat: Holds the gradients.
        loss: What to minimise.
        rng: Draws dropout.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        inputs: Tensor,
        rows: int,
        *,
        flat: Flat,
        loss: Loss,
        rng: torch.Generator,
    ) -> None:
        self.flat, self.rows = flat, rows
        self.masks = Masks(layers, inputs.shape[1], rows, rng=rng, dtype=inputs.dtype)
        self._scratch: dict[int, Tensor] = {}
        self._forward: list[Call] = []
        self._backward: list[Call] = []  # in the order of running
        self._batch = inputs.new_empty(rows, inputs.shape[1])
        value = _Value(self._batch.t(), torch.empty_like(self._batch).t(), wanted=False)
        for layer in layers:
            value = LAYERS[type(layer)](self, layer, value)
        head = _Squares if not loss.task.is_classification else _CrossEntropy
        self._head = head(value, loss)

    def run(self, inputs: Tensor, targets: Tensor, rows: Tensor, loss: Tensor) -> None:
        """Compute the loss and all gradients for some rows of a split."""
        torch.index_select(inputs, 0, rows, out=self._batch)
        self.masks.draw()
        for call in self._forward:
            call()
        self._head.run(targets, rows, loss)
        for call in self._backward:
            call()

    def add(self, forward: list[Call], backward: list[Call]) -> None:
        """Append the calls of a layer; backward passes run in the opposite order of layers."""
        self._forward += forward
        self._backward[:0] = backward

    def new_value(self, features: int, like: _Value) -> _Value:
        """Return fresh buffers, `(features, batch)`."""
        data = self.new_data(features, like)
        return _Value(data, torch.empty_like(data))

    def new_data(self, features: int, like: _Value) -> Tensor:
        """Return a fresh buffer, `(features, batch)`."""
        return like.data.new_empty(features, self.rows)

    def scratch(self, features: int, like: _Value) -> Tensor:
        """Return a buffer, `(features, batch)`, that keeps nothing from one call to the next."""
        if features not in self._scratch:
            self._scratch[features] = self.new_data(features, like)
        return self._scratch[features]

    def gradient(self, parameter: Tensor) -> Tensor:
        """Return where the gradient of a parameter goes."""
        return self.flat.gradient_of(parameter)


# -- layers: each binds its calls and returns its output ------------------------------------------


def _linear(program: Program, layer: nn.Module, x: _Value) -> _Value:
    assert isinstance(layer, nn.Linear)
    weight = layer.weight.detach()  # (outputs, inputs)
    y = program.new_value(layer.out_features, x)
    dy = y.gradient
    forward: list[Call] = [partial(torch.mm, weight, x.data, out=y.data)]
    backward: list[Call] = [
        partial(torch.mm, dy, x.data.t(), out=program.gradient(layer.weight)),
    ]
    if layer.bias is not None:
        ones = x.data.new_ones(program.rows)
        forward.append(partial(y.data.add_, layer.bias.detach()[:, None]))
        backward.append(partial(torch.mv, dy, ones, out=program.gradient(layer.bias)))
    if x.wanted:
        backward.append(partial(torch.mm, weight.t(), dy, out=x.gradient))
    program.add(forward, backward)
    return y


def _relu(program: Program, layer: nn.Module, x: _Value) -> _Value:
    if x.kept:
        y = program.new_data(len(x.data), x)
        forward: Call = partial(torch.clamp_min, x.data, 0, out=y)
    else:
        y = x.data
        forward = partial(torch.relu_, y)
    backward = partial(_relu_backward, x.gradient, y, 0, grad_input=x.gradient)
    program.add([forward], [backward] if x.wanted else [])
    return _Value(y, x.gradient, x.wanted, kept=True)


def _tanh(program: Program, layer: nn.Module, x: _Value) -> _Value:
    y = program.new_data(len(x.data), x) if x.kept else x.data
    forward = partial(torch.tanh, x.data, out=y)
    backward = partial(_tanh_backward, x.gradient, y, grad_input=x.gradient)
    program.add([forward], [backward] if x.wanted else [])
    return _Value(y, x.gradient, x.wanted, kept=True)


def _gelu(program: Program, layer: nn.Module, x: _Value) -> _Value:
    assert isinstance(layer, nn.GELU)
    kind = layer.approximate
    y = program.new_data(len(x.data), x)
    forward = partial(_gelu_forward, x.data, approximate=kind, out=y)
    backward = partial(_gelu_backward, x.gradient, x.data, approximate=kind, grad_input=x.gradient)
    program.add([forward], [backward] if x.wanted else [])
    return _Value(y, x.gradient, x.wanted)


def _silu(program: Program, layer: nn.Module, x: _Value) -> _Value:
    y = program.new_data(len(x.data), x)
    forward = partial(_silu_forward, x.data, out=y)
    backward = partial(_silu_backward, x.gradient, x.data, grad_input=x.gradient)
    program.add([forward], [backward] if x.wanted else [])
    return _Value(y, x.gradient, x.wanted)


def _dropout(program: Program, layer: nn.Module, x: _Value) -> _Value:
    mask = program.masks.of(layer)
    if mask is None:
        return x
    y = program.new_data(len(x.data), x) if x.kept else x.data
    program.add(
        [partial(torch.mul, x.data, mask, out=y)],
        [partial(x.gradient.mul_, mask)] if x.wanted else [],
    )
    return _Value(y, x.gradient, x.wanted)


def _batch_norm(program: Program, layer: nn.Module, x: _Value) -> _Value:
    assert isinstance(layer, nn.BatchNorm1d)
    if program.rows < 2:
        raise EvaluationError(
            "batch normalisation needs at least 2 training rows to train on; got 1",
            status="invalid",
        )
    gain, shift = layer.weight.detach()[:, None], layer.bias.detach()[:, None]
    d_gain, d_shift = program.gradient(layer.weight), program.gradient(layer.bias)
    running_mean, running_var = layer.running_mean, layer.running_var
    count, follow, rows = layer.num_batches_tracked, layer.momentum, program.rows
    assert running_mean is not None
    assert running_var is not None
    assert count is not None
    assert follow is not None
    wanted = x.wanted
    y = program.new_data(len(x.data), x)
    c = program.new_data(len(x.data), x) if x.kept else x.data
    dy, work = x.gradient, program.scratch(len(x.data), x)
    # (features, 1) each; scale is gain r
    mean, norm, variance, r, scale, factor = x.data.new_empty(6, len(x.data), 1)
    means, variances, inverses = mean[:, 0], variance[:, 0], r[:, 0]
    gains, shifts = d_gain[:, None], d_shift[:, None]
    none, epsilon, each = (x.data.new_tensor(number) for number in (0.0, layer.eps, 1 / rows))
    ones, parts = x.data.new_ones(rows), x.data.new_full((rows,), 1 / rows)

    def forward() -> None:
        torch.mv(x.data, parts, out=means)
        torch.sub(x.data, mean, out=c)
        torch.linalg.vector_norm(c, dim=1, keepdim=True, out=norm)
        torch.addcmul(none, norm, norm, value=1 / (rows - 1), out=variance)  # unbiased
        torch.addcmul(epsilon, norm, norm, value=1 / rows, out=r).rsqrt_()
        torch.mul(gain, r, out=scale)
        torch.mul(c, scale, out=y).add_(shift)
        running_mean.lerp_(means, follow)
        running_var.lerp_(variances, follow)
        count.add_(1)

    def backward() -> None:
        torch.mul(dy, c, out=work)
        torch.mv(work, ones, out=d_gain).mul_(inverses)
        torch.mv(dy, ones, out=d_shift)
        if wanted:
            torch.addcmul(none, gains, r, value=-1 / rows, out=factor)
            dy.add_(torch.mul(c, factor, out=work))
            dy.sub_(torch.mul(shifts, each, out=factor)).mul_(scale)

    program.add([forward], [backward])
    return _Value(y, dy)


def _layer_norm(program: Program, layer: nn.Module, x: _Value) -> _Value:
    assert isinstance(layer, nn.LayerNorm)
    gain, shift = layer.weight.detach()[:, None], layer.bias.detach()[:, None]
    d_gain, d_shift = program.gradient(layer.weight), program.gradient(layer.bias)
    features, wanted = len(x.data), x.wanted
    y = program.new_data(features, x)
    n = program.new_data(features, x) if x.kept else x.data
    dy, work = x.gradient, program.scratch(features, x)
    statistics, r = x.data.new_empty(2, program.rows)
    epsilon = x.data.new_tensor(layer.eps)
    ones, parts = x.data.new_ones(program.rows), x.data.new_full((features,), 1 / features)

    def forward() -> None:
        torch.sub(x.data, torch.mv(x.data.t(), parts, out=statistics), out=n)
        torch.mul(n, n, out=work)
        torch.mv(work.t(), parts, out=r).add_(epsilon).rsqrt_()
        torch.mul(n.mul_(r), gain, out=y).add_(shift)

    def backward() -> None:
        torch.mv(torch.mul(dy, n, out=work), ones, out=d_gain)
        torch.mv(dy, ones, out=d_shift)
        if wanted:
            dy.mul_(gain)
            torch.mv(torch.mul(dy, n, out=work).t(), parts, out=statistics)
            torch.mul(n, statistics, out=work)
            dy.sub_(torch.mv(dy.t(), parts, out=statistics)).sub_(work).mul_(r)

    program.add([forward], [backward])
    return _Value(y, dy)


LAYERS: dict[type[nn.Module], Callable[[Program, nn.Module, _Value], _Value]] = {
    nn.Linear: _linear,
    nn.ReLU: _relu,
    nn.Tanh: _tanh,
    nn.GELU: _gelu,
    nn.SiLU: _silu,
    nn.Dropout: _dropout,
    nn.BatchNorm1d: _batch_norm,
    nn.LayerNorm: _layer_norm,
}
"""Which layers there are, and what binds their calls."""


# -- heads: from the outputs to the loss and the gradient of the outputs --------------------------


class _CrossEntropy:
    """Softmax and cross-entropy, with label smoothing and class weights."""

    def __init__(self, outputs: _Value, loss: Loss) -> None:
        self._outputs, self._gradient = outputs.data, outputs.gradient  # (classes, batch)
        rows = self._outputs.shape[1]
        self._scale = 1 / rows
        self._weights = loss.class_weights
        table = -loss.target_table(outputs.data.dtype, outputs.data.device).t().contiguous()
        self._table = table if self._weights is not None else table * self._scale
        self._classes = torch.empty(rows, dtype=torch.int64)
        self._asked, self._log_p, self._p = (torch.empty_like(self._outputs) for _ in range(3))
        self._asked_line, self._log_p_line = self._asked.view(-1), self._log_p.view(-1)

    def run(self, targets: Tensor, rows: Tensor, loss: Tensor) -> None:
        """Write the loss, and its gradient with respect to the outputs."""
        classes, asked, p = self._classes, self._asked, self._p
        torch.index_select(targets, 0, rows, out=classes)
        torch.index_select(self._table, 1, classes, out=asked)  # -t
        torch.log_softmax(self._outputs, 0, out=self._log_p)
        torch.exp(self._log_p, out=p)
        if self._weights is None:
            torch.add(asked, p, alpha=self._scale, out=self._gradient)
        else:
            asked.div_(self._weights.index_select(0, classes).sum())
            torch.addcmul(asked, p, asked.sum(0, keepdim=True), value=-1, out=self._gradient)
        torch.dot(self._asked_line, self._log_p_line, out=loss)


class _Squares:
    """Mean squared error over rows and outputs."""

    def __init__(self, outputs: _Value, loss: Loss) -> None:
        self._outputs, self._gradient = outputs.data.t(), outputs.gradient.t()  # (batch, outputs)
        self._errors = torch.empty_like(self._outputs, memory_format=torch.contiguous_format)
        self._line = self._errors.view(-1)

    def run(self, targets: Tensor, rows: Tensor, loss: Tensor) -> None:
        """Write the loss, and its gradient with respect to the outputs."""
        errors, line = self._errors, self._line
        torch.index_select(targets, 0, rows, out=errors)
        torch.sub(self._outputs, errors, out=errors)
        torch.dot(line, line, out=loss)
        loss.div_(line.numel())
        torch.mul(errors, 2 / line.numel(), out=self._gradient)
