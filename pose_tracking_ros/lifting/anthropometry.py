"""How large people are: how deep joints lie under the skin, and how long limbs can be."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.skeleton import Skeleton

# From the skin that faces the camera to the joint, m. Eyes, ears and nose are landmarks of the
# skin itself. The others are the limb's radius there, rounded, from means of men and women in
# Gordon et al., 2012 Anthropometric Survey of U.S. Army Personnel (NATICK/TR-15/007):
# circumference over 2 pi of wrist, ankle, lower thigh (knee), biceps (shoulder) and forearm
# (elbow), half the depth of the buttocks (hip). Clothes are not counted.
_UNDER_SKIN_M = {
    'nose': 0.0,
    'eye': 0.01,
    'ear': 0.01,
    'shoulder': 0.05,
    'elbow': 0.04,
    'wrist': 0.028,
    'hip': 0.11,
    'knee': 0.055,
    'ankle': 0.036,
    'head_bottom': 0.06,
    'head_top': 0.0,
}
UNDER_SKIN_SPREAD = 0.35
"""Standard deviation of that depth among people, clothes and directions of sight, as a share."""

# How far from the middle of the torso a joint can lie, m, for the tallest (see below).
_REACH_M = {
    'nose': 0.80, 'eye': 0.80, 'ear': 0.80, 'head_bottom': 0.60, 'head_top': 0.85,
    'shoulder': 0.50, 'elbow': 0.85, 'wrist': 1.15, 'hip': 0.50, 'knee': 1.0, 'ankle': 1.45,
}  # fmt: skip

# Taller than 999 of 1000 people; the factor is for what the measurement of both ends adds.
_TALLEST_M = 2.10
_TOLERANCE = 1.2
# Lengths as shares of stature: Drillis and Contini, Body Segment Parameters (1966), as printed in
# Winter, Biomechanics and Motor Control of Human Movement, figure 4.1. From the head to a
# shoulder: from the height of the eyes (0.936) to that of the shoulders (0.818), half a width
# (0.129) aside, and as much again for a head that is bent and turned.
_SHARES = {
    'shoulders': 0.259,
    'hips': 0.191,
    'trunk': 0.288,
    'upper_arm': 0.186,
    'forearm': 0.146,
    'thigh': 0.245,
    'shank': 0.246,
    'head': 0.22,
}
LONGEST_M = {name: share * _TALLEST_M * _TOLERANCE for name, share in _SHARES.items()}
"""No limb of a human measures more than this, m."""

# Outwards from the torso, so that a joint found impossible is not what the next is measured from.
_ARMS_AND_LEGS = (
    ('elbow', (('shoulder', ('upper_arm',)),)),
    ('wrist', (('elbow', ('forearm',)), ('shoulder', ('upper_arm', 'forearm')))),
    ('knee', (('hip', ('thigh',)),)),
    ('ankle', (('knee', ('shank',)), ('hip', ('thigh', 'shank')))),
)
_TORSO = (
    ('left_shoulder', 'right_shoulder', 'shoulders'),
    ('left_hip', 'right_hip', 'hips'),
    ('left_shoulder', 'left_hip', 'trunk'),
    ('right_shoulder', 'right_hip', 'trunk'),
)


def part_of(joint: str) -> str:
    """Return a joint's name without its side."""
    return joint.removeprefix('left_').removeprefix('right_')


@lru_cache(maxsize=8)
def under_skin_m(skeleton: Skeleton) -> Float[np.ndarray, 'joint']:
    """Return how far each joint lies behind the skin that a camera sees, m."""
    return np.array([_UNDER_SKIN_M[part_of(joint)] for joint in skeleton.joints])


@lru_cache(maxsize=8)
def reach_m(skeleton: Skeleton) -> Float[np.ndarray, 'joint']:
    """Return how far each joint can lie from the middle of the torso, m."""
    return np.array([_REACH_M[part_of(joint)] for joint in skeleton.joints])


def impossible_joints(
    joints_m: Float[np.ndarray, 'person joint 3'],
    torso_m: Float[np.ndarray, 'person'],
    skeleton: Skeleton,
) -> Bool[np.ndarray, 'person joint']:
    """Return the joints that would make a limb longer than any human's.

    Of a limb's two ends it is the one farther from the torso; of two joints of the torso the one
    that is farther from the torso's depth.

    Args:
        joints_m: camera's optical frame; NaN where unknown, which makes no limb.
        torso_m: depth of the torso.
        skeleton: names the joints.
    """
    points = np.array(joints_m, dtype=np.float64)
    was_known = np.isfinite(points[..., 0])
    for one, other, limb in _TORSO:
        a, b = skeleton.index(one), skeleton.index(other)
        too_long = _distance(points, a, b) > LONGEST_M[limb]
        is_worse = np.abs(points[:, a, 2] - torso_m) > np.abs(points[:, b, 2] - torso_m)
        points[too_long & is_worse, a] = np.nan
        points[too_long & ~is_worse, b] = np.nan
    for side in ('left', 'right'):
        for part, ways in _ARMS_AND_LEGS:
            joint = skeleton.index(f'{side}_{part}')
            is_checked = np.zeros(len(points), dtype=bool)
            for origin, limbs in ways:
                length = _distance(points, joint, skeleton.index(f'{side}_{origin}'))
                too_long = length > sum(LONGEST_M[limb] for limb in limbs)
                points[too_long & ~is_checked, joint] = np.nan
                # From the next but one only where the next is not known.
                is_checked |= np.isfinite(length)
    shoulders = [skeleton.index(f'{side}_shoulder') for side in ('left', 'right')]
    for index, name in enumerate(skeleton.joints):
        if part_of(name) in ('nose', 'eye', 'ear', 'head_top', 'head_bottom'):
            for shoulder in shoulders:
                too_long = _distance(points, index, shoulder) > LONGEST_M['head']
                points[too_long, index] = np.nan
    return np.asarray(was_known & np.isnan(points[..., 0]))


def _distance(points: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.asarray(np.linalg.norm(points[:, a] - points[:, b], axis=-1))
