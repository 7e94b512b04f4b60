"""A read-only dict that the JSON encoder still takes for a dict."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["EMPTY", "FrozenDict"]


class FrozenDict(dict[str, Any]):
    """A dict that refuses every change, so that it can be shared and cached."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping is read-only; copy it with dict(...) to change it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        # The default would rebuild it with __setitem__.
        return (FrozenDict, (dict(self),))


EMPTY = FrozenDict()
