"""People as `vision_msgs/Detection2DArray`, the usual format of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node

from pose_tracking_ros.people import Track
from pose_tracking_ros.ros.interop.formats import Format, Moment
from pose_tracking_ros.ros.interop.topic_pool import make_publisher
from pose_tracking_ros.ros.qos import OUTPUT

TOPIC = '~/detections'


def detections_message(messages: Any, moment: Moment) -> Any:
    """Return the people whom this image shows; those expected only are no detections.

    Args:
        messages: the module `vision_msgs.msg`.
        moment: what there is to be told.
    """
    # The pose of a hypothesis is in the frame of the message, which is that of the image.
    is_in_frame = moment.space_frame in ('', moment.header.frame_id)
    return messages.Detection2DArray(
        header=moment.header,
        detections=[
            _detection(messages, track, moment.header, is_in_frame)
            for track in moment.people
            if track.is_matched
        ],
    )


def _detection(messages: Any, track: Track, header: Any, is_in_frame: bool) -> Any:
    hypothesis = messages.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = 'person'
    hypothesis.hypothesis.score = float(track.score)
    if is_in_frame and track.in_space is not None and np.isfinite(track.in_space.position_m).all():
        position = hypothesis.pose.pose.position
        position.x, position.y, position.z = map(float, track.in_space.position_m)
    x1, y1, x2, y2 = map(float, track.box)
    box = messages.BoundingBox2D(size_x=x2 - x1, size_y=y2 - y1)
    # A geometry_msgs/Pose2D before version 4; since then a Pose2D of vision_msgs.
    centre = getattr(box.center, 'position', box.center)
    centre.x, centre.y = (x1 + x2) / 2, (y1 + y2) / 2
    return messages.Detection2D(
        header=header, results=[hypothesis], bbox=box, id=str(track.track_id)
    )


class VisionOutlet:
    """Publishes `~/detections`.

    Args:
        node: owns the publisher.
        messages: the module `vision_msgs.msg`.
    """

    def __init__(self, node: Node, messages: Any) -> None:
        self._node = node
        self._messages = messages
        self._publisher = make_publisher(node, messages.Detection2DArray, TOPIC, OUTPUT)

    def publish(self, moment: Moment) -> str:
        """Publish, also when nobody is there; there is nothing that could be wrong."""
        if self._publisher.get_subscription_count():
            self._publisher.publish(detections_message(self._messages, moment))
        return ''

    def close(self) -> None:
        """Remove the publisher."""
        self._node.destroy_publisher(self._publisher)


VISION = Format(
    setting='publish_vision_msgs',
    package='vision_msgs',
    fields={
        'Detection2DArray': ('header', 'detections'),
        'Detection2D': ('header', 'results', 'bbox', 'id'),
        'ObjectHypothesisWithPose': ('hypothesis', 'pose'),
        'ObjectHypothesis': ('class_id', 'score'),
        'BoundingBox2D': ('center', 'size_x', 'size_y'),
    },
    make=VisionOutlet,
)
"""For versions 3 and 4 of vision_msgs."""
