"""Open one file of a bag, however it is stored and whatever state it is in."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader

from pose_tracking_ros.recordings.bag_compression import DecompressionError
from pose_tracking_ros.recordings.bag_mcap_scan import MAGIC as MCAP_MAGIC
from pose_tracking_ros.recordings.bag_mcap_scan import McapScan
from pose_tracking_ros.recordings.bag_parts import BagError, Channel, StorageReader, StoredMessage
from pose_tracking_ros.recordings.bag_sqlite import MAGIC as SQLITE_MAGIC
from pose_tracking_ros.recordings.bag_sqlite import SqliteReader

# rosbags checks much, but not all; these are what damaged files raise: its own errors and those of
# its decoders (lz4 has a bare RuntimeError), and those of lengths and offsets that are wrong.
_DAMAGE: Final = (
    ReaderError,
    OSError,
    DecompressionError,
    RuntimeError,
    EOFError,
    struct.error,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    AssertionError,
)


def open_storage(path: Path, name: str) -> StorageReader:
    """Open a file of a bag; its content decides on how it is read.

    Args:
        path: MCAP or SQLite, not compressed as a whole.
        name: of the file, for messages.

    Raises:
        BagError: it cannot be read, or is neither MCAP nor SQLite.
    """
    try:
        with path.open('rb') as file:
            magic = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise BagError(f'{name}: cannot be opened: {error.strerror}') from error
    if magic.startswith(MCAP_MAGIC):
        return _McapStorage(path, name)
    if magic == SQLITE_MAGIC:
        return SqliteReader(path, name)
    raise BagError(
        f'{name}: expected an MCAP or SQLite file of a ROS 2 bag, got one that starts with '
        f'{magic[:8].hex(" ") or "nothing"}; is the recording complete?'
    )


class _McapStorage:
    """An MCAP file, read by rosbags for as long as that works, by a scan from there on.

    Args:
        path: of the file.
        name: of the file, for messages.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._reader = _open_whole(path)
        self._scan = McapScan(path, name) if self._reader is None else None

    @property
    def channels(self) -> Sequence[Channel]:
        if self._scan is not None:
            return self._scan.channels
        assert self._reader is not None
        return [
            Channel(one.topic, one.msgtype, one.msgdef, one.msgcount)
            for one in self._reader.connections
        ]

    @property
    def problems(self) -> Sequence[str]:
        return self._scan.problems if self._scan is not None else []

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        read = 0
        if self._scan is None:
            assert self._reader is not None
            wanted = [one for one in self._reader.connections if one.topic in topics]
            ids = [one.id for one in self._reader.connections]
            channels = dict(zip(ids, self.channels, strict=True))
            try:
                for connection, received_ns, cdr in self._reader.messages(wanted):
                    yield StoredMessage(channels[connection.id], received_ns, cdr)
                    read += 1
                return
            except _DAMAGE:
                self._scan = McapScan(self._path, self._name)
        # Both read in the same order, so what has been read is what comes first.
        yield from islice(self._scan.messages(topics), read, None)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._scan is not None:
            self._scan.close()


def _open_whole(path: Path) -> McapReader | None:
    """Return the file as rosbags reads it; None if it does not, or would pass over messages."""
    reader = McapReader(path)
    try:
        reader.open()
    except _DAMAGE:
        return None
    # rosbags passes over chunks whose messages are not indexed, and reads nothing without any
    # index unless it is sorted by time.
    if reader.chunks and all(chunk.message_index_offsets for chunk in reader.chunks):
        return reader
    reader.close()
    return None
