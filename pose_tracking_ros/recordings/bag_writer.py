"""Write messages into a ROS 2 bag, byte for byte, without ROS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from pose_tracking_ros.recordings.message_types import typestore_with_poses

_BAG_VERSION: Final = 9


class BagWriter:
    """A new bag with any number of topics, stored as MCAP; a context manager.

    The same messages give the same bytes: nothing in the bag tells when it was written.

    Args:
        folder: of the new bag.

    Raises:
        rosbags.rosbag2.WriterError: the folder exists already.
    """

    def __init__(self, folder: Path) -> None:
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
        """
        self._writer.write(self._connections[topic], received_ns, cdr)

    def write_message(self, topic: str, received_ns: int, message: Any) -> None:
        """Add a message that is yet to be serialised.

        Args:
            topic: declared before.
            received_ns: when it arrived, ns since 1970.
            message: made with the types of `typestore_with_poses`.

        Raises:
            KeyError: the topic has not been declared.
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
        """Complete the bag, also after an error: what was written so far is readable."""
        self._writer.close()
