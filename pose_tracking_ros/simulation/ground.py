"""The ground: a painted map of surfaces, with detail that repeats, and shadows on it."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.simulation import textures
from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.gait import POINTS, Bodies
from pose_tracking_ros.simulation.obstacles import Obstacle, fixed_point
from pose_tracking_ros.simulation.planes import Image, to_uint8

_MAP_PER_M = 32
_MAP_X_M = (-18.0, 18.0)
_MAP_Y_M = (1.0, 33.0)
_TILE_PX = 512
_TILE_M = 4.0
_NEUTRAL = 128
"""Detail is stored as a factor times this."""

_LIMB_WIDTHS_M = (
    ('left_shoulder', 'left_elbow', 0.10), ('left_elbow', 'left_wrist', 0.08),
    ('right_shoulder', 'right_elbow', 0.10), ('right_elbow', 'right_wrist', 0.08),
    ('left_hip', 'left_knee', 0.16), ('left_knee', 'left_ankle', 0.11),
    ('right_hip', 'right_knee', 0.16), ('right_knee', 'right_ankle', 0.11),
    ('left_heel', 'left_toe', 0.09), ('right_heel', 'right_toe', 0.09),
    ('pelvis', 'neck', 0.32), ('neck', 'head', 0.15), ('head', 'crown', 0.18),
)  # fmt: skip
_ENDS = np.array([[POINTS.index(a), POINTS.index(b)] for a, b, _ in _LIMB_WIDTHS_M])
_WIDTHS = np.array([width for _, _, width in _LIMB_WIDTHS_M])


def _map_picture(rng: np.random.Generator, is_street: bool) -> np.ndarray:
    width = round((_MAP_X_M[1] - _MAP_X_M[0]) * _MAP_PER_M)
    height = round((_MAP_Y_M[1] - _MAP_Y_M[0]) * _MAP_PER_M)
    size = (width, height)
    tone = rng.uniform(-0.04, 0.04)
    picture: np.ndarray = textures.plain(size, (0.60 + tone, 0.575 + tone, 0.54 + tone))
    x = np.linspace(*_MAP_X_M, width)[None, :, None]
    y = np.linspace(_MAP_Y_M[1], _MAP_Y_M[0], height)[:, None, None]
    if is_street:
        road = np.abs(x + 0.0 * y) < 3.3
        picture = np.where(road, textures.rgb([0.335, 0.335, 0.345]), picture)
        kerb = np.abs(np.abs(x + 0.0 * y) - 3.4) < 0.11
        picture = np.where(kerb, textures.rgb([0.70, 0.69, 0.66]), picture)
        dashes = (np.abs(x) < 0.06) & (np.mod(y, 4.0) < 2.0)
        picture = np.where(dashes, textures.rgb([0.80, 0.80, 0.77]), picture)
        bars = (np.mod(x, 0.9) < 0.45) & (np.abs(y - 8.6) < 1.4) & (np.abs(x) < 3.2)
        worn = textures.noise(rng, size, 20)[..., None] < 1.1
        picture = np.where(bars & worn, textures.rgb([0.80, 0.80, 0.78]), picture)
    else:
        band = (np.abs(np.mod(y, 6.0) - 3.0) < 0.25) | (np.abs(np.mod(x, 8.0) - 4.0) < 0.25)
        picture = np.where(band, picture * textures.rgb([0.84, 0.80, 0.77]), picture)
    stains = textures.noise(rng, size, 5.0 * _MAP_PER_M, 5)[..., None]
    patches = np.clip(textures.noise(rng, size, 1.2 * _MAP_PER_M, 3)[..., None] - 1.2, 0, 1)
    return to_uint8(picture * (1 + 0.045 * stains) * (1 - 0.10 * patches))


class Ground:
    """Draws the ground plane z = 0 and the shadows on it.

    Args:
        rng: draws its look.
        is_street: a road with a crossing between pavements, instead of a paved square.
        sun: unit vector towards the sun.
    """

    def __init__(
        self, rng: np.random.Generator, is_street: bool, sun: Float[np.ndarray, '3']
    ) -> None:
        self._map = _map_picture(rng, is_street)
        tile = textures.asphalt(rng, _TILE_PX) if is_street else textures.paving(rng, _TILE_PX, 64)
        levels = [tile]
        while len(levels) < 6:
            levels.append(
                cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            )
        self._levels = [
            np.clip(level * _NEUTRAL + 0.5, 0, 255).astype(np.uint8) for level in levels
        ]
        self._sun = sun

    def _homography(
        self, camera: Camera, corner: tuple[float, float], step_m: float, first_row: int
    ) -> np.ndarray:
        origin = np.array([corner[0] + 0.5 * step_m, corner[1] - 0.5 * step_m, 0.0])
        matrix = camera.plane_homography(
            origin, np.array([step_m, 0.0, 0.0]), np.array([0.0, -step_m, 0.0])
        )
        shift = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5 - first_row], [0.0, 0.0, 1.0]])
        inverse: np.ndarray = np.linalg.inv(shift @ matrix)
        return inverse

    def draw(self, camera: Camera, image: Image, haze: int) -> None:
        """Draw the ground up to the horizon; what lies beyond is for the caller to cover."""
        width, height = camera.image_size
        edge = np.array([[0.0, 0.0], [width, 0.0]]) - (width / 2, height / 2)
        rays = np.column_stack([edge[:, 0], np.zeros(2), np.full(2, camera.focal_px)])
        down = camera.rotation[:, 2]
        # On each side the horizon is where the ray is level.
        horizon = [-(ray @ down) / down[1] + height / 2 for ray in rays]
        first = int(np.clip(np.ceil(max(horizon)) + 1, 0, height))
        if first >= height:
            return
        size = (width, height - first)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        top_left = (_MAP_X_M[0], _MAP_Y_M[1])
        ground = cv2.warpPerspective(
            self._map,
            self._homography(camera, top_left, 1 / _MAP_PER_M, first),
            size,
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        detail = np.empty((size[1], size[0]), dtype=np.uint8)
        rows = np.arange(first, height)
        rise = float(camera.position[2])
        distance = rise * camera.focal_px / np.maximum(rows + 0.5 - np.mean(horizon), 0.5)
        # Texels per row of the image, most of them in the direction of sight.
        density = _TILE_PX / _TILE_M * distance**1.5 / (camera.focal_px * np.sqrt(rise))
        wanted = np.clip(np.round(np.log2(np.maximum(density, 1))), 0, len(self._levels) - 1)
        for level in np.unique(wanted.astype(int)):
            band = np.nonzero(wanted == level)[0]
            low, high = int(band[0]), int(band[-1]) + 1
            step_m = _TILE_M / self._levels[level].shape[0]
            detail[low:high] = cv2.warpPerspective(
                self._levels[level],
                self._homography(camera, (0.0, 0.0), step_m, first + low),
                (width, high - low),
                flags=flags,
                borderMode=cv2.BORDER_WRAP,
            )
        ground = cv2.multiply(ground, cv2.merge([detail] * 3), scale=1 / _NEUTRAL)
        share = (1 - np.exp(-distance / 90)).astype(np.float32)[:, None, None]
        image[first:] = (ground * (1 - share) + haze * share).astype(np.uint8)
        image[:first] = haze

    def _cast(self, points: np.ndarray) -> np.ndarray:
        """Return where the shadows of points fall on the ground."""
        shadow: np.ndarray = points - points[..., 2:] / self._sun[2] * self._sun
        return shadow

    def shade(
        self, camera: Camera, image: Image, bodies: Bodies, obstacles: list[Obstacle], depth: float
    ) -> None:
        """Darken the ground where people and obstacles keep the sun away.

        Args:
            camera: what sees it.
            image: changed in place.
            bodies: the people; those out of sight may cast shadows into sight.
            obstacles: other things that cast shadows.
            depth: how dark shadows are, 0 to 1; low for an overcast sky.
        """
        width, height = camera.image_size
        half = (max(width // 2, 1), max(height // 2, 1))
        mask: np.ndarray = np.zeros((half[1], half[0]), dtype=np.uint8)
        scale = np.array([half[0] / width, half[1] / height])
        limbs = bodies.points[:, _ENDS]
        ends_px, depths = camera.project(self._cast(limbs))
        strength = int(255 * depth)
        for person in range(len(limbs)):
            if depths[person].min() < 0.5:
                continue
            scaled = fixed_point(ends_px[person] * scale)
            thick = _WIDTHS * camera.focal_px / depths[person].mean(-1) * scale[0]
            for (start, end), width_px in zip(scaled, thick, strict=True):
                if np.abs(start).max() < 2**16 and np.abs(end).max() < 2**16:
                    cv2.line(mask, start, end, strength, max(round(width_px), 1), cv2.LINE_AA, 4)
        for obstacle in obstacles:
            base = obstacle.corners
            points = np.concatenate([base[:4], self._cast(base[4:])])
            points_px, point_depths = camera.project(points)
            if (point_depths > 0.3).all():
                hull = cv2.convexHull((points_px * scale).astype(np.float32))[:, 0]
                cv2.fillConvexPoly(mask, fixed_point(hull), strength, cv2.LINE_AA, 4)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.003 * width, 0.8))
        contact = self._contacts(camera, bodies, half)
        mask = cv2.max(mask, contact)
        light = cv2.bitwise_not(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR))
        # Sky light fills shadows with a little blue.
        tinted = cv2.merge([light, light, cv2.addWeighted(light, 0.93, light, 0.0, 18)])
        image[...] = cv2.multiply(image, tinted, scale=1 / 255)

    def _contacts(
        self, camera: Camera, bodies: Bodies, size: tuple[int, int]
    ) -> UInt8[np.ndarray, 'height width']:
        """Return the soft dark spots below feet."""
        mask = np.zeros((size[1], size[0]), dtype=np.uint8)
        scale = size[0] / camera.image_size[0]
        for side in ('left', 'right'):
            heel = bodies.points[:, POINTS.index(f'{side}_heel')]
            toe = bodies.points[:, POINTS.index(f'{side}_toe')]
            lift = np.minimum(heel[:, 2], toe[:, 2])
            middle = (heel + toe) / 2 * (1, 1, 0)
            middle_px, depths = camera.project(middle)
            for at, far, high in zip(middle_px, depths, lift, strict=True):
                if far < 0.8 or not (-200 < at[0] < camera.image_size[0] + 200):
                    continue
                radius = 0.17 * camera.focal_px / far * scale
                flat = radius * np.clip(camera.position[2] / far, 0.1, 1) * 0.8
                dark = int(150 * np.clip(1 - (high - 0.03) / 0.2, 0, 1))
                if dark and at[1] < 2 * camera.image_size[1]:
                    centre = (at * scale).astype(int).tolist()
                    axes = (max(int(radius), 1), max(int(flat), 1))
                    cv2.ellipse(mask, centre, axes, 0, 0, 360, dark, -1, cv2.LINE_AA)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.0022 * camera.image_size[0], 0.7)))
