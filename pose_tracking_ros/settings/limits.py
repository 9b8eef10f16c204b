"""How a setting is declared and checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a setting means and which values it takes.

    Attributes:
        description: one sentence for users.
        unit: physical unit, empty for none.
        low: smallest allowed value (inclusive), None for no limit.
        high: largest allowed value (inclusive), None for no limit.
        choices: allowed values of a text setting, empty for any.
        live: whether it may change while running.
        startup: whether it is read only once, when the process starts.
    """

    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    startup: bool = False


def setting(default: Any, description: str, **limits: Any) -> Any:
    """Declare a dataclass field that carries its `Limits`."""
    return dataclasses.field(
        default=default, metadata={'limits': Limits(description=description, **limits)}
    )


def limits_of(settings_class: type, name: str) -> Limits:
    """Return the limits declared for a setting."""
    for field in dataclasses.fields(settings_class):
        if field.name == name:
            limits = field.metadata['limits']
            assert isinstance(limits, Limits)
            return limits
    raise KeyError(f'{settings_class.__name__} has no setting {name!r}')


def check_settings(settings: Any) -> None:
    """Check each value against its limits.

    Raises:
        ValueError: names the setting, what was expected, and what came.
    """
    for field in dataclasses.fields(settings):
        limits: Limits = field.metadata['limits']
        value = getattr(settings, field.name)
        expected = type(field.default)
        is_whole_float = expected is float and type(value) is int
        if type(value) is not expected and not is_whole_float:
            raise ValueError(
                f'{field.name}: expected {expected.__name__}, got {type(value).__name__} {value!r}'
            )
        if limits.choices and value not in limits.choices:
            raise ValueError(
                f'{field.name}: expected one of {", ".join(limits.choices)}; got {value!r}'
            )
        unit = f' {limits.unit}' if limits.unit else ''
        # Written so that NaN fails.
        if limits.low is not None and not value >= limits.low:
            raise ValueError(f'{field.name}: expected at least {limits.low}{unit}, got {value}')
        if limits.high is not None and not value <= limits.high:
            raise ValueError(f'{field.name}: expected at most {limits.high}{unit}, got {value}')
