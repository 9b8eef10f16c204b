"""Who is hidden, how much, and by whom; whether an appearance can be trusted.

Two cues: the pose (FastPose §3.3.1: the number of joints the network is sure to see) and the
boxes (whoever stands lower in the image is nearer, on any ground seen from above it).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import KeypointState, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.appearance import known_looks
from pose_tracking_ros.tracking.motion import cut_sides
from pose_tracking_ros.tracking.row_sums import row_sums
from pose_tracking_ros.tracking.similarity import box_areas, pairwise_intersection

# Box bottoms closer than this share of the person's height do not tell who is nearer.
_BOTTOM_TOLERANCE = 0.02
# A smaller overlap with a nearer person is not what made somebody disappear.
MIN_OCCLUDER_SHARE = 0.3
# The smallest number above 0.
_MORE_THAN_NOTHING = math.ulp(0.0)
# The shares of smaller boxes are as if they were as large as this.
_MIN_AREA_PX2 = 1e-9
# Of no more boxes than this, Python finds sooner than NumPy that none covers another.
_FEW = 12
# What all callers may share, as nothing can be written to it.
_NOBODY, _NO_SHARES = np.zeros(0, np.int64), np.zeros(0)
# See `motion`.
_MIN_AREA, _ORIGIN = np.array(_MIN_AREA_PX2), np.array(0.0, np.float32)
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


# Not frozen, like the next: made for every image, and a frozen one takes three times as long.
@dataclass(eq=False)
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

    def as_tuples(self) -> Iterator[tuple[int, int, float]]:
        """Return who is behind, who in front, and the share, pair by pair."""
        return zip(self.behind.tolist(), self.front.tolist(), self.share.tolist(), strict=True)


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


def covered_pairs(
    boxes: Float[np.ndarray, 'box 4'],
    others: Float[np.ndarray, 'other 4'] | None = None,
    min_share: float = 0.0,
) -> CoveredPairs:
    """Return which boxes are covered by nearer ones, and to what share.

    A box is nearer when its bottom is lower in the image; when the bottoms are level, when it
    is larger. Of two equal boxes neither is nearer.

    Args:
        boxes: corner boxes, px.
        others: those that may cover them, px; if not given, these boxes each other.
        min_share: pairs with a smaller share are left out, [0, 1].
    """
    min_share = max(min_share, _MORE_THAN_NOTHING)
    if others is None:
        if len(boxes) <= _FEW and not _any_covered(boxes, min_share):
            return CoveredPairs(_NOBODY, _NOBODY, _NO_SHARES)
        shares = pairwise_intersection(boxes, boxes)
        # What each has in common with itself: every so many-th number, row by row.
        shares.ravel()[:: len(boxes) + 1] = 0.0
    else:
        shares = pairwise_intersection(boxes, others)
    areas = box_areas(boxes)
    # In place: with hundreds of people another matrix of this size is what takes the time.
    shares /= np.maximum(areas, _MIN_AREA)[:, None]
    behind, front = (shares >= min_share).nonzero()
    share = shares[behind, front]
    if len(behind) == 0:
        return CoveredPairs(behind, front, share)
    bottoms, slacks = boxes[:, 3], _bottom_slacks(boxes)
    if others is None:
        front_areas, front_bottoms, front_slacks = areas, bottoms, slacks
    else:
        front_areas, front_bottoms = box_areas(others), others[:, 3]
        front_slacks = _bottom_slacks(others)
    lead = front_bottoms[front] - bottoms[behind]
    slack = np.minimum(slacks[behind], front_slacks[front])
    is_larger = front_areas[front] > areas[behind]
    is_nearer = (lead > slack) | (is_larger & (lead >= -slack))
    return CoveredPairs(behind[is_nearer], front[is_nearer], share[is_nearer])


def _any_covered(boxes: Float[np.ndarray, 'box 4'], min_share: float) -> bool:
    """Return whether two boxes have as much in common as this share of the smaller one."""
    for (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) in combinations(boxes.tolist(), 2):
        if ax1 < bx2 and bx1 < ax2 and ay1 < by2 and by1 < ay2:
            common = (min(ax2, bx2) - max(ax1, bx1)) * (min(ay2, by2) - max(ay1, by1))
            area = min((ax2 - ax1) * (ay2 - ay1), (bx2 - bx1) * (by2 - by1))
            if common / max(area, _MIN_AREA_PX2) >= min_share:
                return True
    return False


def _bottom_slacks(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box']:
    """Return how far apart bottoms may be that still count as level, px."""
    heights = boxes[:, 3] - boxes[:, 1]
    slacks: Float[np.ndarray, 'box'] = _BOTTOM_TOLERANCE * np.maximum(heights, 1.0)
    return slacks


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
    covered = covered_pairs(boxes, min_share=min_share)
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
