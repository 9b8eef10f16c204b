"""Write messages into a ROS 2 bag, byte for byte, without ROS."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from pose_tracking_ros.recordings.message_types import typestore_with_poses

_BAG_VERSION: Final = 9


class BagWriteError(OSError):
    """A bag cannot be written any further; says where, why, and what to do."""


class BagWriter:
    """A new bag with any number of topics, stored as MCAP; a context manager.

    The same messages give the same bytes: nothing in the bag tells when it was written.

    Args:
        folder: of the new bag.

    Raises:
        rosbags.rosbag2.WriterError: the folder exists already.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = Writer(folder, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections: dict[str, Connection] = {}

    def add(self, topic: str, type_name: str) -> None:
        """Declare a topic; it is listed in the bag even if nothing is written to it.

        Args:
            topic: its name.
            type_name: of its messages, as in `sensor_msgs/msg/Image`; one of those that
                `typestore_with_poses` knows.

        Raises:
            rosbags.rosbag2.WriterError: the topic has been declared with this type.
        """
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=typestore_with_poses()
        )

    def write(self, topic: str, received_ns: int, cdr: bytes | memoryview) -> None:
        """Add a message.

        Args:
            topic: declared before.
            received_ns: when it arrived, ns since 1970.
            cdr: the message as it was sent, serialised.

        Raises:
            KeyError: the topic has not been declared.
            BagWriteError: the disk is full, or does not take it for another reason.
        """
        try:
            self._writer.write(self._connections[topic], received_ns, cdr)
        except OSError as error:
            raise self._failure(error) from error

    def write_message(self, topic: str, received_ns: int, message: Any) -> None:
        """Add a message that is yet to be serialised.

        Args:
            topic: declared before.
            received_ns: when it arrived, ns since 1970.
            message: made with the types of `typestore_with_poses`.

        Raises:
            KeyError: the topic has not been declared.
            BagWriteError: the disk is full, or does not take it for another reason.
        """
        type_name = self._connections[topic].msgtype
        self.write(topic, received_ns, typestore_with_poses().serialize_cdr(message, type_name))

    def __enter__(self) -> BagWriter:
        """Return the bag, ready to be written to."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the bag, also after an error: what was written so far is readable.

        Raises:
            BagWriteError: the disk is full, or does not take the end for another reason.
        """
        try:
            self._writer.close()
        except OSError as close_error:
            # After an error, that one tells the reason; this is what comes of it.
            if error is None:
                raise self._failure(close_error) from close_error

    def _failure(self, error: OSError) -> BagWriteError:
        free_mb = shutil.disk_usage(self._folder).free / 1e6
        return BagWriteError(
            f'bag {self._folder}: cannot be written any further: {error.strerror or error} '
            f'({free_mb:.0f} MB are free there). Free space, or choose a folder on another disk; '
            'whole chunks written so far can still be read'
        )
