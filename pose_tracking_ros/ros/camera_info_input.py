"""Subscribe to the calibration that belongs to the images, as long as somebody needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.image_checks import intrinsics_problem
from pose_tracking_ros.ros.message_reader import MessageReader


class CameraInfoInput:
    """The subscription to `camera_info`; counts what arrives, so that none is lost silently.

    Args:
        node: owns the subscription.
        health: takes complaints of the kind `camera_info_message`.
        on_info: called with each message that can be read, also with those that no image can use:
            what is wrong with them is told with the image.
    """

    def __init__(self, node: Node, health: Health, on_info: Callable[[Any], None]) -> None:
        self._node = node
        self._health = health
        self._on_info = on_info
        self._subscription: Subscription | None = None
        self._lock = threading.Lock()
        self._counts = {'received': 0, 'refused': 0}

    def follow(self, is_wanted: bool) -> None:
        """Subscribe or unsubscribe; nothing happens if that is so already."""
        if is_wanted and self._subscription is None:
            reader = MessageReader(
                CameraInfo,
                self._node.resolve_topic_name('camera_info'),
                self._health,
                'camera_info_message',
            )
            # Its annotation does not know callbacks that take bytes.
            subscribe: Any = self._node.create_subscription
            self._subscription = subscribe(
                CameraInfo,
                'camera_info',
                lambda content: self._receive(reader, content),
                qos_profile_sensor_data,
                raw=True,
            )
        elif not is_wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._health.resolve('camera_info_message')

    def counts(self) -> dict[str, int]:
        """Return how many were received, and how many of them no image can use.

        Those that are fine in themselves, but of another size than the image, are not among them.
        """
        with self._lock:
            return dict(self._counts)

    def _receive(self, reader: MessageReader, content: bytes) -> None:
        info = reader.read(content)
        is_refused = info is None or bool(intrinsics_problem(info))
        with self._lock:
            self._counts['received'] += 1
            self._counts['refused'] += is_refused
        if info is not None:
            self._on_info(info)
