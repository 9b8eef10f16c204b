"""Solid things that stand in the scene and hide people: pillars, walls, kiosks, cars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.simulation.camera import NEAR_M, Camera

SUBPIXEL_BITS = 4
"""Fractional bits of polygon corners handed to OpenCV."""

KINDS = ('pillar', 'wall', 'kiosk', 'van')


def fixed_point(corners_px: Float[np.ndarray, '*batch 2']) -> np.ndarray:
    """Return corners as OpenCV's fixed-point integers; its pixel centres are whole numbers."""
    corners = np.round((corners_px - 0.5) * 2**SUBPIXEL_BITS)
    # Far-off corners of a polygon that crosses the image must not overflow.
    return np.asarray(np.clip(corners, -(2**24), 2**24), dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Obstacle:
    """An upright box.

    Attributes:
        kind: one of `KINDS`; sets the material.
        centre: x and y on the ground, m.
        size: width (x), depth (y) and height, m.
        yaw_rad: turn to the left seen from above.
    """

    kind: str
    centre: tuple[float, float]
    size: tuple[float, float, float]
    yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        """Check the kind and the size."""
        if self.kind not in KINDS:
            raise ValueError(f'kind: expected one of {", ".join(KINDS)}; got {self.kind!r}')
        if min(self.size) <= 0:
            raise ValueError(f'size: expected positive lengths, got {self.size}')

    @cached_property
    def corners(self) -> Float[np.ndarray, '8 3']:
        """Corners, m: the bottom four counter-clockwise from the near left, then the top four."""
        width, depth, height = self.size
        base = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, depth / 2)
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        ground = base @ np.array([[cos, sin], [-sin, cos]]) + self.centre
        return np.column_stack([np.tile(ground, (2, 1)), np.repeat([0.0, height], 4)])

    def depth_in(self, camera: Camera) -> float:
        """Return how far the box's centre lies along the optical axis, m."""
        return float(camera.depths(np.array([*self.centre, 0.8])))

    def fill_silhouette(self, camera: Camera, canvas: UInt8[np.ndarray, 'height width']) -> None:
        """Set the pixels it covers to 1; a box that reaches behind the camera covers none."""
        corners_px, depths = camera.project(self.corners)
        if (depths < NEAR_M).any():
            return
        hull = cv2.convexHull(corners_px.astype(np.float32))[:, 0]
        cv2.fillConvexPoly(canvas, fixed_point(hull), 1, cv2.LINE_8, SUBPIXEL_BITS)
