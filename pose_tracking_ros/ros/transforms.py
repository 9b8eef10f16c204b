"""Where the camera stands in another frame, from tf2 when it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from pose_tracking_ros.lifting.rigid_transform import RigidTransform

FindTransform = Callable[[str, Any, float], RigidTransform]
"""Returns the transform from an image's frame to another, by that frame's name, the image's
`std_msgs/Header`, and how long to wait (s). Raises `TransformError`."""


class TransformError(RuntimeError):
    """A transform is not known. The text says which, why, and what to do."""


class TransformFinder:
    """Looks transforms up in tf2.

    Nothing is subscribed to before `listen`, which must be called in the thread of the executor.

    Args:
        node: that listens.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tf2: Any = None
        self._buffer: Any = None
        self._listener: Any = None
        self._problem = 'it is not looked for yet'

    def listen(self) -> None:
        """Subscribe to the transforms; done once, further calls do nothing."""
        if self._buffer is not None:
            return
        try:
            # Not on PyPI, and only needed by those who want another frame.
            self._tf2 = importlib.import_module('tf2_ros')
        except ImportError as error:
            self._problem = (
                f'tf2_ros cannot be imported ({error}). Install it (apt-get install '
                'ros-$ROS_DISTRO-tf2-ros-py), or leave target_frame empty'
            )
            return
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, self._node)

    def find(self, target_frame: str, header: Any, timeout_s: float) -> RigidTransform:
        """Return the transform to a frame, at the image's stamp.

        Args:
            target_frame: where poses are wanted.
            header: of the image.
            timeout_s: how long to wait for it, s.

        Raises:
            TransformError: it is not known.
        """
        start = f'no transform from {header.frame_id!r} to target_frame {target_frame!r}: '
        if self._buffer is None:
            raise TransformError(start + self._problem)
        try:
            found = self._buffer.lookup_transform(
                target_frame,
                header.frame_id,
                Time.from_msg(header.stamp),
                timeout=Duration(seconds=timeout_s),
            )
        except self._tf2.TransformException as error:
            raise TransformError(
                f'{start}{error}. Publish it (robot_state_publisher, static_transform_publisher), '
                'correct target_frame, or raise transform_wait_s'
            ) from error
        turn, shift = found.transform.rotation, found.transform.translation
        try:
            return RigidTransform.from_quaternion(
                (turn.x, turn.y, turn.z, turn.w), (shift.x, shift.y, shift.z)
            )
        except ValueError as error:
            raise TransformError(f'{start}{error}. Correct its publisher') from error
