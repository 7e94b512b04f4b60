"""Networks of equal structure trained as one stack, each as if it were alone.

A step of a small convolutional network is mostly overhead, and its convolutions are too narrow for
a processor's vector units. Networks that differ in nothing but their weights, their order of the
data and the length of their training share every operation instead; `stacked_program.py` says how.
When a network is done, the next one takes its place in the stack.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train.augment import augment
from archwright.train.loss import Loss
from archwright.train.metrics import metrics_of
from archwright.train.recipe import Recipe
from archwright.train.single import memory_errors
from archwright.train.stacked_buffers import Program
from archwright.train.stacked_program import Plan, plan_of, write_program
from archwright.train.stacked_tracing import structure_of
from archwright.train.training import Fitted, Training, batches_of

__all__ = ["fit_stacked", "stackable"]

Report = Callable[[int, int, Mapping[str, float]], None]

_WIDTH = 6
_ROWS = 256
"""How many rows are measured at a time."""


def stackable(network: nn.Module, recipe: Recipe, inputs: Tensor) -> bool:
    """Return whether a network can be trained in a stack.

    Args:
        network: On a processor, of the layers that `plan_of` lists.
        recipe: Must ask for no autocast, compilation, other device or channels-last layout.
        inputs: Of the training split, images.
    """
    return _fits(recipe, inputs) and plan_of(network, inputs.shape[1:]) is not None


def _fits(recipe: Recipe, inputs: Tensor) -> bool:
    plain = not (recipe.autocast or recipe.compile or recipe.channels_last)
    return plain and recipe.torch_device().type == "cpu" and inputs.dim() == 4


def fit_stacked(
    networks: Sequence[nn.Module],
    train: Split,
    validation: Split | None,
    recipes: Recipe | Sequence[Recipe],
    *,
    task: Task,
    seeds: Sequence[int],
    scale: Sequence[float] | None = None,
    measured: Mapping[str, Split] | None = None,
    width: int = _WIDTH,
    on_epoch: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Fitted | Exception]:
    """Train networks of equal structure in place, with the results of `fit` up to rounding.

    Args:
        networks: Of equal structure, each `stackable`.
        train: Rows to learn from; each network has its own order of them.
        validation: Rows to measure on after each epoch, or None.
        recipes: One for all, or one a network; all of the same batch size and loss.
        task: Decides the loss and the metrics.
        seeds: One a network; see `fit`.
        scale: For regression, the deviation of each target; see `measure`.
        measured: Splits to measure the returned weights on, by name. Their metrics are added to
            `Fitted.metrics` as "name_accuracy" and so on; they decide nothing, and the time it
            takes does not count.
        width: Networks trained at a time, the longest training first.
        on_epoch: Called with the position of the network, the number of the epoch, from 1, and
            its metrics.
        should_stop: Asked at least once an epoch; true ends all training.

    Returns:
        In the order of `networks`, what came of each: a `Fitted`, or the exception that ended its
        training. `duration_seconds` is its share of the time of the stack; on one thread of torch
        that is processor time, so that other programs do not count.

    Raises:
        EvaluationError: If there are not as many seeds and recipes as networks, if the recipes
            differ in batch size or loss, or the networks cannot share a stack.
        KeyboardInterrupt: If `should_stop` said so.
    """
    each = [recipes] * len(networks) if isinstance(recipes, Recipe) else list(recipes)
    _check(networks, each, seeds, train)
    if not networks:
        return []
    members = [_Member(*m) for m in zip(range(len(each)), networks, each, seeds, strict=True)]
    stack = _Stack(members, (train, validation), measured or {}, task, scale)
    stack.run(min(width, len(members)), on_epoch, should_stop)
    return [member.result for member in members if member.result is not None]


def _check(
    networks: Sequence[nn.Module], recipes: Sequence[Recipe], seeds: Sequence[int], train: Split
) -> None:
    for name, values in (("seeds", seeds), ("recipes", recipes)):
        if len(values) != len(networks):
            raise EvaluationError(
                f"{name} must be one a network: expected {len(networks)}, got {len(values)}",
                status="invalid",
            )
    shared = {(r.batch_size, r.label_smoothing, r.class_weights) for r in recipes}
    if len(shared) > 1:
        raise EvaluationError(
            "recipes of a stack must have the same batch_size, label_smoothing and "
            f"class_weights; got {sorted(map(repr, shared))}: train them in several stacks",
            status="invalid",
        )
    if not all(_fits(recipe, train.inputs) for recipe in recipes):
        raise EvaluationError(
            "a stack is for images on a processor, without autocast, compile and channels_last; "
            f"got inputs {tuple(train.inputs.shape)} and {recipes[0]!r}: use fit_many",
            status="invalid",
        )
    structures = [structure_of(network) for network in networks]
    for position, structure in enumerate(structures):
        if structure != structures[0]:
            raise EvaluationError(
                f"networks[{position}] differs in structure from networks[0], so they cannot share "
                "a stack; use fit_many",
                status="invalid",
            )


@dataclass(eq=False)
class _Member:
    """One network of the stack, and while it is trained, its training."""

    position: int
    network: nn.Module
    recipe: Recipe
    seed: int
    result: Fitted | Exception | None = None
    training: Training = field(init=False)


class _Rows:
    """The weights of the networks that lie in the first rows of a buffer."""

    def __init__(
        self,
        memory: tuple[Tensor, Tensor],
        places: Mapping[str, tuple[int, torch.Size]],
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self._values, self._gradients = memory
        self._places, self._generators = places, generators
        self.count, self.dtype = len(self._values), self._values.dtype

    def value(self, name: str) -> Tensor:
        return self._view(self._values, name)

    def gradient(self, name: str) -> Tensor:
        return self._view(self._gradients, name)

    def generators(self) -> Sequence[torch.Generator]:
        return self._generators

    def _view(self, buffer: Tensor, name: str) -> Tensor:
        start, shape = self._places[name]
        return buffer[:, start : start + shape.numel()].view(self.count, *shape)


class _Stack:
    """Members in training, in the first rows of one buffer, and those that wait."""

    def __init__(
        self,
        members: Sequence[_Member],
        splits: tuple[Split, Split | None],
        measured: Mapping[str, Split],
        task: Task,
        scale: Sequence[float] | None,
    ) -> None:
        first = members[0]
        plan = plan_of(first.network, splits[0].inputs.shape[1:])
        if plan is None:
            raise EvaluationError(
                "the networks have a module or an operation that a stack does not know; use "
                "fit_many",
                status="invalid",
            )
        self._plan: Plan = plan
        self._splits, self._measured, self._recipe = splits, measured, first.recipe
        self._settings: dict[str, Any] = {"task": task, "scale": scale}
        self._waiting = deque(sorted(members, key=lambda m: -m.recipe.epochs))
        self._active: list[_Member] = []
        self._programs: dict[int, Program] = {}
        self._places: dict[str, tuple[int, torch.Size]] = {}

    def run(
        self, width: int, on_epoch: Report | None, should_stop: Callable[[], bool] | None
    ) -> None:
        """Train all members; return when the last one is done."""
        # On one thread, time in which other programs had the processor does not count.
        clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
        self._make_room(width)
        try:
            self._fill(width)
            while self._active:
                if should_stop is not None and should_stop():
                    raise KeyboardInterrupt
                started, together = clock(), list(self._active)
                losses = self._train_epoch()
                reports = [self._count(m, own) for m, own in zip(together, losses, strict=True)]
                share = (clock() - started) / len(together)
                for member, metrics in zip(together, reports, strict=True):
                    member.training.seconds += share
                    if metrics is not None and on_epoch is not None:
                        on_epoch(member.position, member.training.epoch, metrics)
                self._dismiss()
                self._fill(width)
        finally:
            for member in self._active:
                member.training.release()

    # -- places -------------------------------------------------------------------------------

    def _make_room(self, width: int) -> None:
        network = self._waiting[0].network
        trained = sum(p.numel() for p in network.parameters())
        others = sum(b.numel() for b in network.buffers() if b.is_floating_point())
        like = next(network.parameters()).detach()
        self._values = like.new_zeros(width, trained + others)
        self._gradients = like.new_zeros(width, trained)
        self._alone = like.new_zeros(1, trained + others)
        train = self._splits[0]
        loss = Loss(self._settings["task"], self._recipe, train.targets, like.dtype)
        self._head = _Head(loss, train.targets, like.dtype)
        self._rulers: dict[int, Program] = {}

    def _row(self, row: int) -> tuple[Tensor, Tensor]:
        return self._values[row], self._gradients[row]

    def _fill(self, width: int) -> None:
        """Let members that wait take the free rows."""
        changed = False
        while self._waiting and len(self._active) < width:
            member = self._waiting.popleft()
            try:
                with memory_errors():
                    self._seat(member, len(self._active))
            except EvaluationError as error:
                member.result = error
                continue
            self._active.append(member)
            changed = True
        if changed:
            self._programs.clear()  # they hold the generators of the members

    def _seat(self, member: _Member, row: int) -> None:
        training = Training(
            member.network,
            *self._splits,
            member.recipe,
            seed=member.seed,
            ambient=False,
            engine="eager",
            memory=self._row(row),
            **self._settings,
        )
        member.training = training
        if not self._places:
            tensors = (*member.network.named_parameters(), *member.network.named_buffers())
            self._places = {
                name: (training.flat.place(tensor), tensor.shape)
                for name, tensor in tensors
                if tensor.is_floating_point()
            }

    def _dismiss(self) -> None:
        """Let finished members go, and close the gaps that they leave."""
        kept = []
        for member in self._active:
            if member.result is None and not member.training.finished:
                kept.append(member)
                continue
            if member.result is None:
                member.result = self._measure(member, member.training.fitted())
            member.training.release()
        if len(kept) < len(self._active):
            self._programs.clear()
        for row, member in enumerate(kept):
            if member is not self._active[row]:
                member.training.flat.move(self._row(row))
                member.training.optimizer.move(member.training.flat)
        self._active = kept

    # -- training -----------------------------------------------------------------------------

    def _train_epoch(self) -> Tensor:
        """Take one pass over the training rows; return the loss of each step of each member."""
        rows = len(self._splits[0])
        orders = torch.stack(
            [torch.randperm(rows, generator=m.training.streams.order) for m in self._active]
        )
        batches = batches_of(torch.arange(rows), self._recipe.batch_size)
        losses = self._values.new_zeros(len(self._active), len(batches))
        for step, places in enumerate(batches):
            self._gradients_of(orders[:, places], losses[:, step])
            for member in self._active:
                training = member.training
                training.update(training.epoch * len(batches) + step, len(batches))
        for member in self._active:
            for count in member.training.flat.integers.values():
                count += len(batches)
        return losses

    def _gradients_of(self, rows: Tensor, loss: Tensor) -> None:
        """Write the gradients of one batch of each member, and its losses.

        Args:
            rows: `(members, batch)`.
            loss: `(members,)`.
        """
        program = self._programs.get(rows.shape[1]) or self._write(rows.shape[1])
        train = self._splits[0]
        inputs = train.inputs.index_select(0, rows.flatten()).view(
            *rows.shape, *train.inputs.shape[1:]
        )
        if self._recipe.augment:
            inputs = self._augmented(inputs)
        program.inputs.copy_(inputs.flatten(3).permute(0, 2, 3, 1))
        program.forward()
        self._head.run(program, rows, loss)
        program.backward()

    def _write(self, batch: int) -> Program:
        count = len(self._active)
        memory = self._values[:count], self._gradients[:count]
        generators = [m.training.streams.dropout for m in self._active]
        rows = _Rows(memory, self._places, generators)
        shape = self._splits[0].inputs.shape[1:]
        self._programs[batch] = write_program(self._plan, rows, shape, batch, training=True)
        return self._programs[batch]

    def _augmented(self, inputs: Tensor) -> Tensor:
        """Change the images of each member, `(members, batch, channels, height, width)`."""
        return torch.stack(
            [
                augment(own, member.recipe.augment, rng=member.training.streams.augment)
                for own, member in zip(inputs, self._active, strict=True)
            ]
        )

    def _count(self, member: _Member, losses: Tensor) -> dict[str, float] | None:
        """Finish the epoch of a member; return its metrics, or None if it failed."""
        training = member.training
        try:
            training.check_finite(losses)
            metrics = {"train_loss": float(losses.double().mean())}
            if training.validation is not None:
                with training.averaged():
                    found = self._metrics(training, training.validation)
                metrics |= training.validated(found)
        except EvaluationError as error:
            member.result = error
            return None
        training.epoch += 1
        training.remember(metrics)
        return metrics

    # -- measuring ----------------------------------------------------------------------------

    def _measure(self, member: _Member, fitted: Fitted) -> Fitted:
        metrics = dict(fitted.metrics)
        for name, split in self._measured.items():
            found = self._metrics(member.training, split)
            metrics |= {f"{name}_{metric}": value for metric, value in found.items()}
        return dataclasses.replace(fitted, metrics=metrics, engine="stacked")

    def _metrics(self, training: Training, split: Split) -> dict[str, float]:
        """Return what `measure` returns, for the weights as they stand."""
        self._alone[0].copy_(training.flat.values)
        outputs = torch.cat([self._outputs(part) for part in torch.split(split.inputs, _ROWS)])
        return metrics_of(outputs, split.targets, **self._settings)

    def _outputs(self, inputs: Tensor) -> Tensor:
        program = self._rulers.get(len(inputs))
        if program is None:
            rows = _Rows((self._alone, self._alone), self._places)
            program = write_program(self._plan, rows, inputs.shape[1:], len(inputs), training=False)
            self._rulers[len(inputs)] = program
        program.inputs.copy_(inputs.flatten(2).permute(1, 2, 0)[None])
        program.forward()
        return program.outputs[0].T.clone()


class _Head:
    """From the outputs to the loss of each network and the gradient of the outputs."""

    def __init__(self, loss: Loss, targets: Tensor, dtype: torch.dtype) -> None:
        self._classes = loss.task.is_classification
        self._weights, self._targets = loss.class_weights, targets
        if self._classes:
            self._table = loss.target_table(dtype, targets.device)

    def run(self, program: Program, rows: Tensor, into: Tensor) -> None:
        """Write the gradient into the program and the losses, `(networks,)`.

        Args:
            program: Has the outputs.
            rows: Rows of each network, `(networks, batch)`.
            into: Where the losses go.
        """
        targets = self._targets.index_select(0, rows.flatten())
        if self._classes:
            self._cross_entropy(program, targets, rows.shape, into)
        else:
            self._squares(program, targets.view(*rows.shape, -1).mT, into)

    def _cross_entropy(
        self, program: Program, targets: Tensor, shape: torch.Size, into: Tensor
    ) -> None:
        asked = self._table.index_select(0, targets).view(*shape, -1).mT  # t of `target_table`
        log_p = torch.log_softmax(program.outputs, 1)  # (networks, classes, batch)
        wanted, norm = log_p.exp(), float(shape[1])
        if self._weights is None:
            torch.sub(wanted, asked, out=program.output_gradient).div_(norm)
            into.copy_((asked * log_p).sum((1, 2)).div_(-norm))
            return
        weight = self._weights.index_select(0, targets).view(shape).sum(1)  # (networks,)
        wanted.mul_(asked.sum(1, keepdim=True)).sub_(asked)
        torch.div(wanted, weight[:, None, None], out=program.output_gradient)
        into.copy_((asked * log_p).sum((1, 2)).neg_() / weight)

    def _squares(self, program: Program, targets: Tensor, into: Tensor) -> None:
        errors = program.outputs - targets  # (networks, outputs, batch)
        each = errors[0].numel()
        torch.mul(errors, 2 / each, out=program.output_gradient)
        into.copy_(errors.square().sum((1, 2)).div_(each))
