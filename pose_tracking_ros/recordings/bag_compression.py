"""Decompress what bags hold, as far as it goes: a cut off end gives all that came before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC: Final = b'\x28\xb5\x2f\xfd'
_PIECE_BYTES: Final = 1 << 20
_BITE_BYTES: Final = 4096

DecompressionError = zstd.ZstdError
"""What damaged zstd data raise."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes) -> bytes: ...


_DECOMPRESSORS: Final[dict[str, Callable[[], _Decompressor]]] = {
    'zstd': zstd.ZstdDecompressor,
    'lz4': LZ4FrameDecompressor,
}


def decompress_chunk(data: bytes, compression: str) -> bytes:
    """Return the content of an MCAP chunk, up to where it is damaged or ends.

    Args:
        data: compressed, possibly cut off.
        compression: `zstd`, `lz4` or empty for none.

    Raises:
        KeyError: another compression.
    """
    if not compression:
        return data
    pieces: list[bytes] = []
    _decompress([data], _DECOMPRESSORS[compression], pieces.append)
    return b''.join(pieces)


def decompress_message(data: bytes) -> bytes:
    """Return a message, decompressed where it is compressed.

    CDR begins with a zero byte, hence a message that begins as zstd data do is compressed.

    Raises:
        DecompressionError: it is damaged.
    """
    return zstd.decompress(data) if data[: len(ZSTD_MAGIC)] == ZSTD_MAGIC else data


def decompress_file(source: Path, target: Path) -> bool:
    """Decompress a zstd file as far as possible; return whether that was all of it.

    Raises:
        OSError: the target cannot be written, for want of space for instance.
    """
    with source.open('rb') as compressed, target.open('wb') as plain:
        pieces = iter(lambda: compressed.read(_PIECE_BYTES), b'')
        return _decompress(pieces, zstd.ZstdDecompressor, plain.write)


def _decompress(
    data: Iterable[bytes], make: Callable[[], _Decompressor], take: Callable[[bytes], object]
) -> bool:
    """Decompress one or more frames until the data end or are damaged.

    Returns:
        Whether the last frame came to its end.
    """
    decompressor = make()
    for piece in data:
        position = 0
        while position < len(piece):
            if decompressor.eof:
                decompressor = make()
            # Small bites: whatever comes before the damage within one bite is lost.
            bite = piece[position : position + _BITE_BYTES]
            position += len(bite)
            try:
                take(decompressor.decompress(bite))
            except (zstd.ZstdError, RuntimeError):
                # lz4 has no error type of its own.
                return False
            if decompressor.eof:
                position -= len(decompressor.unused_data or b'')
    return decompressor.eof
