"""Depth images of the simulated world: exact, and as a depth camera sees it.

Distances are along the optical axis, as in ROS. People are the same surface quads that pictures
are made of, each as two triangles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.simulation.camera import NEAR_M, Camera
from pose_tracking_ros.simulation.figures import Figure
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.planes import Plane

Depth = Float[np.ndarray, 'height width']

_QUAD_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
# Bottom and top stay out of pictures, and nobody looks at a box from above.
_SIDES = ((0, 1, 4), (1, 2, 5), (2, 3, 6), (3, 0, 7))
# A structured-light camera of the first generation: projector beside the camera, its range, and
# the share of pixels that fail anywhere.
_BASELINE_M = 0.075
_RANGE_M = (0.5, 9.0)
_DROPOUT_SHARE = 0.005


def render_depth(
    camera: Camera,
    figures: Sequence[Figure],
    obstacles: Sequence[Obstacle],
    walls: Sequence[Plane],
) -> Depth:
    """Return the depth of the nearest surface at each pixel's middle, m, float32; NaN for none.

    Args:
        camera: what sees it.
        figures: people.
        obstacles: solid things; those that reach behind the camera are not seen, as in pictures.
        walls: of buildings; likewise.
    """
    width, height = camera.image_size
    fx, fy, cx, cy = camera.intrinsics
    x = (np.arange(width) + 0.5 - cx) / fx
    y = (np.arange(height) + 0.5 - cy) / fy
    # Rays of depth 1 in world coordinates, without the camera's position.
    right, down, forward = camera.rotation
    rays = x[None, :, None] * right + y[:, None, None] * down + forward
    # Kept as 1 / depth: linear over a plane's picture, and 0 for nothing.
    with np.errstate(divide='ignore'):
        nearness = np.maximum(-rays[..., 2] / camera.position[2], 0.0)
    for wall in walls:
        if wall.faces(camera):
            _add_rectangle(nearness, camera, rays, wall.corners[[3, 2, 0]])
    for obstacle in obstacles:
        if (camera.depths(obstacle.corners) >= NEAR_M).all():
            for side in _SIDES:
                _add_rectangle(nearness, camera, rays, obstacle.corners[list(side)])
    for figure in figures:
        _add_triangles(
            nearness,
            figure.quads_px[:, _QUAD_TRIANGLES].reshape(-1, 3, 2),
            figure.corner_depths_m[:, _QUAD_TRIANGLES].reshape(-1, 3),
        )
    depth = np.full(nearness.shape, np.nan, dtype=np.float32)
    np.divide(1.0, nearness, out=depth, where=nearness > 0, casting='same_kind')
    return depth


def _add_rectangle(
    nearness: Depth, camera: Camera, rays: np.ndarray, corners: Float[np.ndarray, '3 3']
) -> None:
    """Add a rectangle by a corner and the ends of the two edges there."""
    origin, end_u, end_v = corners
    along_u, along_v = end_u - origin, end_v - origin
    fourth = origin + along_u + along_v
    corners_px, depths = camera.project(np.stack([origin, end_u, end_v, fourth]))
    if (depths < NEAR_M).any():
        return
    height, width = nearness.shape
    x1, y1 = np.clip(np.floor(corners_px.min(0)), 0, (width, height)).astype(int)
    x2, y2 = np.clip(np.ceil(corners_px.max(0)), 0, (width, height)).astype(int)
    window = (slice(y1, y2), slice(x1, x2))
    normal = np.cross(along_u, along_v)
    offset = (origin - camera.position) @ normal
    seen = rays[window] @ normal / offset
    with np.errstate(divide='ignore', invalid='ignore'):
        hits = rays[window] / seen[..., None] + (camera.position - origin)
        u = hits @ along_u / (along_u @ along_u)
        v = hits @ along_v / (along_v @ along_v)
    inside = (seen > 0) & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    nearness[window] = np.maximum(nearness[window], np.where(inside, seen, 0.0))


def _add_triangles(
    nearness: Depth,
    corners_px: Float[np.ndarray, 'triangle 3 2'],
    depths_m: Float[np.ndarray, 'triangle 3'],
) -> None:
    """Add triangles; those that reach behind the camera are left out."""
    height, width = nearness.shape
    before = (depths_m >= NEAR_M).all(-1)
    corners, depths = corners_px[before], depths_m[before]
    # Pixels whose middle lies in the triangle's box.
    size = np.array([width, height])
    low = np.clip(np.ceil(corners.min(1) - 0.5), 0, size).astype(np.int64)
    high = np.clip(np.floor(corners.max(1) - 0.5) + 1, low, size).astype(np.int64)
    spans = high - low
    counts = spans[:, 0] * spans[:, 1]
    total = int(counts.sum())
    if not total:
        return
    owner = np.repeat(np.arange(len(corners)), counts)
    number = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    row = low[owner, 1] + number // spans[owner, 0]
    column = low[owner, 0] + number % spans[owner, 0]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    twice_area = _cross(b - a, c - a)
    usable = np.abs(twice_area) > 1e-12
    factor = np.where(usable, 1 / np.where(usable, twice_area, 1), np.nan)[owner]
    point = np.stack([column + 0.5, row + 0.5], axis=-1)
    weight_b = _cross(point - a[owner], (c - a)[owner]) * factor
    weight_c = _cross((b - a)[owner], point - a[owner]) * factor
    weight_a = 1 - weight_b - weight_c
    # A little too large, so that no ray passes between two neighbours.
    inside = np.minimum(np.minimum(weight_a, weight_b), weight_c) >= -1e-9
    near = 1 / depths
    value = weight_a * near[owner, 0] + weight_b * near[owner, 1] + weight_c * near[owner, 2]
    cells = (row * width + column)[inside]
    flat = nearness.reshape(-1)
    np.maximum.at(flat, cells, value[inside])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def as_sensed(depth: Depth, focal_px: float, rng: np.random.Generator) -> Depth:
    """Return what a structured-light camera makes of an exact depth image, m, float32.

    Noise grows with distance (Nguyen et al., 3DIMPVT 2012: standard deviation
    0.0012 m + 0.0019 (z - 0.4)²); holes where the projector beside the camera is shadowed, on
    edges, beyond its range of 0.5 to 9 m, and in half a percent of the pixels anywhere.

    Args:
        depth: exact, m; NaN where unknown.
        focal_px: of the camera.
        rng: source of the noise.
    """
    # The projector stands to the right: what it lights it sees in the same order as the camera.
    # Where depth is unknown, the sky lies.
    far = np.where(np.isfinite(depth), depth, np.inf)
    there = np.arange(depth.shape[1]) + 0.5 - _BASELINE_M * focal_px / far
    next_there = np.minimum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    shadowed = np.zeros(depth.shape, dtype=bool)
    shadowed[:, :-1] = there[:, :-1] >= next_there[:, 1:]
    edge = np.zeros(depth.shape, dtype=bool)
    for axis in range(2):
        with np.errstate(invalid='ignore'):
            step = np.abs(np.diff(far, axis=axis)) > 0.1 + 0.02 * np.minimum(
                np.delete(far, -1, axis), np.delete(far, 0, axis)
            )
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 1)
        edge |= np.pad(step, pad)
        edge |= np.roll(np.pad(step, pad), 1, axis)
    noise = rng.standard_normal(depth.shape) * (0.0012 + 0.0019 * (depth - 0.4) ** 2)
    sensed = (depth + noise).astype(np.float32)
    lost = shadowed | edge | (rng.random(depth.shape) < _DROPOUT_SHARE)
    # Written so that NaN stays NaN.
    in_range = (sensed >= _RANGE_M[0]) & (sensed <= _RANGE_M[1])
    return np.where(in_range & ~lost, sensed, np.float32(np.nan))
