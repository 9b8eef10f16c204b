"""What counts in one PoseTrack frame, and which found pose is which person.

Distances are in head sizes (PCKh): a joint is hit within half a head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.evaluation.posetrack_files import Frame, PosedPeople

MAX_DISTANCE_HEADS = 0.5


@dataclass(frozen=True, eq=False)
class FrameMatch:
    """One frame's poses against each other.

    Attributes:
        distances: in head sizes of the person annotated; NaN where either joint is missing or
            the distance is more than half a head.
        in_truth: joints that are annotated.
        in_found: joints that were found.
        truth_of_found: for each found pose, the person whose pose it is, or -1.
    """

    distances: Float[np.ndarray, 'truth found joint']
    in_truth: Bool[np.ndarray, 'truth joint']
    in_found: Bool[np.ndarray, 'found joint']
    truth_of_found: Int[np.ndarray, 'found']


def match_frame(frame: Frame) -> FrameMatch:
    """Compare all poses of a frame; no people on either side give empty arrays."""
    in_truth = np.isfinite(frame.truth.joints).all(axis=2)
    in_found = np.isfinite(frame.found.joints).all(axis=2)
    offsets = frame.truth.joints[:, None] - frame.found.joints[None]
    distances = np.sqrt((offsets**2).sum(axis=3)) / frame.truth.head_sizes_px[:, None, None]
    # Missing joints are NaN and compare false.
    is_hit = distances <= MAX_DISTANCE_HEADS
    return FrameMatch(
        distances=np.where(is_hit, distances, np.nan),
        in_truth=in_truth,
        in_found=in_found,
        truth_of_found=assign_poses(is_hit.sum(axis=2), in_truth.sum(axis=1)),
    )


def assign_poses(
    hits: Int[np.ndarray, 'truth found'], labelled: Int[np.ndarray, 'truth']
) -> Int[np.ndarray, 'found']:
    """Give each person the found pose that hits most of the annotated joints.

    Each pose stands for the person of whom it hits the largest share, and for no other; of the
    poses that stand for a person, the one with the largest share is theirs. Ties go to who comes
    first in the file. This is PoseTrack's rule; a pose that lost its person to a better one does
    not get the next best.

    Args:
        hits: number of joints within reach.
        labelled: number of joints annotated.

    Returns:
        for each found pose its person, or -1.
    """
    people, poses = hits.shape
    person_of_pose = np.full(poses, -1, dtype=np.int64)
    if people == 0 or poses == 0:
        return person_of_pose
    shares = hits / np.maximum(labelled, 1)[:, None]
    is_favourite = np.arange(people)[:, None] == shares.argmax(axis=0)
    claims = np.where(is_favourite, shares, 0.0)
    best_pose = claims.argmax(axis=1)
    people_found = np.flatnonzero(claims.max(axis=1) > 0.0)
    person_of_pose[best_pose[people_found]] = people_found
    return person_of_pose


def without_ignored(frame: Frame) -> Frame:
    """Return the frame without the joints inside ignored polygons.

    Annotated and found joints alike; people of whom nothing is left go too.
    """
    if not frame.ignored:
        return frame
    return replace(
        frame,
        truth=_outside(frame.truth, frame.ignored),
        found=_outside(frame.found, frame.ignored),
    )


def _outside(
    people: PosedPeople, polygons: tuple[Float[np.ndarray, 'corner 2'], ...]
) -> PosedPeople:
    joints = people.joints
    for polygon in polygons:
        joints = np.where(is_inside(joints, polygon)[..., None], np.nan, joints)
    kept = np.isfinite(joints).any(axis=(1, 2))
    return PosedPeople(
        joints[kept], people.scores[kept], people.ids[kept], people.head_sizes_px[kept]
    )


def is_inside(
    points: Float[np.ndarray, '*shape 2'], polygon: Float[np.ndarray, 'corner 2']
) -> Bool[np.ndarray, '*shape']:
    """Return which points lie strictly inside a polygon; NaN does not, nor does its edge.

    Counts the edges that a ray to the right crosses (even-odd rule).
    """
    x, y = points[..., 0, None], points[..., 1, None]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    straddles = (y1 <= y) != (y2 <= y)
    # Twice the signed area of edge and point: 0 on the line, its sign tells the side.
    side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
    crosses = straddles & ((side > 0.0) == (y2 > y1))
    within = (x >= np.minimum(x1, x2)) & (x <= np.maximum(x1, x2))
    within &= (y >= np.minimum(y1, y2)) & (y <= np.maximum(y1, y2))
    is_on_edge = ((side == 0.0) & within).any(axis=-1)
    inside = (crosses.sum(axis=-1) % 2 == 1) & ~is_on_edge
    known_inside: Bool[np.ndarray, '*shape'] = inside & np.isfinite(points).all(axis=-1)
    return known_inside
