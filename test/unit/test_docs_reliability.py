"""The page of promises names tests that exist, for each of the ten promises."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'reliability.md').read_text()
PROMISES = dict(
    zip(*[iter(re.split(r'^### (\d+)\. .*$', PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True)
)
TEST = re.compile(r'`(\w+/test_\w+\.py)::(test_\w+)`')


def names_in(path: Path) -> set[str]:
    """Return the names that pytest collects from a file."""
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    }


@pytest.mark.parametrize('number', range(1, 11))
def test_every_promise_has_tests(number: int) -> None:
    rows = [
        line
        for line in PROMISES[str(number)].splitlines()
        if line.startswith('| ') and not line.startswith('| what |')
    ]
    assert rows
    for row in rows:
        assert TEST.search(row), row


@pytest.mark.parametrize('number', range(1, 10))
def test_every_promise_of_behaviour_is_held_over_dds(number: int) -> None:
    assert '`ros/test_' in PROMISES[str(number)]


@pytest.mark.parametrize('file', sorted({file for file, _ in TEST.findall(PAGE)}))
def test_every_test_that_is_named_exists(file: str) -> None:
    named = {name for named_file, name in TEST.findall(PAGE) if named_file == file}
    assert named - names_in(ROOT / 'test' / file) == set()
