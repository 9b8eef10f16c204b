"""Records what the tracker publishes into a bag, byte for byte, with or without rosbag2.

The times in the bag are those of the node's clock: with `use_sim_time` those of the bag that is
being played, so that poses and images lie beside each other.
"""

from __future__ import annotations

if __name__ == '__main__':
    # Before anything slow is imported, so that a signal in the meantime ends it with 0.
    from pose_tracking_ros.ros.program_start import end_at_once_on_signals

    end_at_once_on_signals()

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import WriterError
from visualization_msgs.msg import MarkerArray

from pose_tracking_ros.msg import TrackedPoseArray
from pose_tracking_ros.recordings.bag_writer import BagWriteError, BagWriter
from pose_tracking_ros.recordings.message_types import MARKERS_TYPE, POSES_TYPE
from pose_tracking_ros.ros.parameters import ParameterStore
from pose_tracking_ros.ros.program import leave, run
from pose_tracking_ros.settings import PoseRecorderSettings

# Writing a chunk to a slow disk takes a while, in which nothing may be lost.
_QUEUE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)


class PoseRecorder(Node):
    """Subscribes to `tracked_poses`, and to `tracker_node/markers` if asked to.

    Args:
        options: passed on to the node (`context`, `parameter_overrides`, `namespace`, ...).

    Raises:
        ParameterError: a parameter given at start is not usable.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('pose_recorder', **options)
        self._settings = ParameterStore(self, (PoseRecorderSettings,)).get(PoseRecorderSettings)
        self._bag: BagWriter | None = None
        self._recorded = 0

    @property
    def node(self) -> Node:
        """The node itself, as `program.run` wants it."""
        return self

    @property
    def recorded(self) -> int:
        """Number of pose messages in the bag."""
        return self._recorded

    def start(self) -> bool:
        """Begin the bag and subscribe; return False, after saying why, if that is not possible."""
        folder = Path(self._settings.output).expanduser()
        try:
            self._bag = BagWriter(folder).__enter__()
        except (WriterError, OSError) as error:
            self.get_logger().error(
                f'output: expected a folder that can be made anew, got {folder}: {error}'
            )
            return False
        self._subscribe(TrackedPoseArray, POSES_TYPE, 'tracked_poses')
        if self._settings.with_markers:
            self._subscribe(MarkerArray, MARKERS_TYPE, 'tracker_node/markers')
        topic = self.resolve_topic_name('tracked_poses')
        self.get_logger().info(f'recording {topic} into {folder.resolve()}')
        return True

    def stop(self, timeout_s: float) -> bool:
        """Complete the bag; stopping again does nothing."""
        bag, self._bag = self._bag, None
        if bag is not None:
            try:
                bag.__exit__(None, None, None)
            except BagWriteError as error:
                self.get_logger().fatal(str(error))
            self.get_logger().info(f'recorded {self._recorded} messages of poses')
        return True

    def _subscribe(self, message_type: Any, type_name: str, name: str) -> None:
        topic = self.resolve_topic_name(name)
        assert self._bag is not None
        self._bag.add(topic, type_name)

        def record(cdr: bytes, info: dict[str, int]) -> None:
            if self._bag is None:
                return
            # Simulated time is 0 until somebody publishes it.
            when_ns = self.get_clock().now().nanoseconds or info['received_timestamp']
            try:
                self._bag.write(topic, when_ns, cdr)
            except BagWriteError as error:
                # Going on would leave a recording with holes that nobody knows of.
                self.get_logger().fatal(str(error))
                raise SystemExit(1) from error
            self._recorded += type_name == POSES_TYPE

        # Its annotation does not know callbacks with message info.
        subscribe: Any = self.create_subscription
        subscribe(message_type, name, record, _QUEUE, raw=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the node as a program and end the process."""
    leave(run(PoseRecorder, arguments))


if __name__ == '__main__':
    main()
