"""Posed, dressed people as seen by a camera: polygons in the image, boxes, joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from pose_tracking_ros.simulation.body import PARTS, RING_PART, surface
from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.dressing import Outfit, dress
from pose_tracking_ros.simulation.gait import Bodies
from pose_tracking_ros.simulation.obstacles import SUBPIXEL_BITS, fixed_point
from pose_tracking_ros.simulation.wardrobe import Look
from pose_tracking_ros.skeleton import COCO_17

NEAREST_M = 0.6
"""People nearer to the camera than this are not drawn."""

_ROUNDNESS = ((210, 20), (90, 14), (55, 10))
_PATIENT_PARTS = [PARTS.index(part) for part in ('skirt', 'hair', 'long_hair', 'bun')]
# A top hangs over trousers: its quads are drawn as if they were nearer by so much, m.
_OVER_M = np.array([{'torso': 0.06, 'skirt': 0.08}.get(part, 0.0) for part in PARTS])
# Flesh in front of a joint that belongs to the joint itself, m: more hides it.
_FLESH_M = {
    'nose': 0.03, 'eye': 0.03, 'ear': 0.045, 'shoulder': 0.13, 'elbow': 0.075, 'wrist': 0.06,
    'hip': 0.20, 'knee': 0.10, 'ankle': 0.09,
}  # fmt: skip
_FLESH = np.array([_FLESH_M[name.rsplit('_', 1)[-1]] for name in COCO_17.joints])


@dataclass(frozen=True, eq=False)
class Figure:
    """One person in one image. Only quads that face the camera are kept, farthest first.

    Attributes:
        person: index into the cast.
        depth_m: distance along the optical axis.
        box: corners x1, y1, x2, y2 of the whole body, px, not clipped to the image.
        joints_px: COCO joints.
        joint_depths_m: along the optical axis.
        joints_m: in the camera's optical frame.
        quads_px: corners of the surface quads.
        quad_depths_m: of the quads' centres.
        corner_depths_m: of the quads' corners.
        normals: outward unit normals of the quads, world.
        bands: ring index of each quad.
        sectors: position of each quad around its ring.
        sector_count: quads around a ring.
    """

    person: int
    depth_m: float
    box: Float[np.ndarray, '4']
    joints_px: Float[np.ndarray, 'joint 2']
    joint_depths_m: Float[np.ndarray, 'joint']
    joints_m: Float[np.ndarray, 'joint 3']
    quads_px: Float[np.ndarray, 'quad 4 2']
    quad_depths_m: Float[np.ndarray, 'quad']
    corner_depths_m: Float[np.ndarray, 'quad 4']
    normals: Float[np.ndarray, 'quad 3']
    bands: Int[np.ndarray, 'quad']
    sectors: Int[np.ndarray, 'quad']
    sector_count: int

    def touches(self, image_size: tuple[int, int]) -> bool:
        """Return whether the body's box overlaps the image."""
        x1, y1, x2, y2 = self.box
        return bool(x2 > 0 and y2 > 0 and x1 < image_size[0] and y1 < image_size[1])

    def silhouette(self, window: tuple[int, int, int, int]) -> UInt8[np.ndarray, 'height width']:
        """Return the pixels the body covers, 0 or 1, in a window x1, y1, x2, y2 of the image."""
        x1, y1, x2, y2 = window
        mask = np.zeros((y2 - y1, x2 - x1), dtype=np.uint8)
        for quad in fixed_point(self.quads_px - (x1, y1)):
            cv2.fillConvexPoly(mask, quad, 1, cv2.LINE_8, SUBPIXEL_BITS)
        return mask

    def hidden_by_own_body(self) -> Bool[np.ndarray, 'joint']:
        """Return which joints lie behind another part of the same body."""
        hides = ~np.isin(RING_PART[self.bands], _PATIENT_PARTS)
        nearest = (self.joint_depths_m - _FLESH).max()
        hides &= self.quad_depths_m < nearest
        corners = self.quads_px[hides]
        x, y = self.joints_px.T
        on_one_side = np.ones((len(corners), len(x)), dtype=bool)
        on_other_side = on_one_side.copy()
        for i in range(4):
            here, there = corners[:, i], corners[:, (i + 1) % 4]
            along = (there - here)[:, :, None]
            cross = along[:, 0] * (y - here[:, 1:]) - along[:, 1] * (x - here[:, :1])
            on_one_side &= cross >= 0
            on_other_side &= cross <= 0
        in_front = self.quad_depths_m[hides, None] < (self.joint_depths_m - _FLESH)[None]
        hidden: np.ndarray = ((on_one_side | on_other_side) & in_front).any(0)
        return hidden


