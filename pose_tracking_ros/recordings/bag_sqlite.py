"""Read an SQLite file of a bag row by row, as far as the file goes.

rosbags reads messages through the index by time, which lies all over the file, and SQLite refuses
a file that is shorter than its header says. Neither hinders reading rows by their number, which is
the order in which they were recorded; the three columns needed are those of every version.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from pose_tracking_ros.recordings.bag_parts import BagError, Channel, StoredMessage, time_text

MAGIC: Final = b'SQLite format 3\0'
_FORMATS: Final = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
_NO_DEFINITION: Final = MessageDefinition(MessageDefinitionFormat.NONE, '')
# Bytes per page, and number of pages.
_HEADER: Final = struct.Struct('>16xH10xI')
_MIN_PAGE_BYTES: Final = 512
_SELECT: Final = 'SELECT id, topic_id, timestamp FROM messages NOT INDEXED '
# After so many numbers without a row, none is expected to follow.
_MAX_GAP: Final = 500


class _Row(NamedTuple):
    """A message without its content."""

    number: int
    topic: int
    received_ns: int


class SqliteReader:
    """The readable messages of an SQLite file.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        BagError: the file has no readable table of topics.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._size = path.stat().st_size
        self._notes: list[str] = []
        self._is_damaged = False
        self._unreadable: set[int] = set()
        with ExitStack() as stack:
            self._connection = self._connect(path, stack)
            try:
                topics = self._connection.execute(
                    'SELECT id, name, type FROM topics ORDER BY id'
                ).fetchall()
            except sqlite3.DatabaseError as error:
                raise BagError(
                    f'{name}: expected an SQLite bag with a table of topics, but SQLite says: '
                    f'{error}; is the recording complete?'
                ) from error
            keys = {key for key, _, _ in topics}
            rows = list(self._find_rows())
            # A damaged row may hold anything.
            self._rows = [
                row for row in rows if row.topic in keys and isinstance(row.received_ns, int)
            ]
            # A message goes on in later pages than its row, which may be lost.
            while self._is_damaged and self._rows and self._data(self._rows[-1].number) is None:
                self._rows.pop()
            self._is_damaged |= len(self._rows) < len(rows)
            definitions = self._definitions()
            self._resources = stack.pop_all()
        counts = Counter(row.topic for row in self._rows)
        self._channels = {
            key: Channel(topic, kind, definitions.get(kind, _NO_DEFINITION), counts[key])
            for key, topic, kind in topics
        }

    @property
    def channels(self) -> Sequence[Channel]:
        """What the file holds."""
        return list(self._channels.values())

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the file, one sentence each; complete after reading."""
        if not self._is_damaged and not self._unreadable:
            return self._notes
        readable = [row for row in self._rows if row.number not in self._unreadable]
        last = (
            f'; the last one was recorded at {time_text(readable[-1].received_ns)}'
            if readable
            else ''
        )
        return [
            *self._notes,
            f'{self._name}: cut off or damaged ({self._size} bytes); {len(readable)} messages are '
            f'readable{last}; the others are lost.',
        ]

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """Yield the messages of some topics by the time of recording, then by row."""
        wanted = {key for key, channel in self._channels.items() if channel.topic in topics}
        for number, key, received_ns in sorted(self._rows, key=lambda row: (row[2], row[0])):
            if key not in wanted:
                continue
            data = self._data(number)
            if data is not None:
                yield StoredMessage(self._channels[key], received_ns, data)
            else:
                # The beginning of the row is there, its end is not.
                self._unreadable.add(number)

    def close(self) -> None:
        """Free the file."""
        self._resources.close()

    def _connect(self, path: Path, stack: ExitStack) -> sqlite3.Connection:
        log = path.with_name(f'{path.name}-wal')
        has_log = log.is_file() and log.stat().st_size > 0
        page_bytes, pages = _pages(path)
        self._is_damaged = self._size < page_bytes * pages and not has_log
        ends_within_page = self._is_damaged and self._size % page_bytes > 0
        if has_log or ends_within_page:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix='bag_')))
            original, path = path, folder / path.name
            try:
                shutil.copyfile(original, path)
                if has_log:
                    shutil.copyfile(log, folder / log.name)
            except OSError as error:
                raise BagError(
                    f'{self._name}: expected room for a copy in {folder.parent}, in which the '
                    f'damaged end can be left out: {error.strerror}; set TMPDIR to a larger folder'
                ) from error
        if ends_within_page:
            # SQLite would fill the page with zeros and take them for rows and pixels.
            os.truncate(path, self._size // page_bytes * page_bytes)
        options = '?immutable=1'
        if has_log:
            # What the recorder had not moved into the file yet. SQLite does that when it may
            # write, which it must not in the recording itself.
            options = ''
            self._notes.append(
                f'{self._name}: it was not closed; what its write-ahead log holds has been added.'
            )
        connection = sqlite3.connect(f'{path.resolve().as_uri()}{options}', uri=True)
        stack.callback(connection.close)
        # In this mode SQLite opens a file that is shorter than its header says.
        connection.execute('PRAGMA writable_schema=ON')
        return connection

    def _data(self, number: int) -> bytes | None:
        """Return a message by its number; None if it cannot be read."""
        try:
            found = self._connection.execute(
                'SELECT data FROM messages WHERE id = ?', (number,)
            ).fetchone()
        except sqlite3.DatabaseError:
            return None
        return found[0] if found and isinstance(found[0], bytes) else None

    def _definitions(self) -> dict[str, MessageDefinition]:
        """Return the types that the file describes; older ones describe none."""
        try:
            rows = self._connection.execute(
                'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
            ).fetchall()
        except sqlite3.DatabaseError:
            return {}
        return {
            name: MessageDefinition(_FORMATS[encoding], text)
            for name, encoding, text in rows
            if encoding in _FORMATS
        }

    def _find_rows(self) -> Iterator[_Row]:
        """Yield the rows in order; from damage on, one by one."""
        number = 0
        try:
            for row in self._connection.execute(f'{_SELECT} ORDER BY id'):
                number = row[0]
                yield _Row(*row)
        except sqlite3.DatabaseError:
            self._is_damaged = True
        else:
            return
        missed = 0
        while missed < _MAX_GAP:
            number += 1
            try:
                row = self._connection.execute(f'{_SELECT} WHERE id = ?', (number,)).fetchone()
            except sqlite3.DatabaseError:
                row = None
            missed = 0 if row else missed + 1
            if row:
                yield _Row(*row)


def _pages(path: Path) -> tuple[int, int]:
    """Return the bytes of a page and the number of pages, as the header has them."""
    with path.open('rb') as file:
        header = file.read(_HEADER.size).ljust(_HEADER.size, b'\0')
    page_bytes, pages = _HEADER.unpack(header)
    # 1 stands for 65536, which does not fit.
    return 65536 if page_bytes == 1 else max(page_bytes, _MIN_PAGE_BYTES), pages
