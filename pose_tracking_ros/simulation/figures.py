"""Posed, dressed people as seen by a camera: polygons in the image, boxes, joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from pose_tracking_ros.simulation.body import PARTS, RING_PART, surface
from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.dressing import dress
from pose_tracking_ros.simulation.gait import Bodies
from pose_tracking_ros.simulation.obstacles import SUBPIXEL_BITS, fixed_point
from pose_tracking_ros.simulation.wardrobe import Look
from pose_tracking_ros.skeleton import COCO_17

NEAREST_M = 0.6
"""People nearer to the camera than this are not drawn."""

_PATIENT_PARTS = [PARTS.index(part) for part in ('skirt', 'hair', 'long_hair', 'bun')]
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
        quads_px: corners of the surface quads.
        quad_depths_m: of the quads' centres.
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
    quads_px: Float[np.ndarray, 'quad 4 2']
    quad_depths_m: Float[np.ndarray, 'quad']
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
        corners = self.quads_px[:, None]
        edges = np.roll(corners, -1, axis=2) - corners
        to_joint = self.joints_px[None, :, None] - corners
        cross = edges[..., 0] * to_joint[..., 1] - edges[..., 1] * to_joint[..., 0]
        inside = (cross >= 0).all(-1) | (cross <= 0).all(-1)
        in_front = self.quad_depths_m[:, None] < (self.joint_depths_m - _FLESH)[None]
        hides = ~np.isin(RING_PART[self.bands], _PATIENT_PARTS)
        hidden: np.ndarray = (inside & in_front & hides[:, None]).any(0)
        return hidden


def _sectors_for(height_px: float) -> int:
    """Return how round a body must be for its size in the image."""
    return 20 if height_px > 210 else 14 if height_px > 90 else 10


def figures_of(bodies: Bodies, looks: Sequence[Look], camera: Camera) -> list[Figure]:
    """Return the people in front of the camera whose box touches the image, nearest first."""
    depths = camera.depths(bodies.points[:, 0]) if len(looks) else np.zeros(0)
    heights_px = camera.focal_px * bodies.height_m / np.maximum(depths, NEAREST_M)
    figures = []
    for sectors in (20, 14, 10):
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
        joints_px, joint_depths = camera.project(some.joints)
        for k, i in enumerate(chosen):
            figure = _figure(
                i, points[k], points_px[k], point_depths[k], outfits[k].is_drawn,
                joints_px[k], joint_depths[k], camera,
            )  # fmt: skip
            if figure.touches(camera.image_size):
                figures.append(figure)
    return sorted(figures, key=lambda figure: figure.depth_m)


def _figure(
    person: int,
    points: np.ndarray,
    points_px: np.ndarray,
    depths: np.ndarray,
    is_drawn: np.ndarray,
    joints_px: np.ndarray,
    joint_depths: np.ndarray,
    camera: Camera,
) -> Figure:
    def quads_of(grid: np.ndarray) -> np.ndarray:
        turned = np.roll(grid, -1, axis=1)
        return np.stack([grid[:-1], turned[:-1], turned[1:], grid[1:]], axis=2)

    bands, sectors = np.nonzero(is_drawn)
    quads = quads_of(points)[bands, sectors]
    quads_px = quads_of(points_px)[bands, sectors]
    box = np.concatenate([quads_px.min((0, 1)), quads_px.max((0, 1))])
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    faces_camera = ((quads.mean(1) - camera.position) * normals).sum(-1) < 0
    quad_depths = quads_of(depths[..., None])[bands, sectors].mean((1, 2))
    kept = np.nonzero(faces_camera)[0]
    kept = kept[np.argsort(-quad_depths[kept])]
    return Figure(
        person=person,
        depth_m=float(joint_depths.mean()),
        box=box,
        joints_px=joints_px,
        joint_depths_m=joint_depths,
        quads_px=quads_px[kept],
        quad_depths_m=quad_depths[kept],
        normals=normals[kept],
        bands=bands[kept],
        sectors=sectors[kept],
        sector_count=is_drawn.shape[1],
    )
