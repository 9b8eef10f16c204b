"""Nothing that comes from outside is run: not as code, not as a shell command, not as a pickle.

It holds for the source; that hostile files indeed do nothing is tested where they are read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ('pose_tracking_ros', 'launch') for path in (ROOT / folder).rglob('*.py')
)
# What a node imports while it runs: neither starts other programs nor talks to other machines.
OF_NODES = ('ros', 'network', 'inference', 'tracking', 'lifting', 'settings', 'recordings')
RUN_TEXT = {'eval', 'exec', 'compile', '__import__'}
RUN_SHELL = {'os.system', 'os.popen', 'subprocess.getoutput', 'subprocess.getstatusoutput'}
UNPICKLE = {
    *('pickle.load', 'pickle.loads', 'pickle.Unpickler', 'marshal.load', 'marshal.loads'),
    *('shelve.open', 'joblib.load', 'dill.load', 'dill.loads', 'cloudpickle.load'),
    *('cloudpickle.loads', 'yaml.load', 'yaml.unsafe_load', 'yaml.full_load'),
}
NETWORK_MODULES = {
    *('urllib', 'http', 'requests', 'socket', 'socketserver', 'ftplib', 'smtplib', 'ssl'),
    *('xmlrpc', 'aiohttp', 'httpx', 'huggingface_hub', 'gdown'),
}
# Fetches weights, when the parameter allow_download says so.
MAY_USE_THE_NETWORK = {'pose_tracking_ros/inference/weights_source.py'}


def name_of(node: ast.expr) -> str:
    """Return a dotted name, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f'{name_of(node.value)}.{node.attr}'
    return ''


def is_constant(call: ast.Call, name: str, value: object) -> bool:
    """Return whether a keyword is given, with this very value."""
    return any(
        k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value
        for k in call.keywords
    )


def imports_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of all modules that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f'{node.module}.{alias.name}') for alias in node.names)


def faults(source: str, path: str) -> list[str]:
    """Return what a file does that it must not."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        where = f'{path}:{node.lineno}: {name}'
        if name in RUN_TEXT | RUN_SHELL | UNPICKLE:
            found.append(where)
        elif name in ('torch.load', 'torch.jit.load', 'torch.hub.load'):
            if name != 'torch.load' or not is_constant(node, 'weights_only', True):
                found.append(f'{where} without weights_only=True')
        elif name.endswith('.load') and any(k.arg == 'allow_pickle' for k in node.keywords):
            if not is_constant(node, 'allow_pickle', False):
                found.append(f'{where} with allow_pickle')
        elif any(k.arg == 'shell' for k in node.keywords) and not is_constant(
            node, 'shell', False
        ):
            found.append(f'{where} with a shell')
        elif name.startswith(('torch.hub.', 'os.exec', 'os.spawn')):
            found.append(where)
    package = path.split('/')[1] if '/' in path else ''
    for line, module in imports_of(tree):
        top = module.split('.')[0]
        if top in NETWORK_MODULES and path not in MAY_USE_THE_NETWORK:
            found.append(f'{path}:{line}: the network, by {module}')
        if top == 'subprocess' and package in OF_NODES:
            found.append(f'{path}:{line}: other programs, by {module}')
        if f'{module}' in RUN_SHELL | UNPICKLE:
            found.append(f'{path}:{line}: {module}')
    return found


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_runs_or_unpickles_what_comes_from_outside(path: Path) -> None:
    assert faults(path.read_text(), path.relative_to(ROOT).as_posix()) == []


@pytest.mark.parametrize(
    'line',
    [
        'eval(text)',
        'exec(text)',
        'import os; os.system(command)',
        'import subprocess; subprocess.run(command, shell=True)',
        'import subprocess; subprocess.run(command, shell=wished)',
        'import subprocess',
        'import pickle; pickle.loads(content)',
        'from pickle import loads',
        'import yaml; yaml.load(text, Loader=yaml.Loader)',
        'torch.load(path)',
        'torch.load(path, weights_only=False)',
        'torch.hub.load(repository, name)',
        'np.load(path, allow_pickle=True)',
        'import urllib.request',
        'from http.client import HTTPSConnection',
        'import socket',
    ],
)
def test_each_of_these_is_found(line: str) -> None:
    assert faults(line, 'pose_tracking_ros/ros/x.py')


@pytest.mark.parametrize(
    'line',
    [
        'network.eval()',
        'torch.load(path, weights_only=True)',
        'np.load(path)',
        'yaml.safe_load(text)',
        'import pickle\ntry: pass\nexcept pickle.UnpicklingError: pass',
    ],
)
def test_none_of_these_is_found(line: str) -> None:
    assert not faults(line, 'pose_tracking_ros/ros/x.py')


def test_the_exception_for_the_network_exists_and_asks_for_leave() -> None:
    for path in MAY_USE_THE_NETWORK:
        assert 'allow_download' in (ROOT / path).read_text()
