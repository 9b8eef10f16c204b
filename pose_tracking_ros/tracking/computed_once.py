"""A property computed when first asked for, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar('Value')


class computed_once(Generic[Value]):  # noqa: N801 (named like the decorator it replaces)
    """What `functools.cached_property` is, for objects that one thread uses.

    Up to Python 3.11 that one takes a lock at each first access, which lasts longer than what some
    of our properties compute.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        """Compute the value and put it where the next access finds it first."""
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value
