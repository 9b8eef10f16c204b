"""What a replay runs with: the settings of the tracker node, from parameter files."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.ros.parameter_file import NODES

SettingsT = TypeVar('SettingsT')

DEFAULT_NAME: Final = 'default'
_CLASSES: Final[tuple[type, ...]] = tuple(NODES['tracker'].values())
_NODE_NAME: Final = 'tracker_node'
# Parameters that every ROS 2 node has, and that mean nothing to a replay.
_OF_ANY_NODE: Final = ('use_sim_time', 'start_type_description_service')


@dataclass(frozen=True, eq=False)
class Configuration:
    """Settings of everything between image and tracks.

    Attributes:
        name: tells it from others in tables and folders.
        settings: one object per settings class of the tracker node.
    """

    name: str
    settings: Mapping[type, Any]

    def get(self, settings_class: type[SettingsT]) -> SettingsT:
        """Return the settings of a class."""
        settings = self.settings[settings_class]
        assert isinstance(settings, settings_class)
        return settings

    @property
    def differences(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by their ROS names."""
        return {
            field.name: value
            for settings in self.settings.values()
            for field in dataclasses.fields(settings)
            if (value := getattr(settings, field.name)) != field.default
        }


def make_configuration(name: str, values: Mapping[str, Any]) -> Configuration:
    """Return the defaults with some values changed.

    Args:
        name: of the configuration.
        values: by the ROS names of the settings.

    Raises:
        EvaluationError: there is no such setting, or it does not take the value.
    """
    owners = {
        field.name: (settings_class, field)
        for settings_class in _CLASSES
        for field in dataclasses.fields(settings_class)
    }
    chosen: dict[type, dict[str, Any]] = {settings_class: {} for settings_class in _CLASSES}
    for key, value in values.items():
        if key in _OF_ANY_NODE or key.startswith('qos_overrides.'):
            continue
        if key not in owners:
            raise EvaluationError(f'configuration {name}: {_unknown(key, owners)}')
        settings_class, field = owners[key]
        # As the node does: people write `max_lost_s: 5`, which YAML reads as a whole number.
        wanted: type = type(field.default)
        is_lossless = type(value) is int and wanted in (float, str)
        chosen[settings_class][key] = wanted(value) if is_lossless else value
    try:
        return Configuration(name, {one: one(**chosen[one]) for one in _CLASSES})
    except ValueError as error:
        raise EvaluationError(f'configuration {name}: {error}') from error


def _unknown(key: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f'did you mean {near[0]}? ' if near else ''
    return f'there is no setting {key!r}; {hint}expected one of {", ".join(names)}'


def read_configurations(
    files: Sequence[Path], assignments: Sequence[str] = ()
) -> list[Configuration]:
    """Return one configuration per parameter file; without files, one called `default`.

    Args:
        files: in the format of `config/tracker.yaml`; each gives its configuration its name.
        assignments: `name=value`, the value as in YAML; they count in every configuration and
            go before what the file says.

    Raises:
        EvaluationError: a file cannot be read, names or values are not those of settings, or two
            files have the same name.
    """
    overrides = dict(_assignment(text) for text in assignments)
    if not files:
        return [make_configuration(DEFAULT_NAME, overrides)]
    names = [file.stem for file in files]
    for name in names:
        if names.count(name) > 1:
            raise EvaluationError(
                f'configurations: expected files with different names, got {name} more than '
                'once; the name tells their results apart'
            )
    return [
        make_configuration(name, parameters_in(file) | overrides)
        for name, file in zip(names, files, strict=True)
    ]


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition('=')
    if not equals or not name.strip():
        raise EvaluationError(f'--set: expected name=value, got {text!r}')
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise EvaluationError(f'--set {text}: the value is not YAML: {error}') from error
    # Nothing after the equals sign is an empty text, not a missing value.
    return name.strip(), '' if parsed is None else parsed


def parameters_in(file: Path) -> dict[str, Any]:
    """Return what a ROS 2 parameter file says to the tracker node, later sections last.

    Raises:
        EvaluationError: the file is missing, is not YAML, or says nothing to that node.
    """
    if not file.is_file():
        raise EvaluationError(f'{file}: no such file; expected a ROS 2 parameter file')
    try:
        content = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EvaluationError(f'{file}: not readable as YAML: {error}') from error
    sections = content if isinstance(content, dict) else {}
    values: dict[str, Any] = {}
    is_addressed = False
    for node, section in sections.items():
        if not _is_tracker(str(node)):
            continue
        is_addressed = True
        parameters = section.get('ros__parameters') if isinstance(section, dict) else None
        if not isinstance(parameters, dict):
            raise EvaluationError(
                f'{file}: {node}: expected a mapping ros__parameters, got {parameters!r}'
            )
        values |= _flat(parameters)
    if not is_addressed:
        raise EvaluationError(
            f'{file}: expected a section /** or {_NODE_NAME} with ros__parameters, as in '
            f'config/tracker.yaml; got {", ".join(map(str, sections)) or "nothing"}'
        )
    return values


def _is_tracker(node: str) -> bool:
    """Return whether a section's name, possibly with wildcards, means the tracker node."""
    return node.rpartition('/')[2] in ('*', '**', _NODE_NAME)


def _flat(parameters: dict[Any, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested parameters under the dotted names that ROS gives them."""
    values: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, dict):
            values |= _flat(value, f'{prefix}{key}.')
        else:
            values[f'{prefix}{key}'] = value
    return values
