"""Which way people face, from their shoulders, hips and nose.

The body's axes follow REP 103: x forward, out of the chest; y to the person's left; z up along the
torso, which in somebody who bends over is not up in the room. In a frame whose z is up the yaw of
x is the direction that the person faces.

Left is told by the shoulders alone. Hips lie so deep in the body that a depth camera sees one
surface before both of them, whichever way they turn. Of the line between the shoulders, what lies
across the line of sight is told by the image. What lies along it is measured only while both are
seen; from the side a body hides one of its own shoulders, and a network that finds it all the same
finds it on the surface before it. So it is taken to be what the breadth of shoulders leaves, and
its sign from all there is: from the depths measured, from which shoulder is hidden, since that is
the farther, and from where the nose stands out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from pose_tracking_ros.skeleton import Skeleton

# From joint to joint, as a share of the trunk from shoulder to hip. Biacromial breadth is 0.237 of
# stature (means of Gordon et al., NATICK/TR-15/007), and the joints lie some 3.5 cm inwards of the
# acromia; the trunk is 0.288 (Drillis and Contini; `anthropometry`).
_WIDTH_OF_TRUNK = 0.70
# Of that breadth: seen across from here on, depths count as measured; below, the breadth counts.
_MEASURED_FROM, _BREADTH_BELOW = 0.9, 0.65
# Across the line of sight by more than this share of the breadth: guessed wrongly.
_MAX_STRETCH = 1.4
# With less evidence than this, m, it is not known which shoulder is the farther.
_MIN_EVIDENCE_M = 0.04
# Upright, the torso and the line across it are at right angles; more along it (cosine) than this
# and no cross product can be relied on.
_MAX_ALONG = 0.7
# Shorter than a small child's, m: two joints found at one place give no direction.
_MIN_LENGTH_M = 0.08


def torso_rotations(
    joints_m: Float[np.ndarray, 'person joint 3'],
    rays: Float[np.ndarray, 'person joint 3'],
    skeleton: Skeleton,
) -> Float[np.ndarray, 'person 3 3']:
    """Return rotations from body to camera frame; their columns are forward, left and up.

    It takes one side of the torso, shoulder and hip, and the other shoulder, at least as a ray.
    All is NaN for a person without these, whose joints contradict each other, or of whom front and
    back cannot be told. Nobody gives length 0.

    Args:
        joints_m: in the camera's optical frame; NaN where unknown.
        rays: lines of sight of the joints' pixels, also of hidden ones; NaN where not estimated.
        skeleton: names the joints.
    """
    left_shoulder, right_shoulder, left_hip, right_hip = (
        joints_m[:, skeleton.index(f'{side}_{part}')]
        for part in ('shoulder', 'hip')
        for side in ('left', 'right')
    )
    up = _mean_of_known(left_shoulder - left_hip, right_shoulder - right_hip)
    trunk_m = np.linalg.norm(up, axis=-1)
    z = up / np.where(trunk_m > _MIN_LENGTH_M, trunk_m, np.nan)[:, None]
    left = _left_of(
        left_shoulder,
        right_shoulder,
        rays[:, [skeleton.index(f'{side}_shoulder') for side in ('left', 'right')]],
        rays[:, skeleton.index('nose')],
        z,
        _WIDTH_OF_TRUNK * trunk_m,
    )
    length_m = np.linalg.norm(left, axis=-1)
    along = np.abs((left * z).sum(axis=-1)) / np.where(length_m > _MIN_LENGTH_M, length_m, np.nan)
    x = np.cross(left, z)
    x /= np.where(along < _MAX_ALONG, np.linalg.norm(x, axis=-1), np.nan)[:, None]
    z = np.where(np.isfinite(x), z, np.nan)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def quaternions_from_rotations(
    rotations: Float[np.ndarray, 'person 3 3'],
) -> Float[np.ndarray, 'person 4']:
    """Return unit quaternions x, y, z, w with w >= 0; NaN where a rotation is NaN."""
    quaternions = np.full((len(rotations), 4), np.nan)
    known = np.isfinite(rotations).all(axis=(1, 2))
    if known.any():
        found = Rotation.from_matrix(rotations[known]).as_quat()
        quaternions[known] = np.where(found[:, 3:] < 0, -found, found)
    return quaternions


def _left_of(
    left_m: Float[np.ndarray, 'person 3'],
    right_m: Float[np.ndarray, 'person 3'],
    shoulder_rays: Float[np.ndarray, 'person side 3'],
    nose_ray: Float[np.ndarray, 'person 3'],
    up: Float[np.ndarray, 'person 3'],
    width_m: Float[np.ndarray, 'person'],
) -> Float[np.ndarray, 'person 3']:
    """Return the line from the right to the left shoulder; NaN where it cannot be told."""
    sight = shoulder_rays.mean(axis=1)
    depth_m = _mean_of_known(left_m, right_m)[:, 2]
    across = (shoulder_rays[:, 0] - shoulder_rays[:, 1]) * depth_m[:, None]
    nose = (nose_ray - sight) * depth_m[:, None]
    sight = sight / np.linalg.norm(sight, axis=-1, keepdims=True)
    across -= (across * sight).sum(axis=-1)[:, None] * sight
    across_m = np.linalg.norm(across, axis=-1)
    breadth_m = np.sqrt(np.maximum(width_m**2 - across_m**2, 0.0))
    measured_m = ((left_m - right_m) * sight).sum(axis=-1)
    is_left_known, is_right_known = _is_known(left_m), _is_known(right_m)
    is_measured = is_left_known & is_right_known
    # Of both, the hidden one is the farther.
    measured_m = np.where(
        is_measured, measured_m, breadth_m * (1.0 * is_right_known - is_left_known)
    )
    # Forward is left x up, so the nose stands out this way when left points away from the camera.
    stands_out_m = np.nan_to_num((nose * np.cross(sight, up)).sum(axis=-1))
    evidence_m = measured_m + stands_out_m
    share = across_m / np.where(width_m > 0, width_m, np.nan)
    trust = np.clip((_MEASURED_FROM - share) / (_MEASURED_FROM - _BREADTH_BELOW), 0.0, 1.0)
    is_told = (np.abs(evidence_m) > _MIN_EVIDENCE_M) | (trust < 0.5)
    # Depth and nose against each other: left and right were exchanged, or the head is turned far.
    is_told &= (
        (measured_m * stands_out_m >= 0)
        | (np.abs(measured_m) < _MIN_EVIDENCE_M)
        | (np.abs(stands_out_m) < _MIN_EVIDENCE_M)
    )
    supposed_m = np.sign(evidence_m) * np.maximum(np.abs(measured_m), breadth_m)
    along_m = (1 - trust) * measured_m + trust * supposed_m
    is_possible = (share < _MAX_STRETCH) & is_told
    return np.where(is_possible[:, None], across + along_m[:, None] * sight, np.nan)


def _is_known(points_m: Float[np.ndarray, 'person 3']) -> Bool[np.ndarray, 'person']:
    return np.asarray(np.isfinite(points_m).all(axis=-1))


def _mean_of_known(
    one: Float[np.ndarray, 'person 3'], other: Float[np.ndarray, 'person 3']
) -> Float[np.ndarray, 'person 3']:
    both = np.stack([one, other])
    count = _is_known(one)[:, None] + 1.0 * _is_known(other)[:, None]
    return np.asarray(np.nansum(both, axis=0) / np.where(count > 0, count, np.nan))
