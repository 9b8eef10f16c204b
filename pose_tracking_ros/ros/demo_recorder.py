"""Listen to a run of source and tracker, and hand on results together with their images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from jaxtyping import UInt8
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from pose_tracking_ros.image_decoding import rgb_from_message
from pose_tracking_ros.msg import TrackedPoseArray, TrackEvent
from pose_tracking_ros.people import EventKind
from pose_tracking_ros.recordings.pose_messages import frame_from_message, nanoseconds
from pose_tracking_ros.recordings.recording import FrameRecord, Recording

OnResult = Callable[[FrameRecord, 'UInt8[np.ndarray, "height width 3"] | None', bytes, int], None]
"""Takes a result, its RGB image (None if it was not seen), the message as sent, and when, ns."""

# Images wait here for their results; 32 are 3 s at 10 Hz, or 40 MB at 768 x 576 px.
_MAX_WAITING_IMAGES = 32


def _reliable(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


class DemoRecorder:
    """Subscribes to everything that a run publishes; a context of its own, spun by the caller.

    Args:
        recording: takes stamps, results and events.
        on_result: called with each result, in the thread that spins.
    """

    def __init__(self, recording: Recording, on_result: OnResult) -> None:
        self._recording = recording
        self._on_result = on_result
        self._images: OrderedDict[int, tuple[Image, int]] = OrderedDict()
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node('demo_recorder', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        # Its annotation does not know callbacks with message info.
        subscribe: Any = self._node.create_subscription
        subscribe(CameraInfo, 'camera_info', self._note_stamp, _reliable(1000))
        subscribe(TrackedPoseArray, 'tracked_poses', self._take_result, _reliable(100), raw=True)
        subscribe(TrackEvent, 'tracker_node/events', self._note_event, _reliable(1000))
        self._subscribe = subscribe
        self._transitions = self._node.create_client(ChangeState, 'tracker_node/change_state')

    @property
    def knows_programs(self) -> bool:
        """Whether the source and the tracker have been found."""
        has_source = self._node.count_publishers('camera_info') > 0
        return has_source and self._transitions.service_is_ready()

    @property
    def hears_tracker(self) -> bool:
        """Whether somebody publishes results; so it is when the tracker is configured."""
        return self._node.count_publishers('tracked_poses') > 0

    def request(self, transition: str) -> Callable[[], bool | None]:
        """Ask the tracker for a change of its life cycle.

        Args:
            transition: `configure` or `activate`.

        Returns:
            Asks for the outcome: None while it is open, then whether the tracker did it.
        """
        ids = {
            'configure': Transition.TRANSITION_CONFIGURE,
            'activate': Transition.TRANSITION_ACTIVATE,
        }
        future = self._transitions.call_async(
            ChangeState.Request(transition=Transition(id=ids[transition]))
        )
        return lambda: bool(future.result().success) if future.done() else None

    def subscribe_images(self) -> None:
        """Listen to the images, too: what the source waits for."""
        self._subscribe(Image, 'image', self._keep_image, _reliable(_MAX_WAITING_IMAGES))

    def spin(self, timeout_s: float) -> None:
        """Handle what has arrived; wait at most this long for something to arrive."""
        self._executor.spin_once(timeout_s)

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _keep_image(self, message: Image, info: dict[str, int]) -> None:
        self._images[nanoseconds(message.header.stamp)] = (message, info['source_timestamp'])
        while len(self._images) > _MAX_WAITING_IMAGES:
            self._images.popitem(last=False)

    def _note_stamp(self, message: CameraInfo) -> None:
        self._recording.note_source(nanoseconds(message.header.stamp))

    def _note_event(self, message: TrackEvent) -> None:
        self._recording.events[EventKind(message.kind)] += 1

    def _take_result(self, cdr: bytes, info: dict[str, int]) -> None:
        message = deserialize_message(cdr, TrackedPoseArray)
        stamp_ns = nanoseconds(message.header.stamp)
        image, published_ns = self._images.pop(stamp_ns, (None, None))
        # Images before this one were dropped by the node: no result will come for them.
        while self._images and next(iter(self._images)) < stamp_ns:
            self._images.popitem(last=False)
        latency_s = None
        if published_ns is not None:
            latency_s = (info['source_timestamp'] - published_ns) * 1e-9
        frame = frame_from_message(message, latency_s)
        self._recording.add(frame)
        picture = None if image is None else rgb_from_message(image)
        self._on_result(frame, picture, cdr, info['received_timestamp'])
