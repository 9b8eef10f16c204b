"""Who is hidden, how much, and by whom; whether an appearance can be trusted.

Two cues: the pose (FastPose §3.3.1: the number of joints the network is sure to see) and the
boxes (whoever stands lower in the image is nearer, on any ground seen from above it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import KeypointState, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.appearance import known_looks
from pose_tracking_ros.tracking.motion import border_lines
from pose_tracking_ros.tracking.similarity import box_areas, pairwise_intersection

# Box bottoms closer than this share of the person's height do not tell who is nearer.
_BOTTOM_TOLERANCE = 0.02
# Members of an enumeration are slow to look up, and these are needed for every image.
_NOT_ESTIMATED, _VISIBLE, _OCCLUDED, _PREDICTED, _OUT_OF_FRAME = (
    int(state)
    for state in (
        KeypointState.NOT_ESTIMATED,
        KeypointState.VISIBLE,
        KeypointState.OCCLUDED,
        KeypointState.PREDICTED,
        KeypointState.OUT_OF_FRAME,
    )
)


@dataclass(frozen=True, eq=False)
class Visibility:
    """What of each person can be seen in one image.

    Attributes:
        seen: joints that are estimated with a sufficient score.
        visibility: share of joints seen, [0, 1]; 0 where a person has no joints.
        covered_share: largest share of the box covered by one nearer person, [0, 1].
        is_occluded: hidden by something inside the image, as far as pose and boxes tell.
        touches_border: the box reaches the image's border, which may cut it off.
        has_embedding: an appearance is known at all.
        appearance_is_valid: the embedding shows this person and little else.
    """

    seen: Bool[np.ndarray, 'person joint']
    visibility: Float[np.ndarray, 'person']
    covered_share: Float[np.ndarray, 'person']
    is_occluded: Bool[np.ndarray, 'person']
    touches_border: Bool[np.ndarray, 'person']
    has_embedding: Bool[np.ndarray, 'person']
    appearance_is_valid: Bool[np.ndarray, 'person']


def count_valid_keypoints(
    keypoint_scores: Float[np.ndarray, 'person joint'], min_score: float
) -> Int[np.ndarray, 'person']:
    """Return N_valid, the number of joints above a score (FastPose Eq. 1)."""
    count: Int[np.ndarray, 'person'] = (keypoint_scores > min_score).sum(axis=1)
    return count


def cover_shares(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box box']:
    """Return the share of each box (row) that each nearer box (column) covers, [0, 1].

    A box is nearer when its bottom is lower in the image; when the bottoms are level, when it
    is larger. Of two equal boxes neither is nearer.
    """
    shares = np.zeros((len(boxes), len(boxes)))
    behind, front, share = _covered_pairs(boxes)
    shares[behind, front] = share
    return shares


def _covered_pairs(
    boxes: Float[np.ndarray, 'box 4'],
) -> tuple[Int[np.ndarray, 'pair'], Int[np.ndarray, 'pair'], Float[np.ndarray, 'pair']]:
    """Return who is covered, by whom, and the share, for the few pairs where somebody is."""
    common = pairwise_intersection(boxes, boxes)
    # With oneself: every so many-th place, row by row.
    common.ravel()[:: len(boxes) + 1] = 0.0
    behind, front = (common > 0.0).nonzero()
    if len(behind) == 0:
        return behind, front, np.zeros(0)
    areas = box_areas(boxes)
    bottoms = boxes[:, 3]
    tolerance = _BOTTOM_TOLERANCE * np.maximum(bottoms - boxes[:, 1], 1.0)
    lead = bottoms[front] - bottoms[behind]
    slack = np.minimum(tolerance[behind], tolerance[front])
    is_level = np.abs(lead) <= slack
    is_nearer = (lead > slack) | (is_level & (areas[front] > areas[behind]))
    behind, front = behind[is_nearer], front[is_nearer]
    return behind, front, common[behind, front] / np.maximum(areas[behind], 1e-9)


def judge_visibility(people: People, settings: TrackerSettings) -> Visibility:
    """Judge each detected person.

    The appearance is valid when more than `min_valid_keypoints` joints are seen and no nearer
    person covers more than `max_covered_share` of the box. Where the detector estimates no
    joints at all (`joint` is 0), the boxes decide alone.

    Raises:
        ValueError: an embedding has neither unit length nor length 0.
    """
    joints = people.keypoint_scores.shape[1]
    boxes = people.boxes.astype(np.float64)
    is_known = np.isfinite(people.keypoints)
    seen = people.keypoint_scores > settings.min_keypoint_score
    seen &= is_known[..., 0] & is_known[..., 1]
    count = seen.sum(axis=1)
    covered_share = np.zeros(len(boxes))
    behind, _, share = _covered_pairs(boxes)
    if len(behind):
        np.maximum.at(covered_share, behind, share)
    is_occluded = is_covered = covered_share > settings.max_covered_share
    touches_border = _touches_border(boxes, people.image_size)
    has_embedding = known_looks(people.embeddings)
    appearance_is_valid = has_embedding & ~is_covered
    if joints > 0:
        few_joints = count <= settings.min_valid_keypoints
        if np.count_nonzero(few_joints):
            appearance_is_valid &= ~few_joints
            has_pose = is_known.any(axis=(1, 2))
            # Joints beyond the border of the image are missing too, but nothing hides them.
            is_occluded = is_covered | (few_joints & has_pose & ~touches_border)
    return Visibility(
        seen=seen,
        visibility=count / max(joints, 1),
        covered_share=covered_share,
        is_occluded=is_occluded,
        touches_border=touches_border,
        has_embedding=has_embedding,
        appearance_is_valid=appearance_is_valid,
    )


def _touches_border(
    boxes: Float[np.ndarray, 'box 4'], image_size: tuple[int, int]
) -> Bool[np.ndarray, 'box']:
    low, high = border_lines(image_size)
    is_cut = (boxes[:, :2] <= low) | (boxes[:, 2:] >= high)
    return is_cut[:, 0] | is_cut[:, 1]


def find_occluders(
    boxes: Float[np.ndarray, 'track 4'],
    ids: Int[np.ndarray, 'track'],
    can_occlude: Bool[np.ndarray, 'track'],
    min_share: float,
) -> Int[np.ndarray, 'track']:
    """Return the id of the track that covers most of each track, 0 for none.

    Args:
        boxes: corner boxes, px.
        ids: track ids.
        can_occlude: tracks that are really there: an expectation hides nobody.
        min_share: smaller overlaps do not count, [0, 1].
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes), dtype=np.int64)
    occluders = np.zeros(len(boxes), dtype=np.int64)
    behind, front, share = _covered_pairs(boxes)
    counts = (share > min_share) & can_occlude[front]
    if np.count_nonzero(counts):
        shares = np.zeros((len(boxes), len(boxes)))
        shares[behind[counts], front[counts]] = share[counts]
        best = shares.argmax(axis=1)
        occluders[behind[counts]] = ids[best[behind[counts]]]
    return occluders


def keypoint_states(
    keypoints: Float[np.ndarray, 'person joint 2'],
    seen: Bool[np.ndarray, 'person joint'],
    is_matched: Bool[np.ndarray, 'person'],
    image_size: tuple[int, int],
) -> Int[np.ndarray, 'person joint']:
    """Return a `KeypointState` for each joint.

    NaN is NOT_ESTIMATED and a position beyond the image OUT_OF_FRAME, whatever else holds. Of
    the rest, joints of people without a detection are PREDICTED, the others VISIBLE or OCCLUDED
    by their score.
    """
    states = np.where(seen, _VISIBLE, _OCCLUDED)
    if np.count_nonzero(is_matched) < len(is_matched):
        states[~is_matched] = _PREDICTED
    # NaN compares false, so joints without a position are counted here too and then set apart.
    is_within = (keypoints >= 0.0) & (keypoints <= np.asarray(image_size))
    if np.count_nonzero(is_within) < is_within.size:
        states[~(is_within[..., 0] & is_within[..., 1])] = _OUT_OF_FRAME
        is_known = np.isfinite(keypoints)
        states[~(is_known[..., 0] & is_known[..., 1])] = _NOT_ESTIMATED
    return states
