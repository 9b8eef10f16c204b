"""ROS parameters of a node, derived from the settings classes and kept equal to them.

Names, defaults, ranges and descriptions come from `settings/`. A set request is taken as a
whole or refused as a whole, with the reason: the new settings objects are built first, and they
check themselves.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_tracking_ros.settings import Limits, limits_of

SettingsT = TypeVar('SettingsT')

_INT64_MAX = 2**63 - 1


class ParameterError(ValueError):
    """A parameter given at start is not usable; the text names it and what was expected."""


def descriptor_of(settings_class: type, name: str) -> ParameterDescriptor:
    """Return the ROS descriptor of one setting: meaning, range, choices, when it may change."""
    limits = limits_of(settings_class, name)
    unit = f' Unit: {limits.unit}.' if limits.unit else ''
    descriptor = ParameterDescriptor(
        name=name, description=limits.description + unit, read_only=limits.startup
    )
    constraints = []
    if limits.choices:
        constraints.append(f'One of: {", ".join(limits.choices)}.')
    if limits.startup:
        constraints.append('Read once, at start.')
    elif not limits.live:
        constraints.append('Taken over at configure; cannot change before a cleanup.')
    descriptor.additional_constraints = ' '.join(constraints)
    low, high = limits.low, limits.high
    if low is not None or high is not None:
        if isinstance(_default(settings_class, name), float):
            descriptor.floating_point_range = [
                FloatingPointRange(
                    from_value=-sys.float_info.max if low is None else float(low),
                    to_value=sys.float_info.max if high is None else float(high),
                )
            ]
        else:
            descriptor.integer_range = [
                IntegerRange(
                    from_value=-_INT64_MAX if low is None else int(low),
                    to_value=_INT64_MAX if high is None else int(high),
                    step=1,
                )
            ]
    return descriptor


def _default(settings_class: type, name: str) -> Any:
    return next(f.default for f in dataclasses.fields(settings_class) if f.name == name)


def _in_declared_type(default: Any, value: Any) -> Any:
    """Return the value in the type of the default where nothing is lost by it.

    People write `max_lost_s: 5` and `video:=0`, which YAML reads as whole numbers.
    """
    if type(value) is int and isinstance(default, float | str):
        return type(default)(value)
    return value


class ParameterStore:
    """Declares a node's parameters and holds the settings they stand for.

    Args:
        node: declares the parameters on this node.
        settings_classes: dataclasses of `settings/`; their field names must not repeat.
        is_locked: whether settings that are neither live nor read at start are in use now.
        on_change: called after parameters have changed.
        of_others: names that may be given to the process for its other nodes.

    Raises:
        ParameterError: a value given at start (command line, parameter file) is not usable.
    """

    def __init__(
        self,
        node: Node,
        settings_classes: Sequence[type],
        *,
        is_locked: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
        of_others: Collection[str] = (),
    ) -> None:
        self._node = node
        self._is_locked = is_locked
        self._on_change = on_change
        self._class_of = {
            field.name: settings_class
            for settings_class in settings_classes
            for field in dataclasses.fields(settings_class)
        }
        # rclpy keeps what was given at start here, also values that were never declared.
        given = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
        try:
            self._settings = {
                settings_class: settings_class(**self._values_for(settings_class, given))
                for settings_class in settings_classes
            }
        except ValueError as error:
            raise ParameterError(f'parameter {error}') from error
        node.declare_parameters(
            '',
            [
                (name, getattr(self._settings[owner], name), descriptor_of(owner, name))
                for name, owner in self._class_of.items()
            ],
            ignore_override=True,
        )
        if hasattr(node, 'add_post_set_parameters_callback'):
            node.add_pre_set_parameters_callback(self._retype)
            node.add_on_set_parameters_callback(self._validate)
            node.add_post_set_parameters_callback(self._take_over)
        else:
            # Humble knows one callback only; nobody after us can refuse what we accept.
            node.add_on_set_parameters_callback(self._validate_and_take_over)
        self._warn_of_unknown(given.keys() - set(of_others))

    def get(self, settings_class: type[SettingsT]) -> SettingsT:
        """Return the current settings of a class."""
        settings = self._settings[settings_class]
        assert isinstance(settings, settings_class)
        return settings

    def _values_for(self, settings_class: type, given: dict[str, Any]) -> dict[str, Any]:
        return {
            field.name: _in_declared_type(field.default, given[field.name])
            for field in dataclasses.fields(settings_class)
            if field.name in given
        }

    def _warn_of_unknown(self, given: Collection[str]) -> None:
        """Tell of parameters that nobody reads; a misspelt name would go unnoticed otherwise."""
        for name in sorted(given):
            if self._node.has_parameter(name) or name.startswith('qos_overrides.'):
                continue
            near = difflib.get_close_matches(name, self._class_of, n=1)
            hint = f'; did you mean {near[0]}?' if near else ''
            self._node.get_logger().warning(f'parameter {name!r} is not known, ignored{hint}')

    def _retype(self, parameters: list[Parameter]) -> list[Parameter]:
        return [
            Parameter(
                parameter.name,
                value=_in_declared_type(
                    _default(self._class_of[parameter.name], parameter.name), parameter.value
                ),
            )
            if parameter.name in self._class_of
            else parameter
            for parameter in parameters
        ]

    def _validate(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            self._with(parameters)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _validate_and_take_over(self, parameters: list[Parameter]) -> SetParametersResult:
        result = self._validate(parameters)
        if result.successful:
            self._take_over(parameters)
        return result

    def _take_over(self, parameters: list[Parameter]) -> None:
        changed = self._with(parameters)
        if changed != self._settings:
            self._settings = changed
            self._on_change()

    def _with(self, parameters: list[Parameter]) -> dict[type, Any]:
        """Return the settings with new values.

        Raises:
            ValueError: a value is out of its range, or may not change now.
        """
        changes: dict[type, dict[str, Any]] = {}
        for parameter in parameters:
            owner = self._class_of.get(parameter.name)
            if owner is None:
                continue
            limits: Limits = limits_of(owner, parameter.name)
            is_new = parameter.value != getattr(self._settings[owner], parameter.name)
            if is_new and not limits.live and self._is_locked():
                raise ValueError(
                    f'{parameter.name}: cannot change while the node is configured; '
                    f'clean up {self._node.get_fully_qualified_name()} first '
                    '(ros2 lifecycle set NODE deactivate, then cleanup)'
                )
            changes.setdefault(owner, {})[parameter.name] = parameter.value
        return {
            owner: dataclasses.replace(settings, **changes[owner])
            if owner in changes
            else settings
            for owner, settings in self._settings.items()
        }
