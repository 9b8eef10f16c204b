"""What stands around the people: sky, buildings, trees, and the faces of obstacles."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from pose_tracking_ros.simulation import textures
from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.planes import Image, Plane, to_uint8

HAZE = 214
"""Grey of far air, sRGB."""

_FAR_PER_M, _NEAR_PER_M = 22, 90


def _square(rng: np.random.Generator) -> list[Plane]:
    """Return a row of houses behind a square, with trees before it."""
    planes = []
    x = -34.0
    while x < 34:
        width = float(rng.uniform(8, 15))
        height = float(rng.uniform(9, 17))
        picture = to_uint8(textures.facade(rng, width, height, _FAR_PER_M))
        planes.append(Plane((x, 24.0), (x + width, 24.0), height, picture))
        x += width
    return planes + _trees(rng, [(float(x), 20.5) for x in np.arange(-17, 18, 5.5)])


def _trees(rng: np.random.Generator, spots: Sequence[tuple[float, float]]) -> list[Plane]:
    planes = []
    for x, y in spots:
        x += float(rng.uniform(-1.2, 1.2))
        height = float(rng.uniform(5.0, 7.0))
        picture = to_uint8(textures.tree(rng, (230, 300)))
        half = 0.38 * height
        planes.append(Plane((x - half, y), (x + half, y), height, picture))
    return planes


def _canyon(rng: np.random.Generator) -> list[Plane]:
    """Return houses along both sides of a street and across its end."""
    planes = []
    for side in (-1, 1):
        y = 3.5
        while y < 46:
            width = float(rng.uniform(8, 14))
            height = float(rng.uniform(9, 16))
            picture = to_uint8(textures.facade(rng, width, height, _FAR_PER_M))
            near, far = (side * 7.2, y), (side * 7.2, y + width)
            ends = (near, far) if side < 0 else (far, near)
            planes.append(Plane(*ends, height, picture))
            y += width
    for x in (-12.0, 0.0):
        picture = to_uint8(textures.facade(rng, 12.0, 14.0, _FAR_PER_M))
        planes.append(Plane((x, 46.0), (x + 12.0, 46.0), 14.0, picture))
    spots = [(side * 5.9, y) for y in (12.5, 19.0, 26.0, 34.0) for side in (-1, 1)]
    return planes + _trees(rng, spots)


def _van_side(
    rng: np.random.Generator, width_m: float, height_m: float, is_long: bool
) -> np.ndarray:
    size = (int(width_m * _NEAR_PER_M), int(height_m * _NEAR_PER_M))
    tones = ((0.86, 0.86, 0.84), (0.55, 0.13, 0.12), (0.20, 0.30, 0.46), (0.30, 0.31, 0.33))
    picture = textures.rough(rng, textures.plain(size, tones[rng.integers(4)]), 200, 0.03)
    height, width = picture.shape[:2]
    picture *= np.linspace(1.05, 0.8, height, dtype=np.float32)[:, None, None]
    top, low = int(0.12 * height), int(0.44 * height)
    glass = np.linspace(0.45, 0.14, low - top, dtype=np.float32)[:, None, None]
    panes = ((0.04, 0.30), (0.34, 0.62), (0.66, 0.94)) if is_long else ((0.08, 0.92),)
    for left, right in panes:
        picture[top:low, int(left * width) : int(right * width)] = glass
    picture[int(0.86 * height) :] = 0.06
    canvas = to_uint8(picture)
    if is_long:
        radius = int(0.34 * _NEAR_PER_M)
        for centre in (0.2, 0.8):
            at = (int(centre * width), height - radius)
            cv2.circle(canvas, at, radius + 6, (24, 24, 25), -1, cv2.LINE_AA)
            cv2.circle(canvas, at, radius, (38, 38, 39), -1, cv2.LINE_AA)
            cv2.circle(canvas, at, int(0.6 * radius), (150, 152, 155), -1, cv2.LINE_AA)
    else:
        for left in (0.05, 0.80):
            lamp = (slice(int(0.56 * height), int(0.66 * height)),)
            canvas[lamp[0], int(left * width) : int((left + 0.15) * width)] = (214, 90, 70)
    return canvas


def _face_picture(
    rng: np.random.Generator, kind: str, width_m: float, height_m: float, is_side: bool
) -> np.ndarray:
    size = (max(int(width_m * _NEAR_PER_M), 8), max(int(height_m * _NEAR_PER_M), 8))
    if kind == 'wall':
        return to_uint8(textures.bricks(rng, size, (0.55, 0.34, 0.27), (20, 7)))
    if kind == 'pillar':
        picture = textures.rough(rng, textures.plain(size, (0.66, 0.64, 0.60)), 30, 0.06)
        across = np.linspace(-1, 1, size[0], dtype=np.float32)
        return to_uint8(picture * (1 - 0.35 * across**2)[None, :, None])
    if kind == 'van':
        return _van_side(rng, width_m, height_m, is_long=is_side)
    body = rng.choice(np.array([[0.16, 0.32, 0.26], [0.42, 0.14, 0.13], [0.17, 0.24, 0.38]]))
    picture = textures.rough(rng, textures.plain(size, tuple(body)), 40, 0.04)
    height, width = picture.shape[:2]
    opening = slice(int(0.28 * height), int(0.58 * height))
    picture[opening, int(0.1 * width) : int(0.9 * width)] = 0.10
    for shelf in range(int(0.3 * height), int(0.56 * height), 14):
        for x in range(int(0.12 * width), int(0.86 * width), 11):
            picture[shelf : shelf + 10, x : x + 8] = rng.uniform(0.1, 0.8, 3)
    picture[int(0.58 * height) : int(0.61 * height)] = 0.75
    picture[int(0.10 * height) : int(0.22 * height), int(0.06 * width) : int(0.94 * width)] = 0.88
    return to_uint8(picture)


class Scenery:
    """Sky, buildings, trees and obstacles of one scene.

    Args:
        rng: draws their looks.
        is_street: houses along a street, instead of around a square.
        obstacles: solid things among the people.
        sun: unit vector towards the sun.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        is_street: bool,
        obstacles: Sequence[Obstacle],
        sun: Float[np.ndarray, '3'],
    ) -> None:
        self._sky = to_uint8(textures.sky(rng, (1024, 320)))
        planes = _canyon(rng) if is_street else _square(rng)
        self._planes = sorted(planes, key=lambda plane: -plane.corners[:, 1].mean())
        self._faces = [_faces(rng, obstacle, sun) for obstacle in obstacles]

    @property
    def walls(self) -> list[Plane]:
        """The fronts of the buildings."""
        # What has an alpha channel are trees.
        return [plane for plane in self._planes if plane.picture.shape[2] == 3]

    def draw_far(self, camera: Camera, image: Image) -> None:
        """Draw sky and buildings over an image that holds the ground."""
        width, _ = camera.image_size
        horizon = camera.project(camera.position + 1e4 * _level(camera.rotation[2]))[0][1]
        rows = int(np.clip(np.floor(horizon) + 2, 0, len(image)))
        if rows:
            # The sky turns with the camera: 1024 px are about 200 degrees.
            field = width / camera.focal_px * 290
            left = np.clip(512 - 290 * camera.yaw_rad - field / 2, 0, 1023 - field)
            tall = max(int(320 * camera.focal_px / 640), 1)
            source = self._sky[:, int(left) : int(left + field)]
            scaled = cv2.resize(source, (width, tall), interpolation=cv2.INTER_LINEAR)
            if tall < rows:
                scaled = np.pad(scaled, ((rows - tall, 0), (0, 0), (0, 0)), mode='edge')
            image[:rows] = scaled[-rows:]
        for plane in self._planes:
            if plane.faces(camera):
                plane.draw(camera, image, HAZE)

    def draw_obstacle(self, number: int, camera: Camera, image: Image) -> None:
        """Draw one obstacle over the image."""
        for plane in self._faces[number]:
            if plane.faces(camera):
                plane.draw(camera, image, HAZE)


def _level(direction: Float[np.ndarray, '3']) -> Float[np.ndarray, '3']:
    flat = direction * (1, 1, 0)
    return np.asarray(flat / np.linalg.norm(flat))


def _faces(
    rng: np.random.Generator, obstacle: Obstacle, sun: Float[np.ndarray, '3']
) -> list[Plane]:
    """Return the four upright faces of a box, the farther ones first."""
    width, depth, height = obstacle.size
    faces = []
    for i, length in enumerate((width, depth, width, depth)):
        start, end = obstacle.corners[i], obstacle.corners[(i + 1) % 4]
        along = (end - start) / length
        outward = np.array([along[1], -along[0], 0.0])
        is_side = (i % 2 == 1) if depth > width else (i % 2 == 0)
        picture = _face_picture(rng, obstacle.kind, length, height, is_side)
        light = 0.62 + 0.45 * max(float(outward @ sun), 0.0)
        lit = to_uint8(picture / 255 * light)
        faces.append(Plane((start[0], start[1]), (end[0], end[1]), height, lit))
    return sorted(faces, key=lambda face: -np.hypot(*face.corners[:, :2].mean(0)))
