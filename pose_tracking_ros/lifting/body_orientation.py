"""Which way people face, from their shoulders and hips.

The body's axes follow REP 103: x forward, out of the chest; y to the person's left; z up along the
torso, which in somebody who bends over is not up in the room. In a frame whose z is up the yaw of
x is the direction that the person faces.

Left is told by the shoulders alone. Hips lie so deep in the body that a depth camera sees one
surface before both of them, whichever way they turn. Seen from the side, a body hides one of its
own shoulders: that one is the farther, on the line of sight of its estimated pixel, as far from
the other as shoulders are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from pose_tracking_ros.skeleton import Skeleton

# From joint to joint, as a share of the trunk from shoulder to hip. Biacromial breadth is 0.237 of
# stature (means of Gordon et al., NATICK/TR-15/007), and the joints lie some 3.5 cm inwards of the
# acromia; the trunk is 0.288 (Drillis and Contini; `anthropometry`).
_WIDTH_OF_TRUNK = 0.70
# A hidden shoulder found so much farther away than shoulders are apart was guessed wrongly.
_MAX_STRETCH = 1.4
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
    All is NaN for a person without these, or whose joints contradict each other. Nobody gives
    length 0.

    Args:
        joints_m: in the camera's optical frame; NaN where unknown.
        rays: lines of sight of the joints' pixels, also of hidden ones; NaN where not estimated.
        skeleton: names the joints.
    """
    (left_shoulder, right_shoulder), (left_hip, right_hip) = (
        (skeleton.index(f'left_{part}'), skeleton.index(f'right_{part}'))
        for part in ('shoulder', 'hip')
    )
    up = _mean_of_known(
        joints_m[:, left_shoulder] - joints_m[:, left_hip],
        joints_m[:, right_shoulder] - joints_m[:, right_hip],
    )
    width_m = _WIDTH_OF_TRUNK * np.linalg.norm(up, axis=-1)
    ends = []
    for one, other in ((left_shoulder, right_shoulder), (right_shoulder, left_shoulder)):
        hidden = _behind(joints_m[:, other], rays[:, one], width_m)
        ends.append(np.where(np.isfinite(joints_m[:, one]), joints_m[:, one], hidden))
    left = ends[0] - ends[1]
    lengths_m = np.linalg.norm([left, up], axis=-1)
    along = (left * up).sum(axis=-1) / np.where(lengths_m > 0, lengths_m, np.nan).prod(axis=0)
    is_usable = (lengths_m > _MIN_LENGTH_M).all(axis=0) & (np.abs(along) < _MAX_ALONG)
    z = up / np.where(is_usable, lengths_m[1], np.nan)[:, None]
    x = np.cross(left, z)
    x /= np.where(is_usable, np.linalg.norm(x, axis=-1), np.nan)[:, None]
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


def _behind(
    point_m: Float[np.ndarray, 'person 3'],
    ray: Float[np.ndarray, 'person 3'],
    distance_m: Float[np.ndarray, 'person'],
) -> Float[np.ndarray, 'person 3']:
    """Return the farther place on a ray that lies at a distance from a point.

    Where the ray passes the point farther off, it is the nearest place on the ray; NaN where that
    is too far for an error of the pixel.
    """
    along = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    middle_m = (point_m * along).sum(axis=-1)
    aside_m = np.linalg.norm(point_m - middle_m[:, None] * along, axis=-1)
    back_m = np.sqrt(np.maximum(distance_m**2 - aside_m**2, 0.0))
    is_possible = aside_m <= _MAX_STRETCH * distance_m
    return np.where(is_possible[:, None], (middle_m + back_m)[:, None] * along, np.nan)


def _mean_of_known(
    one: Float[np.ndarray, 'person 3'], other: Float[np.ndarray, 'person 3']
) -> Float[np.ndarray, 'person 3']:
    both = np.stack([one, other])
    count = np.isfinite(both).all(axis=-1).sum(axis=0)[:, None]
    return np.asarray(np.nansum(both, axis=0) / np.where(count > 0, count, np.nan))
