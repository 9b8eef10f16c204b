"""Messages made of the bytes that arrive, so that bytes that are no message do not go unnoticed.

A typed subscription leaves out what it cannot read, without a word to anybody: the driver of
another release, whose message has other fields, looks like a camera that is idle. So the inputs
subscribe to bytes and read them here. That costs one more copy: 0.4 ms for a colour image of
1280x720.
"""

from __future__ import annotations

from typing import Any

from rclpy.serialization import deserialize_message

from pose_tracking_ros.ros.health import Health


class MessageReader:
    """Reads the messages of one topic.

    Args:
        message_type: class of the message.
        topic: fully qualified name, for people.
        health: takes the complaint.
        kind: of the complaint.
    """

    def __init__(self, message_type: Any, topic: str, health: Health, kind: str) -> None:
        self._message_type = message_type
        self._topic = topic
        self._health = health
        self._kind = kind

    def read(self, content: bytes) -> Any | None:
        """Return the message, or None, after complaining, when the bytes are none."""
        try:
            message = deserialize_message(content, self._message_type)
        except RuntimeError:
            # What the middleware says of it names its own source files, and no remedy.
            module, name = self._message_type.__module__.split('.')[0], self._message_type.__name__
            self._health.begin(
                self._kind,
                f'{len(content)} bytes on {self._topic} are no {module}/msg/{name}: its publisher '
                'was built with another definition of that message, or sends a recording that is '
                'damaged. Build both for the same ROS release (ros2 topic info -v shows who '
                'publishes), or check the recording (ros2 bag info)',
            )
            return None
        self._health.resolve(self._kind)
        return message
