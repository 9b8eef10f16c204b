"""The messages that the tracker node would publish, serialised, for a bag written without DDS."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.ros.conversion import PoseArrayWriter
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.skeleton import Skeleton


class BagMessages:
    """Makes the messages of each image by the code that the node publishes with.

    Args:
        skeleton: of the keypoints.
        model_id: as the engine states it.
        marker_scale_m: width of a pixel in the markers, m.
        camera_info: `sensor_msgs/CameraInfo` from rclpy or a bag; None when there is none.
        with_embeddings: whether appearance vectors are written.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        model_id: str,
        *,
        marker_scale_m: float,
        camera_info: Any | None,
        with_embeddings: bool,
    ) -> None:
        self._poses = PoseArrayWriter(skeleton, model_id)
        self._markers = MarkerWriter(skeleton)
        self._marker_scale_m = marker_scale_m
        self._camera_info = camera_info
        self._with_embeddings = with_embeddings

    def poses(
        self,
        result: FrameResult,
        *,
        header: Any,
        sequence: int,
        frames_dropped: int,
        processing_time_s: float,
    ) -> bytes:
        """Return a `TrackedPoseArray`, also when nobody is there.

        Args:
            result: what the pipeline found.
            header: of the image, from rclpy or a bag.
            sequence: number of the message, from 1 up.
            frames_dropped: images that were not processed, up to now.
            processing_time_s: from taking the image to the result, s.
        """
        return self._poses.write(
            result,
            header=ros_header(header),
            session_id=result.session_id,
            sequence=sequence,
            frames_dropped=frames_dropped,
            processing_time_s=processing_time_s,
            with_embeddings=self._with_embeddings,
        )

    def markers(self, result: FrameResult, *, header: Any) -> bytes:
        """Return a `MarkerArray`: the tracks, and the deletion of those gone since the last call.

        Args:
            result: what the pipeline found.
            header: of the image, from rclpy or a bag.
        """
        plane = PixelPlane.of_camera(
            self._marker_scale_m, result.people.image_size, self._camera_info
        )
        return self._markers.write(result.tracks, header=ros_header(header), plane=plane)


def ros_header(header: Any) -> Header:
    """Return a header, which may come from a bag reader, as a message of rclpy."""
    stamp = Time(sec=int(header.stamp.sec), nanosec=int(header.stamp.nanosec))
    return Header(stamp=stamp, frame_id=header.frame_id)
