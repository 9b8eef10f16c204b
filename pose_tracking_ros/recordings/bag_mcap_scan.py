"""Read an MCAP file record by record, from its beginning up to where it is damaged.

rosbags reads files that were closed properly: it needs the end of the file and its index. What a
recorder leaves that was killed, or a copy that broke off, has neither. Everything needed to read
the messages stands before them, though, so the file is walked through once. The last chunk may be
cut off itself; its messages are taken up to the cut, which the `mcap` package's reader cannot.

Format: https://mcap.dev/spec
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from pose_tracking_ros.recordings.bag_compression import decompress_chunk
from pose_tracking_ros.recordings.bag_parts import BagError, Channel, StoredMessage, time_text

MAGIC: Final = b'\x89MCAP0\r\n'
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _CHUNK_INDEX = 0x02, 0x03, 0x04, 0x05, 0x06, 0x08
_LAST_OPCODE: Final = 0x0F
_RECORD_HEADER = struct.Struct('<BQ')
_MESSAGE_HEADER = struct.Struct('<HIQQ')
_CHUNK_HEADER = struct.Struct('<QQQI')
_FORMATS: Final = {
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
    'omgidl': MessageDefinitionFormat.IDL,
}
# Messages are read by the time of recording, which may alternate between neighbouring chunks.
_KEPT_CHUNKS: Final = 4


class _Record(NamedTuple):
    """A record whose header is readable.

    Attributes:
        opcode: its kind.
        start: of the content, counted from the start of the file or chunk.
        length: of the content, as the header states it.
        there: bytes of the content that are there.
    """

    opcode: int
    start: int
    length: int
    there: int

    @property
    def is_whole(self) -> bool:
        return self.there == self.length


class _Chunk(NamedTuple):
    """Where a chunk's compressed content lies in the file."""

    start: int
    length: int
    compression: str


class _Entry(NamedTuple):
    """Where a message lies; in this order messages are read."""

    received_ns: int
    number: int
    channel_id: int
    chunk: _Chunk | None
    start: int
    length: int


