"""Real video for everyone: the street clip of the distribution's `opencv-doc` package.

The package is downloaded, not installed: one file is taken out of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

CLIP_NAME = 'vtest.avi'
PACKAGE = 'opencv-doc'
INSTALLED_CLIP = Path('/usr/share/doc/opencv-doc/examples/data') / CLIP_NAME
_TIMEOUT_S = 300


class ClipUnavailableError(Exception):
    """The street clip cannot be had here; says why, and what to do."""


def street_clip(cache: Path, tell: Callable[[str], None]) -> Path:
    """Return the street clip (768 x 576 px, 10 Hz, 79.5 s, pedestrians), fetching it if needed.

    Args:
        cache: folder in which it is kept; created if missing.
        tell: takes one line about what is going on.

    Raises:
        ClipUnavailableError: this is not a Debian or Ubuntu, or there is no network.
    """
    kept = cache / CLIP_NAME
    for clip in (kept, INSTALLED_CLIP):
        if clip.is_file():
            return clip
    missing = [tool for tool in ('apt-get', 'dpkg-deb') if not shutil.which(tool)]
    if missing:
        raise ClipUnavailableError(
            f'{", ".join(missing)} not found: the clip comes with a package of Debian and Ubuntu'
        )
    cache.mkdir(parents=True, exist_ok=True)
    tell(f'Getting the street clip out of the package {PACKAGE} (96 MB, nothing is installed)')
    package = _download(cache, tell)
    try:
        extract_clip(package, kept)
    finally:
        package.unlink()
    return kept


def extract_clip(package: Path, target: Path) -> None:
    """Take the clip out of a Debian package; it appears whole or not at all.

    Raises:
        ClipUnavailableError: the package does not hold it, or cannot be read.
    """
    partial = target.with_suffix('.part')
    command = ['dpkg-deb', '--fsys-tarfile', str(package)]
    found = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode='r|') as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None and member.name.endswith('/' + CLIP_NAME):
                        with partial.open('wb') as file:
                            shutil.copyfileobj(content, file)
                        found = True
        except tarfile.TarError as error:
            process.kill()
            raise ClipUnavailableError(
                f'{package.name} cannot be unpacked: {error}; '
                f'{process.stderr.read().decode(errors="replace").strip()}'
            ) from error
    if not found:
        raise ClipUnavailableError(f'{package.name} does not contain {CLIP_NAME}')
    os.replace(partial, target)


def _download(cache: Path, tell: Callable[[str], None]) -> Path:
    """Download the package with the system's lists, else with lists of our own."""
    folder = cache / 'download'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    problem = _apt_get(folder, [], 'download', PACKAGE)
    if problem:
        # A fresh container has no lists, and filling the system's takes root. These do not.
        tell('The package lists of this system are missing or old: fetching a private copy')
        lists = cache / 'apt'
        (lists / 'lists' / 'partial').mkdir(parents=True, exist_ok=True)
        (lists / 'cache' / 'archives' / 'partial').mkdir(parents=True, exist_ok=True)
        private = [
            '-o',
            f'Dir::State::Lists={lists.resolve() / "lists"}',
            '-o',
            f'Dir::Cache={lists.resolve() / "cache"}',
        ]
        problem = _apt_get(folder, private, 'update') or _apt_get(
            folder, private, 'download', PACKAGE
        )
        shutil.rmtree(lists, ignore_errors=True)
    packages = list(folder.glob(f'{PACKAGE}_*.deb'))
    if problem or not packages:
        raise ClipUnavailableError(
            f'apt-get download {PACKAGE} failed: {problem or "no package came"}. '
            'If the package lists are missing: sudo apt-get update'
        )
    package = cache / packages[0].name
    os.replace(packages[0], package)
    folder.rmdir()
    return package


def _apt_get(folder: Path, options: list[str], *arguments: str) -> str:
    """Run apt-get in a folder; return its last error, empty when all went well."""
    try:
        result = subprocess.run(
            ['apt-get', '-q', *options, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f'no answer within {_TIMEOUT_S} s'
    if result.returncode == 0:
        return ''
    errors = [line for line in result.stderr.splitlines() if line.startswith('E:')]
    return (errors or [f'exit status {result.returncode}'])[-1]
