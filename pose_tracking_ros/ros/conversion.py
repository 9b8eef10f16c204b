"""Tracks to messages, with message objects that are filled again for every image.

Creating the objects anew costs three times as much as filling them: 50 people are 850 keypoints.
"""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from jaxtyping import Float

from pose_tracking_ros.msg import (
    Keypoint,
    SkeletonInfo,
    TrackedPose,
    TrackedPoseArray,
)
from pose_tracking_ros.msg import TrackEvent as TrackEventMessage
from pose_tracking_ros.people import FrameResult, Track, TrackEvent
from pose_tracking_ros.skeleton import Skeleton


def set_duration(message: Duration, seconds: float) -> None:
    """Write a time in seconds, never negative, into a Duration."""
    whole = math.floor(seconds)
    nanoseconds = round((seconds - whole) * 1e9)
    # 0.9999999999 s rounds to a full second.
    message.sec, message.nanosec = whole + nanoseconds // 10**9, nanoseconds % 10**9


def seconds_from_stamp(stamp: Any) -> float:
    """Return a `builtin_interfaces/Time` in seconds (to about 0.2 µs for today's dates)."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


class PoseArrayWriter:
    """Fills one TrackedPoseArray again and again.

    Publishing copies the content, so the message may be filled anew right after. Not for use from
    several threads.

    Args:
        skeleton: of the keypoints.
        model_id: as the engine states it.
    """

    def __init__(self, skeleton: Skeleton, model_id: str) -> None:
        self._joints = len(skeleton)
        self._pool: list[TrackedPose] = []
        self._message = TrackedPoseArray(skeleton=skeleton.name, model_id=model_id)

    def write(
        self,
        result: FrameResult,
        *,
        header: Any,
        session_id: int,
        sequence: int,
        frames_dropped: int,
        processing_time_s: float,
        with_embeddings: bool,
    ) -> TrackedPoseArray:
        """Return the message for one image; it is valid until the next call.

        Args:
            result: what the pipeline found; nobody is a valid result.
            header: of the image, taken over as it is.
            session_id: as published; the pipeline's own starts from 1 in each process.
            sequence: number of the message, from 1 up.
            frames_dropped: images replaced before they were processed, since activation.
            processing_time_s: from taking the image to publishing, s.
            with_embeddings: whether appearance vectors are sent.
        """
        message = self._message
        message.header = header
        message.session_id = session_id
        message.image_width, message.image_height = result.people.image_size
        message.sequence = sequence
        message.frames_dropped = frames_dropped
        set_duration(message.processing_time, processing_time_s)
        while len(self._pool) < len(result.tracks):
            self._pool.append(_empty_pose(self._joints))
        message.poses = self._pool[: len(result.tracks)]
        for pose, track in zip(message.poses, result.tracks, strict=True):
            _write_pose(pose, track, with_embeddings)
        return message


def _empty_pose(joints: int) -> TrackedPose:
    """Return a pose whose three-dimensional part says "no depth"."""
    nan = math.nan
    pose = TrackedPose(keypoints=[Keypoint() for _ in range(joints)])
    for vector in (pose.pose.position, pose.twist.linear, pose.twist.angular):
        vector.x = vector.y = vector.z = nan
    orientation = pose.pose.orientation
    orientation.x = orientation.y = orientation.z = orientation.w = nan
    return pose


def _write_pose(pose: TrackedPose, track: Track, with_embedding: bool) -> None:
    pose.track_id = track.track_id
    pose.person_id = track.person_id
    pose.person_similarity = track.person_similarity
    pose.state = int(track.state)
    pose.is_matched = track.is_matched
    set_duration(pose.age, track.age_s)
    set_duration(pose.time_since_update, track.time_since_update_s)
    pose.score = float(track.score)
    pose.visibility = float(track.visibility)
    pose.occluder_id = track.occluder_id
    x1, y1, x2, y2 = track.box.tolist()
    box = pose.bbox
    box.center_x, box.center_y = (x1 + x2) / 2, (y1 + y2) / 2
    box.size_x, box.size_y = x2 - x1, y2 - y1
    pose.velocity = np.asarray(track.velocity, dtype=np.float32)
    # Lists of plain numbers: taking them from the arrays one by one costs five times as much.
    for keypoint, (x, y), score, state in zip(
        pose.keypoints,
        track.keypoints.tolist(),
        track.keypoint_scores.tolist(),
        track.keypoint_states.tolist(),
        strict=True,
    ):
        keypoint.x = x
        keypoint.y = y
        keypoint.score = score
        keypoint.state = state
    pose.embedding = _floats(track.embedding) if with_embedding else array.array('f')


def _floats(values: Float[np.ndarray, 'n']) -> array.array[float]:
    floats = array.array('f')
    floats.frombytes(np.ascontiguousarray(values, dtype=np.float32).tobytes())
    return floats


def event_message(event: TrackEvent, *, header: Any, session_id: int) -> TrackEventMessage:
    """Return the message of one event of the image with the given header."""
    return TrackEventMessage(
        header=header,
        kind=int(event.kind),
        track_id=event.track_id,
        session_id=session_id,
        person_id=event.person_id,
    )


def skeleton_message(skeleton: Skeleton) -> SkeletonInfo:
    """Return the message that explains the order of the keypoints."""
    pairs = [skeleton.index(name) for pair in skeleton.flip_pairs for name in pair]
    return SkeletonInfo(
        name=skeleton.name,
        joint_names=list(skeleton.joints),
        limbs=array.array('H', skeleton.limb_indices.reshape(-1).tolist()),
        flip_pairs=array.array('H', pairs),
        sigmas=_floats(skeleton.sigma_array),
    )
