"""README.md keeps up with the code: parameters, launch arguments, topics, messages, commands."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()


def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'readme_parameters', ROOT / 'scripts' / 'readme_parameters.py'
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parameter_tables_are_those_of_the_settings() -> None:
    assert tables().updated(README) == README, 'run: python scripts/readme_parameters.py'


def test_missing_markers_are_named() -> None:
    with pytest.raises(ValueError, match='parameters: tracker'):
        tables().updated('no tables here')


def test_every_launch_argument_is_listed() -> None:
    launch = (ROOT / 'launch' / 'tracker.launch.py').read_text()
    arguments = re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", launch)
    assert len(arguments) >= 14
    for argument in arguments:
        assert f'| `{argument}` |' in README, argument


def test_every_message_is_listed() -> None:
    for path in sorted((ROOT / 'msg').glob('*.msg')):
        assert f'[`{path.stem}`](msg/{path.name})' in README, path.stem


@pytest.mark.parametrize(
    'name',
    ['image', 'camera_info', 'tracked_poses', '~/markers', '~/image_annotated',
     '~/skeleton_info', '~/events', '/diagnostics', '~/reset', '~/set_enabled'],
)  # fmt: skip
def test_every_topic_and_service_is_listed(name: str) -> None:
    assert f'| `{name}` |' in README


def test_linked_files_exist() -> None:
    links = re.findall(r'\]\(([^)#:]+)\)', README)
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link
