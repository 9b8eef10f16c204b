"""The page about the tracker names strategies, tests and pictures that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.tracking.strategies import STRATEGIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'tracking.md').read_text()
NAMED = re.findall(r'`(test_\w+\.py)::((?:Test\w+::)?test_\w+)`', PAGE)


def names_in(path: Path) -> set[str]:
    """Return the names that pytest collects from a file, those of classes with their class."""
    tree = ast.parse(path.read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for one in tree.body:
        if isinstance(one, ast.ClassDef):
            found |= {f'{one.name}::{n.name}' for n in one.body if isinstance(n, ast.FunctionDef)}
    return found


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_every_strategy_has_a_row(strategy: str) -> None:
    assert f'\n| `{strategy}` |' in PAGE


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) >= 6
    for file, name in NAMED:
        assert name in names_in(ROOT / 'test' / 'unit' / file), f'{file}::{name}'


def test_every_picture_is_there() -> None:
    pictures = re.findall(r'!\[[^]]+\]\(([^)]+)\)', PAGE)
    assert len(pictures) >= 4
    for picture in pictures:
        assert (ROOT / 'docs' / picture).is_file(), picture


def test_every_command_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = set(re.findall(r'pose_tracking_ros\.evaluation ([\w-]+)', PAGE))
    assert len(commands) >= 5
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([command, '--help'])
        assert ended.value.code == 0, command
        assert command in capsys.readouterr().out
