"""Ground truth as `TrackedPoseArray`, so that bags carry it and every tool shows it.

How the fields are used, both ways:

- `track_id` is the person, from 1 up; 0 is a region of which nothing is known.
- `is_matched` and `score` 1 mean that the person counts; not matched and 0, that nothing may be
  expected of them, nor held against anybody: too little is seen of them, or nobody knows.
- `state` is CONFIRMED for who counts, else OCCLUDED. Other states claim nobody and are not read.
- A joint is VISIBLE, OCCLUDED (labelled, hidden), OUT_OF_FRAME (known, but outside the image; it
  is read as not labelled, as COCO has it) or NOT_ESTIMATED (not labelled).
- `visibility` is the share of joints that are visible. Velocity, age and the rest stay empty.

The fields are float32 and hold a box by its centre and size. Truth read back is therefore rounded,
by less than a ten-thousandth of a pixel; `rounded` does the same to truth that was in no message.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.truth import TruthFrame
from pose_tracking_ros.people import KeypointState, TrackState
from pose_tracking_ros.recordings.message_types import POSES_TYPE, blank_message, fill_header
from pose_tracking_ros.recordings.pose_messages import nanoseconds
from pose_tracking_ros.skeleton import COCO_17, SKELETONS

_POSE_TYPE = 'pose_tracking_ros/msg/TrackedPose'
_KEYPOINT_TYPE = 'pose_tracking_ros/msg/Keypoint'
_READ_STATES = (TrackState.CONFIRMED, TrackState.OCCLUDED)
_LABELLED_STATES = (KeypointState.VISIBLE, KeypointState.OCCLUDED, KeypointState.PREDICTED)


def message_from_truth(
    frame: TruthFrame, image_size: tuple[int, int], frame_id: str, sequence: int
) -> Any:
    """Return the truth of an image as a `TrackedPoseArray`.

    Args:
        frame: the truth.
        image_size: width and height, px.
        frame_id: of the image.
        sequence: number of the message, from 1.
    """
    message = blank_message(POSES_TYPE)
    fill_header(message.header, frame.stamp_ns, frame_id)
    message.skeleton = COCO_17.name
    message.model_id = 'ground_truth'
    message.image_width, message.image_height = image_size
    message.sequence = sequence
    message.poses = [_pose(frame, index, image_size) for index in range(len(frame))]
    return message


def _pose(frame: TruthFrame, index: int, image_size: tuple[int, int]) -> Any:
    pose = blank_message(_POSE_TYPE)
    counts = not frame.is_ignored[index]
    pose.person_similarity = np.nan
    pose.track_id = int(frame.person_ids[index])
    pose.state = int(TrackState.CONFIRMED if counts else TrackState.OCCLUDED)
    pose.is_matched = counts
    pose.score = float(counts)
    pose.visibility = float(np.mean(frame.keypoint_visible[index]))
    low, high = frame.boxes[index, :2], frame.boxes[index, 2:]
    pose.bbox.center_x, pose.bbox.center_y = _float32((low + high) / 2)
    pose.bbox.size_x, pose.bbox.size_y = _float32(high - low)
    pose.keypoints = [
        _keypoint(joint, bool(visible), image_size)
        for joint, visible in zip(
            frame.keypoints[index], frame.keypoint_visible[index], strict=True
        )
    ]
    for part in (pose.pose.position, pose.pose.orientation, pose.twist.linear, pose.twist.angular):
        for axis in vars(part):
            if not axis.startswith('_'):
                setattr(part, axis, np.nan)
    return pose


def _keypoint(joint: np.ndarray, is_visible: bool, image_size: tuple[int, int]) -> Any:
    keypoint = blank_message(_KEYPOINT_TYPE)
    keypoint.x, keypoint.y = _float32(joint)
    if not np.isfinite(joint).all():
        keypoint.x = keypoint.y = np.nan
        keypoint.state = int(KeypointState.NOT_ESTIMATED)
        return keypoint
    is_inside = (joint >= 0).all() and (joint < image_size).all()
    if is_visible:
        state = KeypointState.VISIBLE
    else:
        state = KeypointState.OCCLUDED if is_inside else KeypointState.OUT_OF_FRAME
    keypoint.state = int(state)
    keypoint.score = 1.0
    return keypoint


def _float32(values: np.ndarray) -> list[float]:
    rounded: list[float] = np.asarray(values, dtype=np.float64).astype(np.float32).tolist()
    return rounded


def truth_from_message(message: Any, where: str) -> TruthFrame:
    """Return the people of a `TrackedPoseArray` as truth.

    Args:
        message: from a bag, or of `message_from_truth`.
        where: topic, for messages.

    Raises:
        EvaluationError: its skeleton is not known, or its keypoints do not fit the skeleton.
    """
    stamp_ns = nanoseconds(message.header.stamp)
    poses = [pose for pose in message.poses if pose.state in _READ_STATES]
    if message.skeleton not in SKELETONS:
        raise EvaluationError(
            f'{where}: message of stamp {stamp_ns}: skeleton: expected one of '
            f'{", ".join(SKELETONS)}, got {message.skeleton!r}'
        )
    skeleton = SKELETONS[message.skeleton]
    order = COCO_17.order_from(skeleton.joints)
    count = len(poses)
    boxes = np.zeros((count, 4))
    keypoints = np.full((count, len(COCO_17), 2), np.nan)
    visible = np.zeros((count, len(COCO_17)), dtype=np.bool_)
    for row, pose in enumerate(poses):
        if len(pose.keypoints) != len(skeleton):
            raise EvaluationError(
                f'{where}: message of stamp {stamp_ns}: keypoints: expected {len(skeleton)} of '
                f'skeleton {skeleton.name}, got {len(pose.keypoints)}'
            )
        box = pose.bbox
        centre, half = np.array([box.center_x, box.center_y]), np.array([box.size_x, box.size_y])
        boxes[row] = [*(centre - half / 2), *(centre + half / 2)]
        for joint, place in enumerate(order):
            if place >= 0 and pose.keypoints[place].state in _LABELLED_STATES:
                keypoints[row, joint] = pose.keypoints[place].x, pose.keypoints[place].y
                visible[row, joint] = pose.keypoints[place].state == KeypointState.VISIBLE
    return TruthFrame(
        stamp_ns=stamp_ns,
        person_ids=np.array([pose.track_id for pose in poses], dtype=np.int64),
        boxes=boxes,
        keypoints=keypoints,
        keypoint_visible=visible,
        is_ignored=np.array([not pose.is_matched for pose in poses], dtype=np.bool_),
    )


def rounded(frame: TruthFrame, image_size: tuple[int, int]) -> TruthFrame:
    """Return the truth as it would be read back from a message."""
    return truth_from_message(message_from_truth(frame, image_size, '', 1), '')
