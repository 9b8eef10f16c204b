"""Published tracks in the vocabulary of this package.

Messages come from rclpy or from a bag reader: both name the fields alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.recordings.recording import FrameRecord


def nanoseconds(stamp: Any) -> int:
    """Return a `builtin_interfaces/Time` in ns."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def seconds(duration: Any) -> float:
    """Return a `builtin_interfaces/Duration` in s."""
    return float(duration.sec) + float(duration.nanosec) * 1e-9


def track_from_message(pose: Any) -> Track:
    """Return a `pose_tracking_ros/TrackedPose` as the tracker gave it."""
    box, joints = pose.bbox, pose.keypoints
    half_x, half_y = box.size_x / 2, box.size_y / 2
    return Track(
        track_id=pose.track_id,
        state=TrackState(pose.state),
        is_matched=pose.is_matched,
        box=np.array(
            [
                box.center_x - half_x,
                box.center_y - half_y,
                box.center_x + half_x,
                box.center_y + half_y,
            ],
            dtype=np.float32,
        ),
        score=pose.score,
        visibility=pose.visibility,
        velocity=np.asarray(pose.velocity, dtype=np.float32),
        keypoints=np.array([(j.x, j.y) for j in joints], dtype=np.float32).reshape(-1, 2),
        keypoint_scores=np.array([j.score for j in joints], dtype=np.float32),
        keypoint_states=np.array([j.state for j in joints], dtype=np.int64),
        embedding=np.asarray(pose.embedding, dtype=np.float32),
        age_s=seconds(pose.age),
        time_since_update_s=seconds(pose.time_since_update),
        occluder_id=pose.occluder_id,
        person_id=pose.person_id,
        person_similarity=pose.person_similarity,
    )


def frame_from_message(message: Any, latency_s: float | None = None) -> FrameRecord:
    """Return a `pose_tracking_ros/TrackedPoseArray` as the result of one image.

    Args:
        message: as published.
        latency_s: from the image's publication to that of the result, s; None if not known.
    """
    return FrameRecord(
        stamp_ns=nanoseconds(message.header.stamp),
        image_size=(message.image_width, message.image_height),
        tracks=[track_from_message(pose) for pose in message.poses],
        frames_dropped=message.frames_dropped,
        processing_time_s=seconds(message.processing_time),
        latency_s=latency_s,
        session_id=message.session_id,
        model_id=message.model_id,
    )
