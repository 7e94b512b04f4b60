"""A search space out of an ordinary module that asks questions in its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from archwright.errors import NetworkError, SpaceError
from archwright.network._discovery import discover
from archwright.network._tracing import settle
from archwright.network.building import undisturbed
from archwright.network.registry import Shape
from archwright.space import Architecture, Space

__all__ = ["ModuleBuilder", "space_of"]

_SHAPES: tuple[Shape, ...] = ((3, 32, 32), (16,), (16, 16))
"""Input shapes under which a constructor is asked what it asks, one after the other."""
_PROBES = 16
_MOST_REMEMBERED = 4096


@dataclass(frozen=True)
class ModuleBuilder:
    """Builds the networks of a space that came from a module.

    Args:
        constructor: The module's class, or a function that makes one. It is given `input_shape`
            and `outputs` if it has parameters of these names.
    """

    constructor: Callable[..., nn.Module]
    _names: dict[Any, tuple[str | None, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def __call__(self, architecture: Architecture, input_shape: Shape, outputs: int) -> nn.Module:
        """Run the constructor with the architecture's answers.

        Raises:
            NetworkError: If it asks something that the architecture does not answer.
        """
        answers = architecture.values
        known = (architecture, input_shape, outputs)
        construct = self.bound(input_shape, outputs)
        settled = settle(construct, answers, self._names.get(known, ()))
        for name, decision in settled.asked.items():
            if name not in answers:
                raise NetworkError(
                    f"the constructor asks for {name!r} ({decision.domain}), which is not open in "
                    f"{architecture!r}; a decision may depend on one other decision, not on "
                    f"several at once: ask for it in every case"
                )
        if len(self._names) >= _MOST_REMEMBERED:
            self._names.clear()
        self._names[known] = settled.names
        return settled.network

    def bound(self, input_shape: Shape, outputs: int) -> Callable[[], nn.Module]:
        """Return the constructor with the arguments that it has parameters for.

        Raises:
            SpaceError: If it needs another argument.
        """
        offered = {"input_shape": input_shape, "outputs": outputs}
        given: dict[str, Any] = {}
        for name, parameter in inspect.signature(self.constructor).parameters.items():
            if name in offered:
                given[name] = offered[name]
            elif parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise SpaceError(
                    f"{_title(self.constructor)} needs the argument {name!r}; only input_shape and "
                    f"outputs are given to it: give {name!r} a default, or use functools.partial"
                )
        return partial(self.constructor, **given)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ModuleBuilder, (self.constructor,))


def space_of(
    module: Callable[..., nn.Module],
    name: str | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    outputs: int = 10,
) -> Space:
    """Return the search space of a module that uses `archwright.nn.Choice` and its kin.

    The constructor is run once for each option of each question, without weights, to find out
    which decisions there are and which of them are open only under some answers ("body.2" only if
    `depth` is 3). The space is bound to a builder that runs the constructor with the answers of an
    architecture.

    Args:
        module: A class of modules, or a function that makes one. Parameters `input_shape` and
            `outputs` are filled with those of the data.
        name: Name of the space; by default that of the class or function.
        input_shape: Shape of one input to run the constructor with, if it works with few shapes
            only. By default (3, 32, 32), then (16,), then (16, 16) are tried.
        outputs: Number of outputs to run the constructor with.

    Raises:
        SpaceError: If nothing is asked, a name is used twice, a question has no network to be part
            of, or the constructor fails.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self, input_shape, outputs):
        ...         super().__init__()
        ...         width = integer("width", 16, 64, step=16)
        ...         self.hidden = nn.Linear(input_shape[0], width)
        ...         self.activation = Choice(relu=nn.ReLU, gelu=nn.GELU)
        ...         self.head = nn.Linear(width, outputs)
        >>> from archwright.network.choices import Choice, integer
        >>> space_of(Net).decisions["activation"], space_of(Net).size
        (Choice('relu', 'gelu'), 8)
    """
    if not callable(module) or isinstance(module, nn.Module):
        raise SpaceError(
            f"space_of needs a class of modules or a function that makes one; got {module!r}"
            + (": give its class" if isinstance(module, nn.Module) else "")
        )
    builder = ModuleBuilder(module)
    shapes = _SHAPES if input_shape is None else (tuple(input_shape),)
    reasons: list[str] = []
    for shape in shapes:
        construct = builder.bound(shape, outputs)
        try:
            with undisturbed():
                decisions = discover(construct)
        except SpaceError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything
            reasons.append(f"{shape}: {type(error).__name__}: {error}")
            continue
        if not decisions:
            raise SpaceError(
                f"{_title(module)} asks nothing in its constructor; use archwright.nn.Choice, "
                f"integer, choice or real there"
            )
        found = Space(decisions, name=name or _title(module)).bind(builder)
        _probe(found, shape, outputs)
        return found
    raise SpaceError(
        f"the constructor of {_title(module)} fails with its default answers on inputs of shape "
        f"{'; '.join(reasons)}. If it needs another shape, give space_of(..., input_shape=...)"
    )


def _probe(space: Space, shape: Shape, outputs: int) -> None:
    """Build some random architectures: none may ask what the space does not answer."""
    assert isinstance(space.builder, ModuleBuilder)
    for architecture in space.sample_many(_PROBES, rng=np.random.default_rng(0)):
        try:
            with undisturbed(), torch.device("meta"):
                space.builder(architecture, shape, outputs)
        except NetworkError as error:
            raise SpaceError(str(error)) from error
        except SpaceError:
            raise
        except Exception:  # noqa: BLE001 - not every architecture fits the stand-in shape
            continue


def _title(constructor: Callable[..., Any]) -> str:
    name = getattr(constructor, "__name__", None)
    if name is None and isinstance(constructor, partial):
        return _title(constructor.func)
    return str(name or type(constructor).__name__).strip("<>")
