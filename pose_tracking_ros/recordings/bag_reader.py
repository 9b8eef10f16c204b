"""Read bags of ROS 2 without ROS: every image there is, and word of what is not there.

A bag may be SQLite or MCAP, compressed per file, chunk or message, split over several files, cut
off, without index or metadata. What can be read is read, in the order in which it was recorded;
what is lost or odd is told in `BagReader.problems`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.image_decoding import ImageError, rgb_from_message
from pose_tracking_ros.recordings.bag_compression import (
    ZSTD_MAGIC,
    DecompressionError,
    decompress_file,
    decompress_message,
)
from pose_tracking_ros.recordings.bag_files import find_files
from pose_tracking_ros.recordings.bag_notes import ImageNotes
from pose_tracking_ros.recordings.bag_parts import BagError, StorageReader, StoredMessage
from pose_tracking_ros.recordings.bag_storage import open_storage
from pose_tracking_ros.recordings.bag_types import BagTypes, MessageDamagedError, header_stamp_ns
from pose_tracking_ros.recordings.message_types import IMAGE_TYPES
from pose_tracking_ros.recordings.pose_messages import nanoseconds

__all__ = ['BagError', 'BagImage', 'BagReader', 'Topic']


@dataclass(frozen=True)
class Topic:
    """What a bag holds under one name.

    Attributes:
        name: of the topic.
        type: of its messages, as in `sensor_msgs/msg/Image`.
        count: messages in the files, as far as is known before they are read.
    """

    name: str
    type: str
    count: int


@dataclass(frozen=True, eq=False)
class BagImage:
    """A readable image of a bag.

    Attributes:
        number: place among the topic's messages, unreadable ones included, from 1.
        stamp_ns: from its header, ns; 0 when the driver did not fill it.
        received_ns: when it was recorded, ns.
        message: `sensor_msgs` Image or CompressedImage.
    """

    number: int
    stamp_ns: int
    received_ns: int
    message: Any
    _rgb: UInt8[np.ndarray, 'height width 3'] = field(repr=False)

    def rgb(self) -> UInt8[np.ndarray, 'height width 3']:
        """Return the image as RGB; do not write to it."""
        return self._rgb


class BagReader:
    """A bag, opened for reading; a context manager.

    Args:
        path: the bag's folder, or one of its files.

    Raises:
        BagError: there is no bag, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = find_files(path)
        # By what it is about, so that reading twice does not tell twice.
        self._problems: dict[object, list[str]] = {'files': list(found.problems)}
        self._storages: list[StorageReader] = []
        self._announced = found.announced
        with ExitStack() as stack:
            for file in found.files:
                try:
                    storage = self._open(file, stack)
                except BagError as error:
                    if len(found.files) == 1:
                        raise
                    self._problems['files'].append(f'{error}; this part is lost.')
                    continue
                stack.callback(storage.close)
                self._storages.append(storage)
            if not self._storages:
                raise BagError(' '.join([f'{path}: no file is readable.', *self.problems]))
            self._resources = stack.pop_all()
        channels = [channel for storage in self._storages for channel in storage.channels]
        self._types = BagTypes(channels)
        self._topics: dict[str, Topic] = {}
        for one in channels:
            count = one.count + (self._topics[one.topic].count if one.topic in self._topics else 0)
            self._topics[one.topic] = Topic(one.topic, one.type_name, count)

    @property
    def topics(self) -> dict[str, Topic]:
        """What the bag holds, by the name of the topic."""
        return dict(self._topics)

    @property
    def image_topics(self) -> list[str]:
        """Names of the topics that hold images."""
        return [topic.name for topic in self._topics.values() if topic.type in IMAGE_TYPES]

    @property
    def problems(self) -> list[str]:
        """What is missing or odd, one sentence each; complete after iterating."""
        of_files = [problem for storage in self._storages for problem in storage.problems]
        return [*of_files, *(text for texts in self._problems.values() for text in texts)]

    def images(self, topic: str) -> Iterator[BagImage]:
        """Yield every readable image of a topic, in the order recorded.

        Raises:
            BagError: the bag lacks the topic, it holds no images, or none of them is readable.
        """
        self.check_image_topic(topic)
        notes = ImageNotes(topic)
        for number, stored in enumerate(self.raw(topic), start=1):
            try:
                message = self._types.message(stored)
                rgb = rgb_from_message(message)
            except (ImageError, MessageDamagedError) as error:
                notes.unreadable(number, error)
                continue
            stamp_ns = nanoseconds(message.header.stamp)
            notes.take(stamp_ns, (rgb.shape[1], rgb.shape[0]))
            yield BagImage(number, stamp_ns, stored.received_ns, message, rgb)
        self._problems['images', topic] = notes.problems()
        if not notes.count:
            raise BagError(
                ' '.join([f'{self.path}: no image of {topic} is readable.', *self.problems])
            )

    def stamps(self, topic: str) -> list[int]:
        """Return the header stamps of a topic's images, readable or not, in the order recorded.

        The stamp of image number n is at n - 1. A message without a stamp, or without a readable
        header, has the time of its recording instead.

        Raises:
            BagError: the bag lacks the topic, or it holds no images.
        """
        self.check_image_topic(topic)
        return [header_stamp_ns(stored) or stored.received_ns for stored in self.raw(topic)]

    def messages(self, topic: str) -> Iterator[tuple[int, Any]]:
        """Yield the time of recording (ns) and each readable message, in the order recorded.

        Raises:
            BagError: the bag lacks the topic, or its type is not known.
        """
        damaged, reason = 0, ''
        for stored in self.raw(topic):
            try:
                message = self._types.message(stored)
            except MessageDamagedError as error:
                damaged, reason = damaged + 1, reason or str(error)
                continue
            yield stored.received_ns, message
        if damaged:
            self._problems['messages', topic] = [
                f'{topic}: {damaged} messages are left out; the first one: {reason}.'
            ]

    def raw(self, topic: str) -> Iterator[StoredMessage]:
        """Yield the messages of a topic as they were sent, serialised, in the order recorded.

        One that is compressed and damaged stays as it is, so that those after it keep their
        numbers.

        Raises:
            BagError: the bag lacks the topic.
        """
        self._check_topic(topic)
        count = 0
        for storage in self._storages:
            for stored in storage.messages((topic,)):
                with suppress(DecompressionError):
                    stored = stored._replace(cdr=decompress_message(stored.cdr))
                yield stored
                count += 1
        announced = self._announced.get(topic, count)
        self._problems['count', topic] = (
            []
            if count >= announced
            else [
                f'{topic}: {announced - count} of {announced} messages that metadata.yaml counts '
                'are lost.'
            ]
        )

    def check_image_topic(self, topic: str) -> None:
        """Check that there are images to read.

        Raises:
            BagError: the bag lacks the topic, or it holds something else, or nothing.
        """
        self._check_topic(topic)
        found = self._topics[topic]
        if found.type not in IMAGE_TYPES:
            raise BagError(
                f'{self.path}: topic {topic}: expected {" or ".join(IMAGE_TYPES)}, got '
                f'{found.type}. {self._present()}'
            )
        if not found.count:
            raise BagError(
                ' '.join([f'{self.path}: topic {topic} holds no image.', *self.problems])
            )

    def close(self) -> None:
        """Free the files. Closing again does nothing."""
        self._resources.close()

    def __enter__(self) -> BagReader:
        """Return the bag."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the files."""
        self.close()

    def _open(self, file: Path, stack: ExitStack) -> StorageReader:
        """Open a file, decompressed first where it is compressed as a whole."""
        try:
            with file.open('rb') as content:
                is_compressed = content.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
        except OSError as error:
            raise BagError(f'{file.name}: cannot be opened: {error.strerror}') from error
        if not is_compressed:
            return open_storage(file, file.name)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix='bag_')))
        plain = folder / file.stem
        if not decompress_file(file, plain):
            self._problems['files'].append(
                f'{file.name}: cut off or damaged; what could be decompressed is used.'
            )
        return open_storage(plain, file.name)

    def _check_topic(self, topic: str) -> None:
        if not self._topics:
            raise BagError(' '.join([f'{self.path}: the bag holds no topic.', *self.problems]))
        if topic not in self._topics:
            raise BagError(
                f'{self.path}: expected topic {topic}, the bag lacks it. {self._present()}'
            )

    def _present(self) -> str:
        lines = [f'{one.name} ({one.type}, {one.count})' for one in self._topics.values()]
        return f'It holds: {", ".join(lines)}'
