"""Which surface a depth camera sees at a joint: of several in a window, the person's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.lifting.anthropometry import reach_m
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.skeleton import Skeleton

# Half the window's width as a share of the root of the box's area, which is about 0.9 m for an
# adult seen from head to foot: 3 cm, the radius of a forearm.
_WINDOW_SHARE = 0.033
_MAX_WINDOW_PX = 24.0
# A disc of samples, however large: enough for a median, and no more to read for people nearby.
_GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, 7)] * 2), axis=-1).reshape(-1, 2)
_DISC = _GRID[(_GRID**2).sum(-1) <= 1.1]
_MIN_SAMPLES = 3
# A step between neighbouring samples, sorted by depth, that a surface does not have.
_STEP_M = 0.03
_TORSO_STEP_M = 0.12
# A surface that fills less of the window is something that sticks in from its edge.
_MIN_SHARE = 0.3
_MIN_TORSO_SHARE = 0.2


class Surface(NamedTuple):
    """A surface found among samples.

    Attributes:
        depth_m: median; NaN where there is none.
        spread_m: standard deviation of its samples, estimated from their quartiles.
    """

    depth_m: Float[np.ndarray, '*batch']
    spread_m: Float[np.ndarray, '*batch']


class PeopleSurfaces(NamedTuple):
    """What a depth image shows of people.

    Attributes:
        depth_m: of the surface in front of each joint; NaN where unknown.
        spread_m: standard deviation of the samples there.
        torso_m: depth of each person's torso; NaN where nothing is seen of the person.
    """

    depth_m: Float[np.ndarray, 'person joint']
    spread_m: Float[np.ndarray, 'person joint']
    torso_m: Float[np.ndarray, 'person']


def depth_noise_m(depth_m: Float[np.ndarray, '*batch']) -> Float[np.ndarray, '*batch']:
    """Return the standard deviation of a depth camera at a distance, m.

    That of a structured-light sensor: Nguyen, Izadi and Lovell, Modeling Kinect Sensor Noise for
    Improved 3D Reconstruction and Tracking, 3DIMPVT 2012. Stereo cameras are of the same order.
    """
    return np.asarray(0.0012 + 0.0019 * (np.asarray(depth_m) - 0.4) ** 2)


def nearest_surface(
    samples: Float[np.ndarray, '*batch sample'], step_m: float, min_share: float
) -> Surface:
    """Return the nearest surface that holds enough of the samples.

    Sorted by depth, samples of one surface follow each other closely; a larger step begins
    another.

    Args:
        samples: depth in m; NaN where unknown.
        step_m: the largest step within a surface; three times the camera's noise is added.
        min_share: of the known samples that a surface must have, [0, 1]; and never less than 3.
    """
    count = samples.shape[-1]
    ordered = np.sort(samples, axis=-1).astype(np.float64)
    known = np.isfinite(ordered)
    known_count = known.sum(-1, keepdims=True)
    gaps = np.diff(ordered, axis=-1)
    begins = np.ones_like(known)
    begins[..., 1:] = gaps > step_m + 3 * depth_noise_m(ordered[..., 1:])
    place = np.arange(count)
    ends = np.ones_like(known)
    ends[..., :-1] = begins[..., 1:]
    ends |= place == known_count - 1
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, place, count)[..., ::-1], axis=-1)[..., ::-1]
    size = last - first + 1
    suits = known & (size >= np.maximum(_MIN_SAMPLES, min_share * known_count))
    nearest = suits.argmax(-1)[..., None]
    low = np.take_along_axis(first, nearest, -1)
    span = np.take_along_axis(size, nearest, -1) - 1

    def quantile(share: float) -> np.ndarray:
        # Between the two samples nearest to it, like np.quantile.
        at = low + share * span
        below, above = np.floor(at).astype(int), np.ceil(at).astype(int)
        a, b = (np.take_along_axis(ordered, np.clip(i, 0, count - 1), -1) for i in (below, above))
        return np.asarray((a + (at - below) * (b - a))[..., 0])

    found = suits.any(-1)
    # Quartiles of a normal distribution are 1.349 standard deviations apart.
    spread = (quantile(0.75) - quantile(0.25)) / 1.349
    return Surface(np.where(found, quantile(0.5), np.nan), np.where(found, spread, np.nan))


def find_surfaces(
    depth: DepthImage,
    joints_px: Float[np.ndarray, 'person joint 2'],
    seen: Bool[np.ndarray, 'person joint'],
    boxes: Float[np.ndarray, 'person 4'],
    skeleton: Skeleton,
) -> PeopleSurfaces:
    """Return the depth of the surface at each joint that is seen.

    First the torso: the nearest consistent surface about the joints of the torso that are seen (if
    there are fewer than two, about all that are seen). Then each joint: the nearest surface in its
    window, without what lies farther from the torso than the body reaches, before or behind it.

    Args:
        depth: the image.
        joints_px: in pixels of the depth image.
        seen: which joints are seen in the image; the others are unknown.
        boxes: in pixels of the depth image.
        skeleton: names the joints.
    """
    size = np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1))
    radius = np.clip(_WINDOW_SHARE * size, 1.0, _MAX_WINDOW_PX)
    seen = seen & np.isfinite(joints_px).all(-1)
    windows = np.where(seen[..., None, None], joints_px[..., None, :], np.nan)
    samples = _read(depth, windows + radius[:, None, None, None] * _DISC)
    torso = _torso(depth, joints_px, seen, samples, radius, skeleton)
    near = np.abs(samples - torso[:, None, None]) <= reach_m(skeleton)[:, None]
    surface = nearest_surface(np.where(near, samples, np.nan), _STEP_M, _MIN_SHARE)
    return PeopleSurfaces(surface.depth_m, surface.spread_m, torso)


def _torso(
    depth: DepthImage,
    joints_px: np.ndarray,
    seen: np.ndarray,
    samples: np.ndarray,
    radius: np.ndarray,
    skeleton: Skeleton,
) -> Float[np.ndarray, 'person']:
    """Return the depth of each torso, m."""
    corners = [
        skeleton.index(f'{side}_{part}')
        for part in ('shoulder', 'hip')
        for side in ('left', 'right')
    ]
    people = len(joints_px)
    a, b = np.triu_indices(len(corners), 1)
    ends = np.where(seen[..., None], joints_px, np.nan)[:, corners]
    share = np.array([0.25, 0.5, 0.75])[:, None, None]
    between = (1 - share) * ends[:, None, a] + share * ends[:, None, b]
    middle = between.reshape(people, -1, 1, 2) + radius[:, None, None, None] * _DISC[::4]
    on_torso = np.concatenate(
        [samples[:, corners].reshape(people, -1), _read(depth, middle).reshape(people, -1)], axis=1
    )
    torso = nearest_surface(on_torso, _TORSO_STEP_M, _MIN_TORSO_SHARE).depth_m
    anywhere = nearest_surface(samples.reshape(people, -1), _TORSO_STEP_M, _MIN_TORSO_SHARE)
    has_torso = (seen[:, corners].sum(-1) >= 2) & np.isfinite(torso)
    return np.where(has_torso, torso, anywhere.depth_m)


def _read(
    depth: DepthImage, points_px: Float[np.ndarray, '*batch 2']
) -> Float[np.ndarray, '*batch']:
    """Return the depth of the pixels that hold the points; NaN for points that are NaN."""
    # Pixel (0, 0) covers [0, 1) in both directions.
    cells = np.floor(np.where(np.isfinite(points_px), points_px, -1.0))
    column_row: Int[np.ndarray, '*batch 2'] = cells.astype(np.int64)
    return depth.metres_at(column_row[..., 1], column_row[..., 0])
