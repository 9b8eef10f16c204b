"""The long run can tell flat from growing; without running for long."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / 'scripts'


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location('soak', SCRIPTS / 'soak.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, 'soak', module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'rss_mb': 1049.0}, None),
        ({'rss_mb': 900.0, 'threads': 18, 'handles': 25}, None),
        ({'latency_ms': (900.0, 1000.0, 1100.0, 1200.0)}, None),
        ({'rss_mb': 1051.0}, 'memory from 1000 to 1051 MB'),
        ({'threads': 20}, 'threads from 19 to 20'),
        ({'handles': 27}, 'file handles from 26 to 27'),
    ],
)
def test_what_grew_is_named_and_what_is_flat_is_not(soak, changes, words) -> None:
    first = soak.Interval(60.0, 11.0, 3, 4.5, 30, (110.0, 140.0, 170.0, 200.0), 1000.0, 19, 26)
    grown = soak.verdict([first, first, replace(first, **changes)])
    assert grown == ([words] if words else [])
    assert soak.verdict([first]) == []


def test_a_line_holds_memory_threads_handles_and_latencies(soak) -> None:
    line = soak.Interval(
        60.0, 11.0, 3, 4.5, 30, (110.0, 140.0, 170.0, 200.0), 1165.4, 19, 26
    ).line()
    for words in ('1165 MB', '19 threads', '26 handles', '110 (95 % 140, 99 % 170, longest 200)'):
        assert words in line


def test_threads_and_handles_of_another_process_are_counted(soak) -> None:
    code = (
        'import threading; files = [open("/dev/null") for _ in range(40)]; '
        '[threading.Thread(target=input).start() for _ in range(3)]; print("ready", flush=True)'
    )
    with subprocess.Popen(
        [sys.executable, '-S', '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert soak.threads_of(process.pid) == 4
        assert 43 <= soak.handles_of(process.pid) < 50
        process.kill()