def _sectors_for(height_px: float) -> int:
    """Return how round a body must be for its size in the image."""
    return next((sectors for over_px, sectors in _ROUNDNESS if height_px > over_px), 8)


def figures_of(bodies: Bodies, looks: Sequence[Look], camera: Camera) -> list[Figure]:
    """Return the people in front of the camera whose box touches the image, nearest first."""
    depths = camera.depths(bodies.points[:, 0]) if len(looks) else np.zeros(0)
    heights_px = camera.focal_px * bodies.height_m / np.maximum(depths, NEAREST_M)
    figures = []
    for sectors in (*(sectors for _, sectors in _ROUNDNESS), 8):
        chosen = [
            i for i, depth in enumerate(depths)
            if depth > NEAREST_M and _sectors_for(heights_px[i]) == sectors
        ]  # fmt: skip
        if not chosen:
            continue
        some = Bodies(bodies.points[chosen], bodies.frames[chosen], bodies.height_m[chosen])
        outfits = [dress(looks[i], sectors) for i in chosen]
        points = surface(some, np.stack([outfit.radii for outfit in outfits]), sectors)
        points_px, point_depths = camera.project(points)
        joints_px, _ = camera.project(some.joints)
        joints = camera.to_optical(some.joints)
        for k, i in enumerate(chosen):
            figure = _figure(
                i, points[k], points_px[k], point_depths[k], outfits[k],
                joints_px[k], joints[k], camera,
            )  # fmt: skip
            if figure.touches(camera.image_size):
                figures.append(figure)
    return sorted(figures, key=lambda figure: figure.depth_m)


def _figure(
    person: int,
    points: np.ndarray,
    points_px: np.ndarray,
    depths: np.ndarray,
    outfit: Outfit,
    joints_px: np.ndarray,
    joints: np.ndarray,
    camera: Camera,
) -> Figure:
    corners = outfit.corners
    quads = points.reshape(-1, 3)[corners]
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    outward = ((quads[:, 0] + quads[:, 2]) * 0.5 - camera.position) * normals
    kept = np.nonzero(outward[:, 0] + outward[:, 1] + outward[:, 2] < 0)[0]
    x, y = points_px.reshape(-1, 2)[outfit.points].T
    corner_depths = depths.reshape(-1)[corners[kept]]
    quad_depths = corner_depths @ np.full(4, 0.25)
    order = np.argsort(_OVER_M[RING_PART[outfit.bands[kept]]] - quad_depths)
    kept = kept[order]
    normals = normals[kept]
    normals /= np.maximum(np.sqrt((normals**2) @ np.ones((3, 1))), 1e-12)
    return Figure(
        person=person,
        depth_m=float(joints[:, 2].mean()),
        box=np.array([x.min(), y.min(), x.max(), y.max()]),
        joints_px=joints_px,
        joint_depths_m=joints[:, 2],
        joints_m=joints,
        quads_px=points_px.reshape(-1, 2)[corners[kept]],
        quad_depths_m=quad_depths[order],
        corner_depths_m=corner_depths[order],
        normals=normals,
        bands=outfit.bands[kept],
        sectors=outfit.sectors[kept],
        sector_count=points.shape[1],
    )
