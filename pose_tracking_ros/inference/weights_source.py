"""Where a checkpoint comes from: shipped, a file, or an address that the user allows."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

from pose_tracking_ros.inference.model_cache import Tell, cache_folder
from pose_tracking_ros.network.weights import WeightsError, model_folders, shipped_weights
from pose_tracking_ros.settings import NetworkSettings

_ADDRESS = re.compile(r'(?P<scheme>[a-z][a-z0-9+.-]*)://[^#]*(?P<hash>#.*)?', re.IGNORECASE)
_HASH = re.compile(r'#sha256=([0-9a-f]{64})', re.IGNORECASE)
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20
# Ten times the largest preset: an endless answer must not fill the disk.
_MOST_BYTES = 4 << 30


def weights_path(
    settings: NetworkSettings,
    tell: Tell,
    opener: urllib.request.OpenerDirector | None = None,
) -> Path:
    """Return the file of the checkpoint that the settings name.

    `weights` is `default` (the shipped one of the preset), the name of a shipped one, a file, or
    `https://...#sha256=<64 hexadecimal digits>`. An address is only fetched with
    `allow_download`, once: the file is kept in the cache under its hash, which is checked each
    time.

    Args:
        settings: `preset`, `weights`, `allow_download` and `engine_cache` count.
        tell: takes lines about a download.
        opener: opens addresses; one that follows redirections to https alone if not given.

    Raises:
        WeightsError: nothing of that name, an address that is not allowed or not usable, a failed
            download, or other contents than the hash says.
    """
    name = settings.weights
    if name == 'default':
        return shipped_weights(settings.preset)
    address = _ADDRESS.fullmatch(name)
    if address:
        return _fetched(settings, address, tell, opener or _https_opener())
    path = Path(name).expanduser()
    if path.suffix or path.is_file() or len(path.parts) > 1:
        return path
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    raise WeightsError(
        f'weights: expected default, a shipped one ({", ".join(sorted(shipped)) or "none"}), a '
        f'.safetensors file, or https://...#sha256=...; got {name!r}'
    )


def _shipped() -> dict[str, Path]:
    # The first folder wins, as in `shipped_weights`.
    found = [path for folder in model_folders() for path in folder.glob('*.safetensors')]
    return {path.stem: path for path in reversed(found)}


def _fetched(
    settings: NetworkSettings,
    address: re.Match[str],
    tell: Tell,
    opener: urllib.request.OpenerDirector,
) -> Path:
    name = settings.weights
    if address['scheme'].lower() != 'https':
        raise WeightsError(f'weights: expected an https address, got {name!r}')
    digest = _HASH.fullmatch(address['hash'] or '')
    if not digest:
        raise WeightsError(
            f'weights: {name}: expected the hash of the file at the end of the address, as in '
            'https://example.org/lite.safetensors#sha256=<64 hexadecimal digits>'
        )
    sha256 = digest[1].lower()
    path = cache_folder(settings.engine_cache) / 'weights' / f'{sha256}.safetensors'
    if path.is_file():
        if _sha256_of(path) == sha256:
            return path
        tell(f'{path} is damaged; fetching it again')
    if not settings.allow_download:
        raise WeightsError(
            f'weights: {name} is an address, and nothing is fetched unless allow_download is '
            'true; set it, or fetch the file by hand and name that'
        )
    url = name[: address.start('hash')]
    tell(f'fetching {url}')
    try:
        _download(url, path, sha256, opener)
    except (OSError, HTTPException, urllib.error.URLError) as error:
        raise WeightsError(f'weights: {url} cannot be fetched: {error}') from error
    tell(f'fetched {path.stat().st_size / 1e6:.1f} MB into {path}')
    return path


def _download(url: str, path: Path, sha256: str, opener: urllib.request.OpenerDirector) -> None:
    """Write what is at an address into a file, whole and as the hash says, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f'.{os.getpid()}.partial')
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer, partial.open('wb') as file:
            digest, size = hashlib.sha256(), 0
            while chunk := answer.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise WeightsError(
                        f'weights: {url}: expected at most {_MOST_BYTES >> 20} MiB; this is no '
                        'checkpoint of this project'
                    )
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise WeightsError(
                f'weights: {url}: expected contents with SHA-256 {sha256}, got '
                f'{digest.hexdigest()} ({size} bytes); the file was changed or cut off, or the '
                'hash in the address is that of another'
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections that stay encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request."""
        if not newurl.lower().startswith('https://'):
            raise urllib.error.URLError(f'redirected to {newurl}, which is not https')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _https_opener() -> urllib.request.OpenerDirector:
    # Not build_opener: it also opens files and ftp.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _HttpsOnly(),
    ):
        opener.add_handler(handler)
    return opener
