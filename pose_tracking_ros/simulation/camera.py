"""A pinhole camera that stands, pans or is carried through the simulated world.

World coordinates are metres: x to the right, y forward, z up, the ground at z = 0. Pixel
coordinates follow `people.py`: the centre of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

NEAR_M = 0.05
"""Points nearer than this have no usable projection."""


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera at one moment.

    Attributes:
        image_size: width and height, px.
        focal_px: focal length, the same in x and y, px.
        position: of the optical centre, m.
        yaw_rad: turn to the left seen from above; 0 looks along +y.
        pitch_rad: tilt upwards; negative looks down.
        roll_rad: turn about the optical axis; positive turns the camera clockwise.
    """

    image_size: tuple[int, int]
    focal_px: float
    position: Float[np.ndarray, '3']
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0

    @cached_property
    def rotation(self) -> Float[np.ndarray, '3 3']:
        """Rows are the image's right, down and forward directions in world coordinates."""
        cy, sy = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        cp, sp = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        cr, sr = np.cos(self.roll_rad), np.sin(self.roll_rad)
        right = np.array([cy, sy, 0.0])
        forward = np.array([-sy * cp, cy * cp, sp])
        down = np.cross(forward, right)
        return np.stack([cr * right + sr * down, cr * down - sr * right, forward])

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """Focal lengths and principal point fx, fy, cx, cy in px."""
        width, height = self.image_size
        return self.focal_px, self.focal_px, width / 2, height / 2

    @cached_property
    def matrix(self) -> Float[np.ndarray, '3 4']:
        """Projection matrix: homogeneous world point to homogeneous pixel; the third is depth."""
        fx, fy, cx, cy = self.intrinsics
        inner = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        pose = np.column_stack([self.rotation, -self.rotation @ self.position])
        return np.asarray(inner @ pose)

    def depths(self, points: Float[np.ndarray, '*batch 3']) -> Float[np.ndarray, '*batch']:
        """Return how far points lie along the optical axis, m; negative behind the camera."""
        return np.asarray((points - self.position) @ self.rotation[2])

    def project(
        self, points: Float[np.ndarray, '*batch 3']
    ) -> tuple[Float[np.ndarray, '*batch 2'], Float[np.ndarray, '*batch']]:
        """Return pixel positions and depths (m) of world points.

        A point with depth below `NEAR_M` gets the pixel it would have at that depth, which is
        far off; callers drop such points by their depth.
        """
        homogeneous = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        depth = homogeneous[..., 2]
        return homogeneous[..., :2] / np.maximum(depth, NEAR_M)[..., None], depth

    def to_optical(self, points: Float[np.ndarray, '*batch 3']) -> Float[np.ndarray, '*batch 3']:
        """Return world points in the camera's optical frame: x right, y down, z forward, m."""
        return np.asarray((points - self.position) @ self.rotation.T)

    def plane_homography(
        self,
        origin: Float[np.ndarray, '3'],
        along_u: Float[np.ndarray, '3'],
        along_v: Float[np.ndarray, '3'],
    ) -> Float[np.ndarray, '3 3']:
        """Return the homography from a plane's (u, v, 1) to homogeneous pixels.

        Args:
            origin: world point of (0, 0).
            along_u: world vector of one unit of u.
            along_v: world vector of one unit of v.
        """
        m = self.matrix[:, :3]
        return np.column_stack([m @ along_u, m @ along_v, m @ origin + self.matrix[:, 3]])


@dataclass(frozen=True)
class CameraMotion:
    """How a camera moves: a straight dolly, a slow pan, and the sway of a hand.

    Attributes:
        start: position at time 0, m.
        velocity: of the position, m/s.
        yaw_rad: mean direction.
        pitch_rad: mean tilt.
        pan_rad: amplitude of the slow pan around the mean direction.
        pan_period_s: duration of a whole pan, there and back.
        sway: 0 for a tripod, 1 for a camera held by hand.
        focal: focal length relative to the image's width.
    """

    start: tuple[float, float, float]
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    pan_rad: float = 0.0
    pan_period_s: float = 12.0
    sway: float = 0.0
    focal: float = 0.95

    def camera(self, time_s: float, image_size: tuple[int, int]) -> Camera:
        """Return the camera at a moment."""
        turn = 2 * np.pi * time_s
        # Incommensurable slow frequencies: it never visibly repeats.
        shake_yaw = 0.004 * np.sin(0.53 * turn) + 0.0025 * np.sin(1.17 * turn + 1.0)
        shake_pitch = 0.003 * np.sin(0.61 * turn + 2.0) + 0.002 * np.sin(1.31 * turn)
        shake_roll = 0.003 * np.sin(0.37 * turn + 0.5)
        bob = 0.012 * np.sin(0.9 * turn)
        position = np.array(self.start) + time_s * np.array(self.velocity)
        position = position + self.sway * np.array([0.5 * bob, 0.0, bob])
        return Camera(
            image_size=image_size,
            focal_px=self.focal * image_size[0],
            position=position,
            yaw_rad=self.yaw_rad
            + self.pan_rad * float(np.sin(turn / self.pan_period_s))
            + self.sway * float(shake_yaw),
            pitch_rad=self.pitch_rad + self.sway * float(shake_pitch),
            roll_rad=self.sway * float(shake_roll),
        )
