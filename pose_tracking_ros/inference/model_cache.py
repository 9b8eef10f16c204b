"""Where converted networks are kept: found again by what they depend on, and checked when read.

An entry is a folder named after its facts (weights, versions). It is written under another name
and renamed when complete, and lists the hash of every file: what a crash, a full disk or a bad
block left behind is noticed and made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

Tell = Callable[[str], None]
_MANIFEST = 'manifest.json'


class CacheError(ValueError):
    """The cache folder cannot be used; says which and what to do."""


def cache_folder(configured: str) -> Path:
    """Return the folder of all entries.

    Args:
        configured: setting `engine_cache`; empty for the user's cache folder (XDG).
    """
    if configured:
        return Path(configured).expanduser()
    # An empty or relative value is to be ignored (XDG base directory specification).
    home = Path(os.environ.get('XDG_CACHE_HOME', ''))
    return (home if home.is_absolute() else Path.home() / '.cache') / 'pose_tracking_ros'


def key_of(facts: dict[str, str]) -> str:
    """Return a short name for facts: the same facts give the same name."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def entry(
    folder: Path, kind: str, facts: dict[str, str], make: Callable[[Path], None], tell: Tell
) -> Path:
    """Return the folder of an entry, made if it is not there or damaged.

    Args:
        folder: of all entries.
        kind: first word of the entry's name.
        facts: what the entry depends on.
        make: writes the entry's files into the folder it is given.
        tell: takes a line about a damaged entry.

    Raises:
        CacheError: the folder cannot be written.
    """
    path = folder / f'{kind}-{key_of(facts)}'
    if path.is_dir():
        fault = _fault_of(path)
        if not fault:
            return path
        tell(f'{path}: {fault}; making it anew')
    partial = folder / f'{path.name}.{os.getpid()}.partial'
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        write_manifest(partial, facts)
        shutil.rmtree(path, ignore_errors=True)
        try:
            partial.rename(path)
        except OSError:
            # Another process was faster; its entry has the same facts.
            if not path.is_dir() or _fault_of(path):
                raise
            shutil.rmtree(partial)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CacheError(
            f'engine_cache: cannot write {path} ({error}); free some space, or name a folder that '
            'can be written'
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return path


def write_manifest(folder: Path, facts: dict[str, str]) -> None:
    """Write down what a folder's files depend on, and their hashes."""
    files = {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.is_file()}
    (folder / _MANIFEST).write_text(json.dumps({'facts': facts, 'files': files}, indent=1) + '\n')


def _fault_of(path: Path) -> str:
    """Return what is wrong with an entry; empty when nothing is."""
    try:
        files = json.loads((path / _MANIFEST).read_text())['files']
        for name, digest in files.items():
            if _digest(path / name) != digest:
                return f'{name} is damaged'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f'unreadable ({error})'
    return ''


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
