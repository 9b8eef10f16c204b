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
from pose_tracking_ros.tracking.motion import INWARDS, border_lines
from pose_tracking_ros.tracking.similarity import pairwise_intersection

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
class CoveredPairs:
    """The few pairs of boxes of which one covers some of the other.

    Attributes:
        behind: indices of the covered boxes.
        front: indices of those that cover them.
        share: of the covered box, (0, 1].
    """

    behind: Int[np.ndarray, 'pair']
    front: Int[np.ndarray, 'pair']
    share: Float[np.ndarray, 'pair']


@dataclass(frozen=True, eq=False)
class Visibility:
    """What of each person can be seen in one image.

    Attributes:
        boxes: the people's, in the precision in which boxes are compared, px.
        seen: joints that are estimated with a sufficient score.
        visibility: share of joints seen, [0, 1]; 0 where a person has no joints.
        covered: who covers whom.
        covered_share: largest share of the box covered by one nearer person, [0, 1].
        is_occluded: hidden by something inside the image, as far as pose and boxes tell.
        touches_border: the box reaches the image's border, which may cut it off.
        has_embedding: an appearance is known at all.
        appearance_is_valid: the embedding shows this person and little else.
    """

    boxes: Float[np.ndarray, 'person 4']
    seen: Bool[np.ndarray, 'person joint']
    visibility: Float[np.ndarray, 'person']
    covered: CoveredPairs
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


def covered_pairs(
    boxes: Float[np.ndarray, 'box 4'], others: Float[np.ndarray, 'other 4'] | None = None
) -> CoveredPairs:
    """Return which boxes are covered by nearer ones, and to what share.

    A box is nearer when its bottom is lower in the image; when the bottoms are level, when it
    is larger. Of two equal boxes neither is nearer.

    Args:
        boxes: corner boxes, px.
        others: those that may cover them, px; if not given, these boxes each other.
    """
    if others is None:
        others = boxes
        common = pairwise_intersection(boxes, boxes)
        # What each has in common with itself: every so many-th number, row by row.
        common.ravel()[:: len(boxes) + 1] = 0.0
    else:
        common = pairwise_intersection(boxes, others)
    behind, front = (common > 0.0).nonzero()
    if len(behind) == 0:
        return CoveredPairs(behind, front, np.zeros(0))
    hidden, hiding = boxes[behind], others[front]
    hidden_sides, hiding_sides = hidden[:, 2:] - hidden[:, :2], hiding[:, 2:] - hiding[:, :2]
    hidden_area = hidden_sides[:, 0] * hidden_sides[:, 1]
    is_larger = hiding_sides[:, 0] * hiding_sides[:, 1] > hidden_area
    lead = hiding[:, 3] - hidden[:, 3]
    height = np.maximum(np.minimum(hidden_sides[:, 1], hiding_sides[:, 1]), 1.0)
    slack = _BOTTOM_TOLERANCE * height
    is_nearer = (lead > slack) | ((lead >= -slack) & is_larger)
    share = common[behind, front] / np.maximum(hidden_area, 1e-9)
    return CoveredPairs(behind[is_nearer], front[is_nearer], share[is_nearer])


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
    covered = covered_pairs(boxes)
    if len(covered.behind):
        np.maximum.at(covered_share, covered.behind, covered.share)
    is_occluded = is_covered = covered_share > settings.max_covered_share
    touches_border = _touches_border(boxes, people.image_size)
    has_embedding = known_looks(people.embeddings)
    appearance_is_valid = has_embedding & ~is_covered
    if joints > 0:
        few_joints = count <= settings.min_valid_keypoints
        if any(few_joints.tolist()):
            appearance_is_valid &= ~few_joints
            has_pose = is_known.any(axis=(1, 2))
            # Joints beyond the border of the image are missing too, but nothing hides them.
            is_occluded = is_covered | (few_joints & has_pose & ~touches_border)
    return Visibility(
        boxes=boxes,
        seen=seen,
        visibility=count / max(joints, 1),
        covered=covered,
        covered_share=covered_share,
        is_occluded=is_occluded,
        touches_border=touches_border,
        has_embedding=has_embedding,
        appearance_is_valid=appearance_is_valid,
    )


def _touches_border(
    boxes: Float[np.ndarray, 'box 4'], image_size: tuple[int, int]
) -> Bool[np.ndarray, 'box']:
    is_cut = boxes * INWARDS <= border_lines(image_size)
    if not np.count_nonzero(is_cut):
        return np.zeros(len(boxes), dtype=np.bool_)
    touches: Bool[np.ndarray, 'box'] = is_cut.any(axis=1)
    return touches


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
    (matched,) = (person_of >= 0).nonzero()
    covered = visibility.covered
    behind, front, share = covered.behind, covered.front, covered.share
    if len(behind):
        track_of = np.full(len(visibility.boxes), -1)
        track_of[person_of[matched]] = matched
        behind, front = track_of[behind], track_of[front]
    if len(matched) < len(ids):
        (unmatched,) = (person_of < 0).nonzero()
        more = covered_pairs(boxes[unmatched], boxes[matched])
        behind = np.concatenate([behind, unmatched[more.behind]])
        front = np.concatenate([front, matched[more.front]])
        share = np.concatenate([share, more.share])
    counts = (share > min_share) & (behind >= 0) & (front >= 0)
    if not any(counts.tolist()):
        return occluder_ids
    behind, front, share = behind[counts], front[counts], share[counts]
    # What is written last remains: the largest share, of equal ones that of the oldest track.
    order = np.lexsort((-front, share))
    occluder_ids[behind[order]] = ids[front[order]]
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
    states = np.where(seen, _VISIBLE, _OCCLUDED)
    if not all(is_matched.tolist()):
        states[~is_matched] = _PREDICTED
    # NaN compares false, so joints without a position are counted here too and then set apart.
    is_within = (keypoints >= 0.0) & (keypoints <= np.asarray(image_size))
    if np.count_nonzero(is_within) < is_within.size:
        states[~(is_within[..., 0] & is_within[..., 1])] = _OUT_OF_FRAME
        is_known = np.isfinite(keypoints)
        states[~(is_known[..., 0] & is_known[..., 1])] = _NOT_ESTIMATED
    return states
