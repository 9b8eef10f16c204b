"""What the tracker remembers, moved along with the camera: pure functions.

All of them take an affine map of the previous image's pixels to the present one's, as
`camera_motion` finds it. With `L` its linear part, centres and joints move exactly. A filter whose
coordinates are independent of each other cannot hold all of what `L` does to its covariances;
what it can hold is moved as the diagonal of `L V L^T`.

A box is taken as the ellipse within it when the camera turns: its sides become the roots of the
diagonal of `L diag(w^2, h^2) L^T`. A person fills the ellipse rather than the corners, and the box
around the turned corners would grow with every turn, to and fro.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.track_arrays import TrackArrays

_MIN_SIDE_PX = 1e-6


def move_points(
    points: Float[np.ndarray, '*rows 2'], affine: Float[np.ndarray, '2 3']
) -> Float[np.ndarray, '*rows 2']:
    """Return positions in the present image; NaN stays NaN, and so does the precision."""
    moved: Float[np.ndarray, '*rows 2'] = points @ affine[:, :2].T + affine[:, 2]
    return moved.astype(points.dtype)


def move_boxes(
    boxes: Float[np.ndarray, 'box 4'], affine: Float[np.ndarray, '2 3']
) -> Float[np.ndarray, 'box 4']:
    """Return corner boxes in the present image, px."""
    centre = move_points(0.5 * (boxes[:, :2] + boxes[:, 2:]), affine)
    sides, _ = _turned_sides(boxes[:, 2:] - boxes[:, :2], affine)
    return np.concatenate([centre - 0.5 * sides, centre + 0.5 * sides], axis=1)


def move_moments(
    moments: Float[np.ndarray, 'track 5 4'], affine: Float[np.ndarray, '2 3']
) -> Float[np.ndarray, 'track 5 4']:
    """Return the motion filter's state in the pixels of the present image.

    Positions, velocities and their variances are those of the same instant as before: to be
    called before `motion.predict`. Velocities are then relative to what stands still.

    Args:
        moments: see `motion`; not changed.
        affine: previous to present pixels.
    """
    linear = affine[:, :2]
    sides, gain = _turned_sides(moments[:, motion.POSITION, 2:], affine)
    moved = np.empty_like(moments)
    moved[:, motion.POSITION, :2] = move_points(moments[:, motion.POSITION, :2], affine)
    moved[:, motion.POSITION, 2:] = sides
    moved[:, motion.VELOCITY, :2] = moments[:, motion.VELOCITY, :2] @ linear.T
    moved[:, motion.VELOCITY, 2:] = np.einsum('tij,tj->ti', gain, moments[:, motion.VELOCITY, 2:])
    second = slice(motion.VAR_POSITION, motion.VAR_VELOCITY + 1)
    moved[:, second, :2] = moments[:, second, :2] @ (linear**2).T
    moved[:, second, 2:] = np.einsum('tij,tkj->tki', gain**2, moments[:, second, 2:])
    return moved


def move_tracks(tracks: TrackArrays, affine: Float[np.ndarray, '2 3']) -> None:
    """Move all that tracks remember in pixels into the present image; changes `tracks`."""
    tracks.moments = move_moments(tracks.moments, affine)
    tracks.boxes = move_boxes(tracks.boxes, affine)
    tracks.last_boxes = move_boxes(tracks.last_boxes, affine)
    tracks.keypoints = move_points(tracks.keypoints, affine)


def _turned_sides(
    sides: Float[np.ndarray, 'box 2'], affine: Float[np.ndarray, '2 3']
) -> tuple[Float[np.ndarray, 'box 2'], Float[np.ndarray, 'box 2 2']]:
    """Return the sides of the moved ellipses' boxes, and how they change with the sides before."""
    squared = affine[:, :2] ** 2
    sides = np.maximum(sides, _MIN_SIDE_PX)
    turned = np.sqrt(sides**2 @ squared.T)
    gain = squared * sides[:, None, :] / turned[:, :, None]
    return turned, gain
