"""Where a checkpoint comes from: configuration, data, code, versions."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from pose_tracking_ros.training.config import TrainingConfig

_TIMEOUT_S = 10.0


def facts_of(config: TrainingConfig, root: Path) -> dict[str, str]:
    """Return what decides about a run's result, as a checkpoint keeps it.

    Args:
        config: of the run.
        root: folder of the data.
    """
    return {
        'config': json.dumps(dataclasses.asdict(config)),
        'data': json.dumps(hashes_of(dataclasses.asdict(config)['data'], root)),
        'code': code_version(),
        'torch': torch.__version__,
    }


def hashes_of(settings: Any, root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that the data settings name, by name.

    Folders of pictures are left out: labels name their pictures, and thousands of files would take
    minutes to read.

    Args:
        settings: nested lists and mappings of the configuration; texts that name files count.
        root: folder to which the names are relative.
    """
    names = sorted({name for name in _texts(settings) if name and (root / name).is_file()})
    return {name: _sha256_of(root / name) for name in names}


def code_version() -> str:
    """Return the commit of the source tree, `+changes` with uncommitted ones; else the version."""
    folder = Path(__file__).parent
    commit = _git(folder, 'rev-parse', 'HEAD')
    if not commit:
        try:
            return importlib.metadata.version('pose_tracking_ros')
        except importlib.metadata.PackageNotFoundError:
            return 'unknown'
    changes = _git(folder, 'status', '--porcelain', '--untracked-files=no', '--', '.')
    return commit + ('+changes' if changes else '')


def _git(folder: Path, *arguments: str) -> str:
    try:
        run = subprocess.run(
            ['git', '-C', str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        # No git, or not inside a repository, as when installed.
        return ''
    return run.stdout.strip()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