class McapScan:
    """The messages of an MCAP file, found by walking through it.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        BagError: it is no MCAP file.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._size = path.stat().st_size
        self._file = path.open('rb')
        self._entries: list[_Entry] = []
        self._schemas: dict[int, tuple[str, MessageDefinition]] = {}
        self._raw_channels: dict[int, tuple[int, str]] = {}
        self._damaged_chunks = 0
        self._foreign_chunks: Counter[str] = Counter()
        self._has_footer = self._has_index = False
        self._content = lru_cache(_KEPT_CHUNKS)(self._read_chunk)
        magic = self._file.read(len(MAGIC))
        if magic != MAGIC:
            self._file.close()
            raise BagError(
                f'{name}: expected an MCAP file, got one that starts with '
                f'{magic.hex(" ") or "nothing"}; is the recording complete?'
            )
        end = self._walk()
        self._channels = self._resolve_channels()
        orphans = len(self._entries)
        self._entries = sorted(e for e in self._entries if e.channel_id in self._channels)
        orphans -= len(self._entries)
        self._problems = self._tell_problems(end, orphans)

    @property
    def channels(self) -> Sequence[Channel]:
        """What the file holds."""
        return list(self._channels.values())

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the file, one sentence each."""
        return self._problems

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """Yield the messages of some topics by the time of recording, then place in the file."""
        for entry in self._entries:
            channel = self._channels[entry.channel_id]
            if channel.topic not in topics:
                continue
            if entry.chunk is None:
                self._file.seek(entry.start)
                cdr = self._file.read(entry.length)
            else:
                content = self._content(entry.chunk)
                cdr = content[entry.start : entry.start + entry.length]
            yield StoredMessage(channel, entry.received_ns, cdr)

    def close(self) -> None:
        """Free the file."""
        self._content.cache_clear()
        self._file.close()

    def _walk(self) -> int:
        """Take note of every record; return where the readable part ends."""
        position = len(MAGIC)
        for record in _records(self._file, position, self._size):
            if record.opcode == _CHUNK:
                self._take_chunk(record)
            elif not record.is_whole:
                return position
            elif record.opcode == _MESSAGE:
                self._file.seek(record.start)
                self._take_message(self._file.read(_MESSAGE_HEADER.size), record, None)
            elif record.opcode in (_SCHEMA, _CHANNEL, _FOOTER):
                self._file.seek(record.start)
                self._take(record.opcode, self._file.read(record.length))
            elif record.opcode == _CHUNK_INDEX:
                self._has_index = True
            if not record.is_whole:
                return position
            position = record.start + record.length
            if record.opcode == _FOOTER:
                return position
        return position

    def _take(self, opcode: int, content: bytes) -> None:
        if opcode == _FOOTER:
            self._has_footer = True
            return
        fields = _Fields(content)
        try:
            number = fields.number('<H')
            if opcode == _SCHEMA:
                type_name, encoding, text = fields.text(), fields.text(), fields.text()
                kind = _FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                self._schemas[number] = (type_name, MessageDefinition(kind, text))
            else:
                self._raw_channels[number] = (fields.number('<H'), fields.text())
        except (struct.error, UnicodeDecodeError):
            # Its messages are counted as lost, unless the summary at the end repeats it.
            return

    def _take_message(self, header: bytes, record: _Record, chunk: _Chunk | None) -> None:
        if record.length < _MESSAGE_HEADER.size:
            return
        channel_id, _, received_ns, _ = _MESSAGE_HEADER.unpack(header)
        start = record.start + _MESSAGE_HEADER.size
        length = record.length - _MESSAGE_HEADER.size
        self._entries.append(
            _Entry(received_ns, len(self._entries), channel_id, chunk, start, length)
        )

    def _take_chunk(self, record: _Record) -> None:
        self._file.seek(record.start)
        header = self._file.read(min(record.there, _CHUNK_HEADER.size + 64))
        try:
            *_, size, checksum = _CHUNK_HEADER.unpack_from(header)
            fields = _Fields(header[_CHUNK_HEADER.size :])
            compression, length = fields.text(), fields.number('<Q')
        except (struct.error, UnicodeDecodeError):
            return
        if compression not in ('', 'zstd', 'lz4'):
            self._foreign_chunks[compression] += 1
            return
        start = record.start + _CHUNK_HEADER.size + fields.position
        chunk = _Chunk(start, min(length, record.start + record.there - start), compression)
        content = self._content(chunk)
        if record.is_whole and (len(content) != size or (checksum and crc32(content) != checksum)):
            self._damaged_chunks += 1
        for inner in _records(content, 0, len(content)):
            if not inner.is_whole:
                break
            part = content[inner.start : inner.start + inner.length]
            if inner.opcode == _MESSAGE:
                self._take_message(part[: _MESSAGE_HEADER.size], inner, chunk)
            elif inner.opcode in (_SCHEMA, _CHANNEL):
                self._take(inner.opcode, part)

    def _read_chunk(self, chunk: _Chunk) -> bytes:
        self._file.seek(chunk.start)
        return decompress_chunk(self._file.read(chunk.length), chunk.compression)

    def _resolve_channels(self) -> dict[int, Channel]:
        counts = Counter(entry.channel_id for entry in self._entries)
        return {
            number: Channel(topic, *self._schemas[schema], counts[number])
            for number, (schema, topic) in self._raw_channels.items()
            if schema in self._schemas
        }

    def _tell_problems(self, end: int, orphans: int) -> list[str]:
        problems = []
        count = len(self._entries)
        read = f'{count} messages are readable'
        if count:
            read += f'; the last one was recorded at {time_text(self._entries[-1].received_ns)}'
        if not self._has_footer and end < self._size:
            problems.append(
                f'{self._name}: cut off or damaged ({self._size} bytes); {read}; what follows is '
                'lost.'
            )
        elif not self._has_footer:
            problems.append(
                f'{self._name}: it was not closed and has no index; it was read from its '
                f'beginning instead; {read}.'
            )
        elif not self._has_index and any(entry.chunk for entry in self._entries):
            problems.append(
                f'{self._name}: it has no index; it was read from its beginning instead.'
            )
        if self._damaged_chunks:
            problems.append(
                f'{self._name}: {self._damaged_chunks} chunks do not match their checksum or '
                'size; messages of theirs are damaged or lost.'
            )
        for compression, count in self._foreign_chunks.items():
            problems.append(
                f'{self._name}: {count} chunks are lost: expected compression by zstd or lz4, '
                f'got {compression!r}.'
            )
        if orphans:
            problems.append(
                f'{self._name}: {orphans} messages are lost, as the description of their topics '
                'is missing.'
            )
        return problems


class _Fields:
    """The fields of a record, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._content, self.position)
        self.position += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        length = self.number('<I')
        start, self.position = self.position, self.position + length
        if self.position > len(self._content):
            raise struct.error('text beyond the end of its record')
        return self._content[start : self.position].decode()


def _records(source: BinaryIO | bytes, position: int, size: int) -> Iterator[_Record]:
    """Yield records until the end, or what cannot be one; the last may not be whole."""
    while position + _RECORD_HEADER.size <= size:
        if isinstance(source, bytes):
            header = source[position : position + _RECORD_HEADER.size]
        else:
            source.seek(position)
            header = source.read(_RECORD_HEADER.size)
        opcode, length = _RECORD_HEADER.unpack(header)
        # Where a disk has lost its last pages, zeros are read.
        if opcode == 0 or _LAST_OPCODE < opcode < 0x80:
            return
        start = position + _RECORD_HEADER.size
        yield _Record(opcode, start, length, min(length, size - start))
        position = start + length
