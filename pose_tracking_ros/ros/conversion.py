"""Tracks to messages. What is sent for every image goes from arrays to bytes directly (`cdr`)."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pose_tracking_ros.msg import SkeletonInfo, TrackedPose, TrackedPoseArray
from pose_tracking_ros.msg import TrackEvent as TrackEventMessage
from pose_tracking_ros.people import FrameResult, Track, TrackEvent
from pose_tracking_ros.ros.cdr import ENCAPSULATION, Lengths, encode, encode_long
from pose_tracking_ros.skeleton import Skeleton

# What is not known of them is NaN.
_IN_SPACE = tuple(
    f'{part}.{axis}'
    for part, axes in (
        ('pose.position', 'xyz'),
        ('pose.orientation', 'xyzw'),
        ('twist.linear', 'xyz'),
        ('twist.angular', 'xyz'),
    )
    for axis in axes
)


def durations_from_seconds(
    seconds: Float[np.ndarray, 'n'],
) -> tuple[Int[np.ndarray, 'n'], Int[np.ndarray, 'n']]:
    """Return times, never negative, as whole seconds and nanoseconds."""
    whole = np.floor(seconds)
    nanoseconds = np.rint((seconds - whole) * 1e9).astype(np.int64)
    # 0.9999999999 s rounds to a full second.
    return whole.astype(np.int64) + nanoseconds // 10**9, nanoseconds % 10**9


def seconds_from_stamp(stamp: Any) -> float:
    """Return a `builtin_interfaces/Time` in seconds (to about 0.2 µs for today's dates)."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


class PoseArrayWriter:
    """Makes the TrackedPoseArray of each image, serialised.

    Args:
        skeleton: of the keypoints.
        model_id: as the engine states it.
    """

    def __init__(self, skeleton: Skeleton, model_id: str) -> None:
        self._joints = len(skeleton)
        self._skeleton = skeleton.name.encode()
        self._model_id = model_id.encode()

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
        space_frame: str = '',
    ) -> bytes:
        """Return the message for one image, for `publisher.publish`.

        Args:
            result: what the pipeline found; nobody is a valid result.
            header: of the image, taken over as it is.
            session_id: as published; the pipeline's own starts from 1 in each process.
            sequence: number of the message, from 1 up.
            frames_dropped: images replaced before they were processed, since activation.
            processing_time_s: from taking the image to publishing, s.
            with_embeddings: whether appearance vectors are sent.
            space_frame: frame of the poses in space; empty for that of the header.
        """
        frame_id = (space_frame or header.frame_id).encode()
        whole, nanoseconds = durations_from_seconds(np.array([processing_time_s]))
        values = {
            'header.stamp.sec': header.stamp.sec,
            'header.stamp.nanosec': header.stamp.nanosec,
            'header.frame_id': frame_id,
            'skeleton': self._skeleton,
            'model_id': self._model_id,
            'session_id': session_id,
            'image_width': result.people.image_size[0],
            'image_height': result.people.image_size[1],
            'sequence': sequence,
            'frames_dropped': frames_dropped,
            'processing_time.sec': whole[0],
            'processing_time.nanosec': nanoseconds[0],
            'poses.length': len(result.tracks),
        }
        lengths = (
            ('header.frame_id', len(frame_id)),
            ('skeleton', len(self._skeleton)),
            ('model_id', len(self._model_id)),
        )
        # The last field is the sequence of poses: without elements, the message ends before them.
        top = encode_long(TrackedPoseArray, lengths, values, {})
        poses = self._poses(result.tracks, len(top), with_embeddings) if result.tracks else b''
        return ENCAPSULATION + top + poses

    def _poses(self, tracks: list[Track], start: int, with_embeddings: bool) -> bytes:
        names = [track.person_id.encode() for track in tracks]
        looks = [track.embedding if with_embeddings else track.embedding[:0] for track in tracks]
        lengths: list[Lengths] = [
            (
                ('person_id', len(name)),
                ('keypoints', self._joints),
                ('keypoints_3d', 0 if track.in_space is None else self._joints),
                ('embedding', len(look)),
            )
            for track, name, look in zip(tracks, names, looks, strict=True)
        ]
        age, since = (
            durations_from_seconds(np.array(seconds, dtype=np.float64))
            for seconds in (
                [track.age_s for track in tracks],
                [track.time_since_update_s for track in tracks],
            )
        )
        boxes = np.array([track.box for track in tracks], dtype=np.float64)
        centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        columns = {
            'track_id': np.array([track.track_id for track in tracks], dtype=np.uint64),
            'person_id': np.array(names),
            'person_similarity': np.array([track.person_similarity for track in tracks]),
            'state': np.array([track.state for track in tracks], dtype=np.uint8),
            'is_matched': np.array([track.is_matched for track in tracks]),
            'age.sec': age[0],
            'age.nanosec': age[1],
            'time_since_update.sec': since[0],
            'time_since_update.nanosec': since[1],
            'score': np.array([track.score for track in tracks]),
            'visibility': np.array([track.visibility for track in tracks]),
            'occluder_id': np.array([track.occluder_id for track in tracks], dtype=np.uint64),
            'bbox.center_x': centres[:, 0],
            'bbox.center_y': centres[:, 1],
            'bbox.size_x': sizes[:, 0],
            'bbox.size_y': sizes[:, 1],
            'velocity': np.array([track.velocity for track in tracks]),
        }
        points = np.array([track.keypoints for track in tracks])
        joints = {
            'x': points[:, :, 0],
            'y': points[:, :, 1],
            'score': np.array([track.keypoint_scores for track in tracks]),
            'state': np.array([track.keypoint_states for track in tracks]),
        }

        def fill(rows: np.ndarray, members: Int[np.ndarray, 'row']) -> None:
            _fill(rows, {name: column[members] for name, column in columns.items()})
            _fill(rows, dict.fromkeys(_IN_SPACE, math.nan))
            _fill(rows['keypoints'], {name: value[members] for name, value in joints.items()})
            # Members share a layout: all of them are in space, or none.
            if tracks[members[0]].in_space is not None:
                _fill_space(rows, [tracks[index] for index in members])
            rows['embedding'] = np.array([looks[index] for index in members])

        return encode(TrackedPose, lengths, fill, start)


def _fill_space(rows: np.ndarray, tracks: list[Track]) -> None:
    """Fill what is known in metres; the rest of it is NaN already."""
    places = [track.in_space for track in tracks if track.in_space is not None]
    points = np.array([place.joints_m for place in places])
    spreads = np.array([place.covariances_m2 for place in places])
    is_known = np.isfinite(points).all(axis=-1)
    scores = np.array([track.keypoint_scores for track in tracks])
    flat = np.where(is_known[..., None], spreads.reshape(*is_known.shape, 9), 0.0)
    flat[~is_known, 0] = -1.0
    joints = rows['keypoints_3d']
    _fill(joints, {f'position.{axis}': points[..., i] for i, axis in enumerate('xyz')})
    _fill(joints, {'score': np.where(is_known, scores, 0.0), 'covariance': flat})
    positions = np.array([place.position_m for place in places])
    velocities = np.array([place.velocity_m_s for place in places])
    turns = np.array([place.orientation_xyzw for place in places])
    for i, axis in enumerate('xyz'):
        rows[f'pose.position.{axis}'] = positions[:, i]
        rows[f'twist.linear.{axis}'] = velocities[:, i]
    for i, axis in enumerate('xyzw'):
        rows[f'pose.orientation.{axis}'] = turns[:, i]


def _fill(rows: np.ndarray, values: dict[str, Any]) -> None:
    for name, value in values.items():
        rows[name] = value


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
