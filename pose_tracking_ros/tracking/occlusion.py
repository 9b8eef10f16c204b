"""Who is hidden, how much, and by whom; whether an appearance can be trusted.

Two cues: the pose (FastPose §3.3.1: the number of joints the network is sure to see) and who
covers whom (see `depth_order`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import KeypointState, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.appearance import known_looks
from pose_tracking_ros.tracking.depth_order import CoveredPairs, ShownJoints, covered_pairs
from pose_tracking_ros.tracking.motion import cut_sides
from pose_tracking_ros.tracking.row_sums import row_sums

# A smaller overlap with a nearer person is not what made somebody disappear.
MIN_OCCLUDER_SHARE = 0.3
# See `motion`.
_ORIGIN = np.array(0.0, np.float32)
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
_STATES_BY_SEEN = np.array([_OCCLUDED, _VISIBLE])


# Not frozen: made for every image, and a frozen one takes three times as long.
@dataclass(eq=False)
class Visibility:
    """What of each person can be seen in one image.

    Attributes:
        boxes: the people's, in the precision in which boxes are compared, px.
        seen: joints that are estimated with a sufficient score.
        visibility: share of joints seen, [0, 1]; 0 where a person has no joints.
        covered: who covers whom.
        covered_share: largest share of the box covered by one nearer person, [0, 1].
        is_occluded: hidden by something inside the image, as far as pose and boxes tell.
        is_cut: the sides of the box that lie on the image's border.
        has_embedding: an appearance is known at all.
        appearance_is_valid: the embedding shows this person and little else.
    """

    boxes: Float[np.ndarray, 'person 4']
    seen: Bool[np.ndarray, 'person joint']
    visibility: Float[np.ndarray, 'person']
    covered: CoveredPairs
    covered_share: Float[np.ndarray, 'person']
    is_occluded: Bool[np.ndarray, 'person']
    is_cut: Bool[np.ndarray, 'person 4']
    has_embedding: Bool[np.ndarray, 'person']
    appearance_is_valid: Bool[np.ndarray, 'person']


def count_valid_keypoints(
    keypoint_scores: Float[np.ndarray, 'person joint'], min_score: float
) -> Int[np.ndarray, 'person']:
    """Return N_valid, the number of joints above a score (FastPose Eq. 1)."""
    count: Int[np.ndarray, 'person'] = (keypoint_scores > min_score).sum(axis=1)
    return count


def judge_visibility(people: People, settings: TrackerSettings) -> Visibility:
    """Judge each detected person.

    The appearance is valid when more than `min_valid_keypoints` joints are seen and no nearer
    person covers more than `max_covered_share` of the box. Where the detector estimates no
    joints at all (`joint` is 0), the boxes decide alone.

    Raises:
        ValueError: an embedding has neither unit length nor length 0.
    """
    joints = people.keypoint_scores.shape[1]
    # One coordinate after the other in memory: see `motion`.
    boxes = people.boxes.astype(np.float64, order='F')
    # A complex number is finite when both its parts are.
    is_known = np.isfinite(people.keypoints.view(np.complex64)[..., 0])
    seen = people.keypoint_scores > settings.min_keypoint_score
    seen &= is_known
    count = row_sums(seen)
    # Smaller shares decide nothing, neither here nor for those who ask about them later.
    min_share = min(
        settings.max_covered_share,
        settings.max_new_track_overlap,
        settings.min_duplicate_iou,
        MIN_OCCLUDER_SHARE,
    )
    joints_shown = ShownJoints(people.keypoints, seen) if joints else None
    covered = covered_pairs(boxes, min_share=min_share, joints=joints_shown)
    covered_share = np.zeros(len(boxes))
    is_cut = cut_sides(boxes, people.image_size)
    has_embedding = known_looks(people.embeddings)
    is_covered, appearance_is_valid = np.zeros(len(boxes), np.bool_), has_embedding
    if len(covered.behind):
        np.maximum.at(covered_share, covered.behind, covered.share)
        is_covered = covered_share > settings.max_covered_share
        appearance_is_valid = has_embedding & ~is_covered
    is_occluded = is_covered
    if joints > 0 and min(count.tolist(), default=joints) <= settings.min_valid_keypoints:
        few_joints = count <= settings.min_valid_keypoints
        appearance_is_valid = appearance_is_valid & ~few_joints
        has_pose = is_known.any(axis=1)
        # Joints beyond the border of the image are missing too, but nothing hides them.
        is_occluded = is_covered | (few_joints & has_pose & ~is_cut.any(axis=1))
    return Visibility(
        boxes=boxes,
        seen=seen,
        visibility=count / max(joints, 1),
        covered=covered,
        covered_share=covered_share,
        is_occluded=is_occluded,
        is_cut=is_cut,
        has_embedding=has_embedding,
        appearance_is_valid=appearance_is_valid,
    )


def find_occluders(
    boxes: Float[np.ndarray, 'track 4'],
    ids: Int[np.ndarray, 'track'],
    person_of: Int[np.ndarray, 'track'],
    visibility: Visibility,
    min_share: float,
) -> Int[np.ndarray, 'track']:
    """Return the id of the track that covers most of each track, 0 for none.

    Only tracks with a detection can cover others: an expectation hides nobody.

    Args:
        boxes: corner boxes, those of the detections where there are any, px.
        ids: track ids.
        person_of: for each track the index of its person; below 0 where it has none.
        visibility: of these people.
        min_share: smaller overlaps do not count, [0, 1].
    """
    occluder_ids = np.zeros(len(ids), dtype=np.int64)
    covered, has_unmatched = visibility.covered, min(person_of.tolist(), default=0) < 0
    if not (has_unmatched or len(covered.behind)):
        return occluder_ids
    pairs: list[tuple[int, int, float]] = []
    if len(covered.behind):
        track_of = {
            person: track for track, person in enumerate(person_of.tolist()) if person >= 0
        }
        pairs += [
            (track_of[behind], track_of[front], share)
            for behind, front, share in covered.as_tuples()
            if behind in track_of and front in track_of
        ]
    if has_unmatched:
        is_matched = person_of >= 0
        unmatched, matched = np.flatnonzero(~is_matched), np.flatnonzero(is_matched)
        more = covered_pairs(boxes[unmatched], boxes[matched], min_share)
        pairs += [
            (int(unmatched[behind]), int(matched[front]), share)
            for behind, front, share in more.as_tuples()
        ]
    # What is written last remains: the largest share, of equal ones that of the oldest track.
    for behind, front, share in sorted(pairs, key=lambda pair: (pair[2], -pair[1])):
        if share > min_share:
            occluder_ids[behind] = ids[front]
    return occluder_ids


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
    states = _STATES_BY_SEEN.take(seen)
    if not all(is_matched.tolist()):
        states[~is_matched] = _PREDICTED
    # Row by row, for loops over two coordinates are slow. NaN compares false, so joints without a
    # position are counted here too and then set apart.
    rows = keypoints.reshape(len(keypoints), -1)
    is_within = rows >= _ORIGIN
    is_within &= rows <= _far_corners(image_size, keypoints.shape[1])
    if np.count_nonzero(is_within) < is_within.size:
        is_within = is_within.reshape(keypoints.shape)
        states[~(is_within[..., 0] & is_within[..., 1])] = _OUT_OF_FRAME
        is_known = np.isfinite(keypoints)
        states[~(is_known[..., 0] & is_known[..., 1])] = _NOT_ESTIMATED
    return states


@lru_cache(maxsize=16)
def _far_corners(image_size: tuple[int, int], joints: int) -> Float[np.ndarray, '_']:
    """Return width and height for each joint, px.

    They are in the precision of joints: mixed comparisons are slow.
    """
    corners = np.array(image_size * joints, dtype=np.float32)
    # All callers get the same array.
    corners.setflags(write=False)
    return corners
