"""The tracker's arrays as one object per person, for everyone outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.occlusion import keypoint_states
from pose_tracking_ros.tracking.pose_motion import expect_poses
from pose_tracking_ros.tracking.track_arrays import TrackArrays

_STATES = {int(state): state for state in TrackState}


def take_snapshot(
    tracks: TrackArrays, image_size: tuple[int, int], stamp_s: float, memory_s: float
) -> list[Track]:
    """Return all tracks as of one image, in the order of their ids.

    Tracks without a detection get the expected box and the pose expected in it. The scores of such
    joints fade to 0 over the tracker's memory: what was seen long ago counts for less and less.

    Args:
        tracks: the tracks after this image.
        image_size: width and height, px; joints beyond are out of frame.
        stamp_s: time of the image, s.
        memory_s: for how long an unseen track is kept, s; above 0.

    Returns:
        Objects that share no memory with the tracker.
    """
    if len(tracks) == 0:
        return []
    is_matched = tracks.is_matched
    keypoints = tracks.keypoints.copy()
    keypoint_scores = tracks.keypoint_scores.copy()
    unseen_s = stamp_s - tracks.matched_s
    if not all(is_matched.tolist()):
        unmatched = np.flatnonzero(~is_matched)
        keypoints[unmatched] = expect_poses(
            keypoints[unmatched],
            tracks.seen[unmatched],
            tracks.last_boxes[unmatched],
            tracks.usual_poses[unmatched],
            tracks.boxes[unmatched],
            unseen_s[unmatched],
        )
        trust = np.maximum(1.0 - unseen_s[unmatched] / memory_s, 0.0)
        keypoint_scores[unmatched] *= trust[:, None].astype(np.float32)
    joint_states = keypoint_states(keypoints, tracks.seen, is_matched, image_size)
    embeddings: Sequence[np.ndarray] | np.ndarray = tracks.embeddings.copy()
    has_embedding = tracks.has_embedding.tolist()
    if not all(has_embedding):
        unknown = np.zeros(0, np.float32)
        embeddings = [
            row if is_known else unknown
            for row, is_known in zip(embeddings, has_embedding, strict=True)
        ]
    # In the order of `Track`'s fields, so that they need not be named for each person, and as
    # plain Python numbers, converted a column at a time: far quicker than one by one.
    columns = {
        'track_id': tracks.ids.tolist(),
        'state': [_STATES[state] for state in tracks.states.tolist()],
        'is_matched': is_matched.tolist(),
        'box': tracks.boxes.astype(np.float32),
        'score': tracks.scores.tolist(),
        'visibility': tracks.visibility.tolist(),
        'velocity': tracks.moments[:, motion.VELOCITY, :2].astype(np.float32),
        'keypoints': keypoints,
        'keypoint_scores': keypoint_scores,
        'keypoint_states': joint_states,
        'embedding': embeddings,
        'age_s': (stamp_s - tracks.born_s).tolist(),
        'time_since_update_s': unseen_s.tolist(),
        'occluder_id': tracks.occluder_ids.tolist(),
    }
    return list(map(Track, *columns.values()))
