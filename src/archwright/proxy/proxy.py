"""What a proxy is, and what scoring with it gives."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from archwright.errors import ProxyError, UnknownNameError

if TYPE_CHECKING:
    from archwright.proxy.passes import Passes

__all__ = ["STATUSES", "Measured", "Proxy", "Score", "Unscored"]

STATUSES = (
    "ok",
    "no_relu",  # nothing to take codes from
    "too_few_bits",  # fewer bits than the batch needs
    "singular",  # a matrix without inverse: often two equal inputs
    "overflow",  # beyond the range of the numbers
    "nan",  # the network's own outputs or gradients are not finite
    "degenerate",  # the network answers, but the score means nothing: gradients all zero
    "unsupported",  # the proxy is not defined for such a network
    "failed",  # the network itself raised an error
)

_NEEDS = frozenset({"data", "labels", "gradient", "double_gradient", "second_batch"})


class Unscored(Exception):
    """Raised by a proxy that has no value for a network; becomes the status of the score.

    Args:
        status: One of `STATUSES`, not "ok".
        reason: One sentence for the user.
        raw: What the formula gives nevertheless, say minus infinity.
    """

    def __init__(self, status: str, reason: str, *, raw: float = math.nan) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.raw = raw


@dataclass(frozen=True, slots=True)
class Measured:
    """A proxy's value with what else is worth telling.

    Args:
        value: Higher is better.
        raw: What the formula gives, where that is not the value.
        note: A warning about what the value means for this network.
        details: Further numbers by name, say the number of bits.
    """

    value: float
    raw: float | None = None
    note: str = ""
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """What one proxy says of one network; `float(score)` is its value.

    Args:
        proxy: Name of the proxy.
        value: Higher is better; NaN unless `status` is "ok".
        status: One of `STATUSES`.
        reason: Why there is no value; "" if there is one.
        raw: What the formula of the paper gives: before a sign or logarithm, finite or not.
        seconds: Wall time, with the passes that this proxy was the first to need.
        seed: Root of what the proxy drew.
        note: What to mind when scores are compared; "" for nothing.
        details: Further numbers by name.
    """

    proxy: str
    value: float
    status: str = "ok"
    reason: str = ""
    raw: float = math.nan
    seconds: float = 0.0
    seed: int = 0
    note: str = ""
    details: dict[str, float] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status == "ok"


class Proxy(ABC):
    """A score of an untrained network, higher is better.

    A kind of proxy fills in the class attributes and `measure`. Options are the keyword arguments
    of its constructor, of JSON types. A proxy keeps nothing of a network; what it draws comes from
    `passes.generator`, and whatever it changes in the network it puts back (`passes.scratch`).

    Attributes:
        name: The name in `PROXIES`.
        needs: Some of "data" (real inputs), "labels", "gradient", "double_gradient",
            "second_batch"; says what must be given, and what it costs.
        reads: The shared passes that `measure` reads: names of `Passes.SHARED`.
        size_bound: Whether the score grows with the size of the network, so that it orders
            networks of one space but not of different spaces.
        batch_size: Samples in the published setting; 0 if no batch is needed.
        init: Weights it is measured with: "keep", "kaiming_in", "kaiming_out" or "normal".
        normalization: How batch normalization runs: "train" (statistics of the batch),
            "identity" or "eval".
        deterministic: Whether the score is the same for every seed.
        any_order: Whether the order of the samples does not matter.
        passes_text: Its cost in words, in passes through the network.
        citation: Key of the paper in the list of references.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    reads: frozenset[str] = frozenset()
    size_bound: ClassVar[bool] = True
    batch_size: ClassVar[int] = 64
    init: ClassVar[str] = "keep"
    normalization: str = "train"
    deterministic: ClassVar[bool] = True
    any_order: ClassVar[bool] = True
    passes_text: ClassVar[str] = ""
    citation: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if unknown := cls.needs - _NEEDS:
            raise TypeError(f"{cls.__name__}.needs has {sorted(unknown)}; known: {sorted(_NEEDS)}")

    @abstractmethod
    def measure(self, passes: Passes) -> float | Measured:
        """Return the value for the network and batch of `passes`; higher is better.

        Raises:
            Unscored: If there is none for this network.
            ProxyError: If the caller gave too little, say no labels.
        """

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """Return the names of the constructor's options."""
        if cls.__init__ is Proxy.__init__:
            return ()
        parameters = inspect.signature(cls).parameters
        return tuple(p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY)

    @classmethod
    def make(cls, **options: Any) -> Proxy:
        """Build the proxy with options.

        Raises:
            UnknownNameError: If there is no such option.
            ProxyError: If an option is out of its range.
        """
        allowed = cls.option_names()
        for option in options:
            if option not in allowed:
                raise UnknownNameError(f"option of proxy {cls.name!r}", option, allowed)
        return cls(**options)


def chosen(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return an option's value.

    Raises:
        ProxyError: If it is none of those allowed.
    """
    if value not in allowed:
        raise ProxyError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return value
