"""Every kind of problem that the node reports is explained in docs/troubleshooting.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = '\n'.join(path.read_text() for path in (ROOT / 'pose_tracking_ros' / 'ros').glob('*.py'))
GUIDE = (ROOT / 'docs' / 'troubleshooting.md').read_text()
# In the code: report('image', ...), begin('load', ...), f'{self._prefix}qos'.
KINDS = sorted(
    ''.join(pair)
    for pair in set(
        re.findall(r"(?:report|begin|_tell)\(\s*'(\w+)'|\{self\._prefix\}(\w+)'", SOURCES)
    )
)


def test_kinds_are_found() -> None:
    assert {'qos', 'silence', 'image', 'load', 'clock', 'memory', 'camera_info'} <= set(KINDS)


@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_of_problem_is_explained(kind: str) -> None:
    assert f'(`{kind}`)' in GUIDE


@pytest.mark.parametrize('name', ['troubleshooting.md', 'tutorials.md', 'soak.md'])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / 'docs' / name).read_text()
    for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', text):
        assert (ROOT / 'docs' / link).exists(), link
    assert f'(docs/{name})' in (ROOT / 'README.md').read_text()


def test_launch_files_and_parameters_of_the_tutorials_exist() -> None:
    from pose_tracking_ros.ros.parameter_file import NODES

    text = (ROOT / 'docs' / 'tutorials.md').read_text() + GUIDE
    files = re.findall(r'(\w+\.launch\.py)', text)
    assert len(files) > 5
    for name in set(files) - {'rs_launch.py'}:
        assert (ROOT / 'launch' / name).is_file(), name
    known = {
        field
        for settings_class in NODES['tracker'].values()
        for field in settings_class.__dataclass_fields__
    }
    named = set(re.findall(r'/tracker_node (\w+_\w+)|--set (\w+)=', text))
    assert len(named) > 4
    for pair in named:
        assert ''.join(pair) in known, pair
