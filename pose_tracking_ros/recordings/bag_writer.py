"""Write what was published into a ROS 2 bag, byte for byte, without ROS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

from rosbags.rosbag2 import StoragePlugin, Writer

from pose_tracking_ros.recordings.message_types import POSES_TYPE, typestore_with_poses

_BAG_VERSION: Final = 9


class PoseBag:
    """A bag with one topic of tracked poses; a context manager.

    Args:
        folder: of the new bag.
        topic: name under which the poses are stored.

    Raises:
        rosbags.rosbag2.WriterError: the folder exists already.
    """

    def __init__(self, folder: Path, topic: str = '/tracked_poses') -> None:
        self._writer = Writer(folder, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connection = self._writer.add_connection(
            topic, POSES_TYPE, typestore=typestore_with_poses()
        )

    def write(self, received_ns: int, cdr: bytes) -> None:
        """Add a message.

        Args:
            received_ns: when it arrived, ns since 1970.
            cdr: the message as it was sent, serialised.
        """
        self._writer.write(self._connection, received_ns, cdr)

    def __enter__(self) -> PoseBag:
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
