"""What the node makes of a result to send it, for measuring: no node, no publisher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pose_tracking_ros.msg import TrackedPoseArray
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.ros.conversion import PoseArrayWriter
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.skeleton import Skeleton

_SCALE_M = 0.01


@dataclass(frozen=True)
class MessageMakers:
    """Functions to be timed.

    Attributes:
        poses: the serialised TrackedPoseArray of a result.
        markers: the serialised MarkerArray of a result.
    """

    poses: Callable[[FrameResult], bytes]
    markers: Callable[[FrameResult], bytes]


def message_makers(skeleton: Skeleton) -> MessageMakers:
    """Return what the node does for `tracked_poses` and `~/markers`."""
    header = Header(frame_id='camera')
    pose_writer, marker_writer = PoseArrayWriter(skeleton, 'benchmark'), MarkerWriter(skeleton)

    def poses(result: FrameResult) -> bytes:
        return pose_writer.write(
            result,
            header=header,
            session_id=result.session_id,
            sequence=1,
            frames_dropped=0,
            processing_time_s=0.05,
            with_embeddings=False,
        )

    def markers(result: FrameResult) -> bytes:
        plane = PixelPlane.of_camera(_SCALE_M, result.people.image_size, None)
        return marker_writer.write(result.tracks, header=header, plane=plane)

    return MessageMakers(poses, markers)


def rclpy_serialiser(makers: MessageMakers, result: FrameResult) -> MessageMakers:
    """Return what rclpy does to serialise the same messages, already made as objects.

    Args:
        makers: give the content.
        result: to be sent.
    """
    poses = deserialize_message(makers.poses(result), TrackedPoseArray)
    markers = deserialize_message(makers.markers(result), MarkerArray)
    return MessageMakers(lambda _: serialize_message(poses), lambda _: serialize_message(markers))
